import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from secdl.image import apt
from secdl.image.build import arguments, build
from secdl.image.recipe import Recipe, load_recipe, recipe_digest
from secdl.model import codec
from secdl.model.errors import ConfigError, SecdlError, ToolFailed
from secdl.model.image import ImageRecord, seal_of
from secdl.model.shipped import shipped
from secdl.run.process import Cancel
from tests.image.images import debian

REFERENCE = shipped("policies/images/reference.toml")
TARGETS = "http://mirror.example/debian/\t{suite}\tmain\t{lists}/main_Packages\n"


class Machine:
    """A machine with apt and mmdebstrap: shell scripts that leave traces."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.lists = folder / "main_Packages"
        self.lists.write_text("Package: a\n")
        debian(folder / "made.tar")
        bin_ = folder / "bin"
        bin_.mkdir()
        self.targets(TARGETS.format(suite="bookworm", lists=folder))
        self.script("apt-config", "echo 'Acquire::http::Proxy \"http://proxy.example:3128\";'")
        self.mmdebstrap(f"cat {folder}/made.tar")
        monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")

    def script(self, name: str, text: str) -> Path:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def targets(self, text: str) -> None:
        (self.folder / "targets").write_text(text)
        self.script("apt-get", f"cat {self.folder}/targets")

    def mmdebstrap(self, makes: str, then: str = "exit 0") -> None:
        """One whose output is what `makes` prints; the target is the one argument that ends in .tar."""
        lines = [
            f'echo "$@" >> {self.folder}/calls',
            f"env > {self.folder}/env",
            "for a; do case $a in *.tar) t=$a;; esac; done",
        ]
        self.script("mmdebstrap", "\n".join([*lines, f"( {makes} ) > $t", then]))

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def build(self, recipe: Path = REFERENCE, name: str = "i") -> ImageRecord:
        mmdebstrap = str(self.folder / "bin" / "mmdebstrap")
        return build(recipe, name=name, cache=self.cache, mmdebstrap=mmdebstrap, cancel=Cancel())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_second_build_reuses_the_first_and_says_so(machine: Machine) -> None:
    first, second = machine.build(), machine.build()
    assert (first.reused, second.reused) == (False, True)
    assert len(machine.calls()) == 1
    assert (first.digest, first.packages, first.recipe) == (second.digest, 2, "reference.toml")
    assert Path(second.path).is_file()
    assert (Path(second.oci) / "index.json").is_file()


def test_newer_package_indexes_build_anew(machine: Machine) -> None:
    machine.build()
    machine.lists.write_text("Package: a\nVersion: 2\n")
    assert not machine.build().reused


def test_apt_is_asked_again_only_when_its_configuration_or_indexes_change(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    before = apt.stamp((tmp_path,))
    assert apt.stamp((tmp_path,)) == before
    (tmp_path / "sources.list.d/new.list").write_text("deb http://mirror.example sid main\n")
    after = apt.stamp((tmp_path,))
    assert after != before
    (tmp_path / "sources.list.d/new.list").write_text("deb http://mirror.example sid more\n")
    assert apt.stamp((tmp_path,)) != after


def test_another_recipe_builds_anew(machine: Machine, tmp_path: Path) -> None:
    machine.build()
    other = tmp_path / "other.toml"
    other.write_text('suites = ["bookworm"]\npackages = ["bash"]\n')
    assert not machine.build(other).reused


def test_a_tar_that_was_altered_in_the_cache_is_built_anew(machine: Machine) -> None:
    path = Path(machine.build().path)
    path.write_bytes(path.read_bytes() + bytes(512))
    record = machine.build()
    assert not record.reused
    assert len(machine.calls()) == 2


def test_a_cache_that_was_copied_is_sealed_anew_once_its_bytes_are_read(machine: Machine) -> None:
    first = machine.build()
    path = Path(first.path)
    path.write_bytes(path.read_bytes())
    second, third = machine.build(), machine.build()
    assert (second.reused, third.reused) == (True, True)
    assert first.seal != second.seal == third.seal == seal_of(path)
    assert codec.load(path.with_name("record.json"), ImageRecord).seal == second.seal


def test_old_images_leave_the_cache(machine: Machine) -> None:
    for number in range(4):
        machine.lists.write_text(f"Package: a\nVersion: {number}\n")
        machine.build()
    assert len([path for path in (machine.cache / "images").iterdir() if not path.name.startswith(".")]) == 2


def test_what_a_killed_build_left_is_removed(machine: Machine) -> None:
    left = machine.cache / "images" / ".0123.abc.tmp"
    left.mkdir(parents=True)
    machine.build()
    assert not left.exists()


def test_the_build_sees_the_apt_sources_of_this_machine(machine: Machine) -> None:
    machine.build()
    (call,) = machine.calls()
    assert '--aptopt=Acquire::http::Proxy "http://proxy.example:3128"' in call
    assert "SOURCE_DATE_EPOCH=" in (machine.folder / "env").read_text()


def test_two_builds_at_once_build_once(machine: Machine) -> None:
    machine.mmdebstrap(f"sleep 0.3; cat {machine.folder}/made.tar")
    records: list[ImageRecord] = []
    threads = [threading.Thread(target=lambda: records.append(machine.build())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(machine.calls()) == 1
    assert sorted(record.reused for record in records) == [False, True, True]


@pytest.mark.parametrize(
    ("makes", "then"),
    [
        ("true", "echo 'E: Unable to locate package shim' >&2; echo 'I: removing tempdir' >&2; exit 25"),
        ("true", "kill -9 $$"),
        ("true", "exit 0"),
        ("head -c 5000 /dev/urandom", "exit 0"),
    ],
)
def test_a_build_that_fails_leaves_no_image(machine: Machine, makes: str, then: str) -> None:
    machine.mmdebstrap(makes, then)
    with pytest.raises(SecdlError) as error:
        machine.build()
    assert "\n" not in str(error.value)
    assert not [path for path in (machine.cache / "images").iterdir() if path.is_dir()]


def test_what_apt_said_is_the_reason(machine: Machine) -> None:
    machine.mmdebstrap("true", "echo 'I: start' >&2; echo 'E: Unable to locate package x' >&2; echo bye >&2; exit 25")
    with pytest.raises(ToolFailed, match="Unable to locate package x"):
        machine.build()


def test_a_machine_without_the_release_says_what_to_add(machine: Machine) -> None:
    machine.targets(TARGETS.format(suite="noble", lists=machine.folder))
    with pytest.raises(ConfigError, match="bookworm, trixie"):
        machine.build()


def test_a_machine_without_apt_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.folder))
    with pytest.raises(ConfigError, match="apt-get is not on this machine"):
        machine.build()


def test_the_first_release_of_the_recipe_that_apt_has_wins_with_its_updates() -> None:
    suites = ("trixie", "trixie-security", "bookworm-updates", "sid")
    rows = "".join(TARGETS.format(suite=suite, lists="/l") for suite in suites)
    suite, chosen = apt.choose(apt.parse_targets(rows + "garbage\n"), ("bookworm", "trixie"))
    assert suite == "trixie"
    assert apt.sources_list(chosen) == (
        "deb http://mirror.example/debian/ trixie main\ndeb http://mirror.example/debian/ trixie-security main\n"
    )


@pytest.mark.parametrize("suffix", ["", ".lz4", ".xz"])
def test_indexes_count_under_any_compression_and_may_be_absent(tmp_path: Path, suffix: str) -> None:
    row = TARGETS.format(suite="bookworm", lists=tmp_path)
    absent = apt.index_state(apt.parse_targets(row))
    (tmp_path / f"main_Packages{suffix}").write_text("1")
    first = apt.index_state(apt.parse_targets(row))
    (tmp_path / f"main_Packages{suffix}").write_text("2")
    assert len({absent, first, apt.index_state(apt.parse_targets(row))}) == 3


def test_proxies_of_the_user_reach_mmdebstrap(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:8080")
    machine.build()
    assert "https_proxy=http://proxy.example:8080\n" in (machine.folder / "env").read_text()


def test_settings_that_could_run_programs_are_not_taken_over() -> None:
    dump = 'Acquire::Retries "3";\nAPT::Update::Post-Invoke:: "rm -rf /";\nAcquire::https::Proxy "x";\nDir::Etc "y";\n'
    assert apt.options(dump) == ('Acquire::Retries "3"', 'Acquire::https::Proxy "x"')


def test_a_user_without_rights_builds_in_a_user_namespace() -> None:
    recipe = Recipe(suites=("bookworm",), packages=("bash",))
    argv = arguments(recipe, "bookworm", root=False, target="/t.tar", sources="/s", settings=())
    assert "--mode=unshare" in argv
    assert argv[-3:] == ["bookworm", "/t.tar", "/s"]


@pytest.mark.parametrize("word", ["--hook=x", "a b", "a,b", "", "A"])
def test_a_package_name_cannot_carry_an_option(word: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"suites": ["bookworm"], "packages": [word]}, Recipe)


def test_the_reference_recipe_has_what_the_image_must_hold() -> None:
    recipe = load_recipe(REFERENCE)
    wanted = {"linux-image-cloud-amd64", "shim-signed", "grub-efi-amd64-signed", "qemu-system-x86", "aide", "auditd"}
    assert wanted | {"libvirt-daemon-system", "openssh-server", "selinux-policy-default"} <= set(recipe.packages)


def test_a_comment_does_not_change_the_recipe(tmp_path: Path) -> None:
    other = tmp_path / "r.toml"
    other.write_text("# more\n" + REFERENCE.read_text())
    assert recipe_digest(load_recipe(other)) == recipe_digest(load_recipe(REFERENCE))


def test_a_build_that_is_stopped_takes_mmdebstrap_with_it_and_leaves_nothing(machine: Machine) -> None:
    pid = machine.folder / "pid"
    machine.mmdebstrap(f"echo $$ > {pid}; exec sleep 600")
    argv = [sys.executable, "-m", "secdl.image", "build", "--name=i", f"--recipe={REFERENCE}"]
    argv += [f"--cache={machine.cache}", f"--mmdebstrap={machine.folder}/bin/mmdebstrap", f"--out={machine.folder}/o"]
    engine = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.02)
    engine.terminate()
    _, error = engine.communicate(timeout=120)
    assert engine.returncode == 3
    assert "cancelled" in error
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    assert not [path for path in (machine.cache / "images").iterdir() if path.is_dir()]
