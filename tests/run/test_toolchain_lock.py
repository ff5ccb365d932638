"""What tools.lock.toml and the hash locks that ship with secdl promise."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from secdl.model.errors import ConfigError
from secdl.model.toml import parse_toml
from secdl.run.install import go
from secdl.run.install.lock import LOCK_FILE, GoWay, Lock, PythonWay, load_lock, version_in
from secdl.run.install.step import InstallFailed

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = load_lock(_ROOT / LOCK_FILE)
_HASH_LOCKS = sorted((_ROOT / "locks").glob("*.txt"))
_PYTHON = [(entry, way) for entry in _LOCK.tool for way in entry.way if isinstance(way, PythonWay)]
_GO = [(entry, way) for entry in _LOCK.tool for way in entry.way if isinstance(way, GoWay)]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def _pins(path: Path) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in _PIN.findall(path.read_text("utf-8"))}


@pytest.mark.parametrize("path", _HASH_LOCKS, ids=lambda path: path.stem)
def test_every_package_of_a_hash_lock_is_pinned_and_hashed_and_no_index_is_named(path):
    text = path.read_text("utf-8")
    assert "://" not in text
    requirements = [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("#")]
    assert requirements
    for block in requirements:
        assert _PIN.match(block), block
        assert "--hash=sha256:" in block, block


@pytest.mark.parametrize(("entry", "way"), _PYTHON, ids=[entry.name for entry, _ in _PYTHON])
def test_the_hash_lock_of_a_tool_holds_the_version_that_the_tools_lock_names(entry, way):
    assert _pins(_ROOT / way.lock)[canonicalize_name(way.requirement)] == entry.version


@pytest.mark.parametrize(("entry", "way"), _PYTHON, ids=[entry.name for entry, _ in _PYTHON])
def test_a_tool_from_the_registry_has_its_digest_pinned(entry, way):
    assert way.beyond_registries or way.digests, "`nox -s locks` writes it"


@pytest.mark.parametrize(("entry", "way"), _GO, ids=[entry.name for entry, _ in _GO])
def test_the_sums_of_a_go_module_hold_the_hash_that_the_tools_lock_names(entry, way):
    sums = (_ROOT / way.folder / "go.sum").read_text("utf-8").splitlines()
    assert f"{way.module} v{entry.version} {way.sum}" in sums
    assert f"require {way.module} v{entry.version}\n" in (_ROOT / way.folder / "go.mod").read_text("utf-8")


def test_no_lock_holds_a_denied_version_or_a_name_that_is_a_trap():
    traps = {trap.name for trap in _LOCK.trap}
    assert traps >= {"osv-scanner", "syft", "setools", "automated-security-helper"}
    for path in _HASH_LOCKS:
        pins = _pins(path)
        assert not traps & set(pins), path
        assert not [name for name, version in pins.items() if _LOCK.denied(name, version)], path
    assert not [entry.name for entry in _LOCK.tool if _LOCK.denied(entry.name, entry.version)]


def test_the_known_malicious_releases_are_denied():
    for version in ("0.69.4", "0.69.5", "0.69.6"):
        assert "CVE-2026-33634" in _LOCK.denied("trivy", f"Version: {version}")
    assert not _LOCK.denied("trivy", "0.74.0")


def test_the_locks_of_secdl_hold_all_that_it_depends_on():
    declared = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    runtime = [Requirement(text) for text in declared["project"]["dependencies"]]
    dev = [Requirement(text) for text in declared["dependency-groups"]["dev"]]
    secdl, all_ = _pins(_ROOT / "locks/secdl.txt"), _pins(_ROOT / "locks/dev.txt")
    for requirement in runtime:
        assert requirement.specifier.contains(secdl[canonicalize_name(requirement.name)]), "run `nox -s locks`"
    for requirement in runtime + dev:
        assert requirement.specifier.contains(all_[canonicalize_name(requirement.name)]), "run `nox -s locks`"
    assert secdl.items() <= all_.items()


def test_a_tool_may_be_named_by_its_debian_package():
    way = '[[tool.way]]\nkind = "debian"\npackage = "bubblewrap"\nminimum = "1"\nprogram = "/usr/bin/bwrap"\n'
    lock = parse_toml(f'schema = 1\n[[tool]]\nname = "bwrap"\n{way}', Lock, where=LOCK_FILE)
    assert lock.entry("bubblewrap") is lock.entry("bwrap")


def test_a_name_that_is_not_locked_is_answered_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r'no tool is called .bandti.; did you mean "bandit"'):
        _LOCK.entry("bandti")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('schema = 1\n[[tool]]\nname = "a"\n', "way"),
        ('schema = 1\n[[tool]]\nname = "a"\nversion = "1"\nway = []\n', "at least one"),
        ('schema = 1\n[[tool]]\nname = "a"\n[[tool.way]]\nkind = "magic"\n', "kind|magic"),
        (
            'schema = 1\n[[tool]]\nname = "a"\n[[tool.way]]\nkind = "go"\nfolder = "locks/go/a"\nmodule = "m"\n'
            f'package = "m"\nsum = "h1:{"A" * 43}="\n',
            "exact `version`",
        ),
        (
            'schema = 1\n[[tool]]\nname = "a"\nversion = "1"\n[[tool.way]]\nkind = "python"\nrequirement = "a"\n'
            'lock = "/etc/passwd"\nlaunch = "script"\nprogram = "bin/a"\n',
            "lock",
        ),
    ],
)
def test_a_wrong_lock_is_one_located_error(text, fault):
    with pytest.raises(ConfigError, match=fault):
        parse_toml(text, Lock, where="tools.lock.toml")


def test_a_lock_that_names_a_tool_twice_is_refused(tmp_path):
    path = tmp_path / LOCK_FILE
    way = '[[tool.way]]\nkind = "path"\ncommand = "a"\nminimum = "1"\n'
    path.write_text("schema = 1\n" + f'[[tool]]\nname = "a"\n{way}' * 2)
    with pytest.raises(ConfigError, match="twice"):
        load_lock(path)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("git version 2.39.5", "2.39.5"),
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)", "7.2.22"),
        ("v1.7.12\ninstalled by building", "1.7.12"),
        ("nothing", "nothing"),
    ],
)
def test_the_version_is_the_first_number_that_a_tool_prints(said, version):
    assert version_in(said) == version


_PROVENANCE = """/cache/actionlint: go1.26.8
\tpath\tgithub.com/rhysd/actionlint/cmd/actionlint
\tmod\tgithub.com/rhysd/actionlint\tv1.7.12\th1:vQ4GeJN86C0QH+gTUQcs8McmK62OLT3kmakPMtEWYnY=
\tdep\tgithub.com/fatih/color\tv1.19.0\th1:Zp3PiM21/9Ld6FzSKyL5c/BULoe/ONr9KlbYVOfG8+w=
\tbuild\t-trimpath=true
"""


def test_a_go_binary_must_name_the_module_version_and_hash_of_the_lock():
    ((entry, way),) = _GO
    go.check_provenance(entry, way, _PROVENANCE)
    for wrong in ("v1.7.11", ""):
        with pytest.raises(InstallFailed) as failed:
            go.check_provenance(entry, way, _PROVENANCE.replace("v1.7.12", wrong))
        assert failed.value.refused


def test_the_wheel_carries_the_locks(tmp_path):
    for name in ("policies", "threatmodels", "README.md"):
        if not (_ROOT / name).exists():
            pytest.skip(f"{name} is not there yet, so no wheel can be built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=_ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "secdl/_shipped/tools.lock.toml" in names
    for path in [*_HASH_LOCKS, *(_ROOT / "locks/go").rglob("go.*")]:
        assert f"secdl/_shipped/{path.relative_to(_ROOT).as_posix()}" in names
