"""Real installations of small made-up tools: no registry is asked, everything else is real."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from secdl.model.evidence import Origin, Program
from secdl.run.install.python import find_uv
from secdl.run.toolchain import Installed, State, Toolchain, Unavailable, cache_folder

pytestmark = pytest.mark.skipif(find_uv() is None, reason="uv is not there; it comes with secdl")

_MAIN = "import sys\ndef main():\n    print('demo 1.0', *sys.argv[1:])\n"


def _wheel(folder: Path, name: str = "demo", *, body: str = _MAIN) -> Path:
    """A wheel of one module with a console script."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    rows = []
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{file},sha256={digest},{len(text)}")
            archive.writestr(zipfile.ZipInfo(file), text)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return path


def _lock(folder: Path, *, extra: str = "", digest: str = "", launch: str = "script") -> Path:
    """A tools.lock.toml with one Python tool `demo`, and its hash lock."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = _wheel(folder)
    (folder / "locks").mkdir(exist_ok=True)
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "locks/demo.txt").write_text(f"demo @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    path = folder / "tools.lock.toml"
    path.write_text(
        'schema = 1\n[[tool]]\nname = "demo"\nversion = "1.0"\n[[tool.way]]\nkind = "python"\nrequirement = "demo"\n'
        f'lock = "locks/demo.txt"\nlaunch = "{launch}"\nprogram = "bin/demo"\n{extra}'
    )
    return path


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))


@pytest.fixture
def toolchain(tmp_path, offline):
    return Toolchain(_lock(tmp_path / "lock"), cache=tmp_path / "cache")


def _install(toolchain: Toolchain, name: str = "demo", **options: bool) -> Installed | Unavailable:
    (result,) = toolchain.install([name], system=options.get("system", False), progress=lambda line: None)
    return result


def _tree(toolchain: Toolchain) -> Path:
    (tree,) = toolchain.cache.glob("*/demo/tree")
    return tree


def _said(program: Program, *arguments: str) -> str:
    return subprocess.run([*program.argv, *arguments], capture_output=True, text=True, check=True).stdout


def test_resolving_installs_nothing_and_says_how_to_install(toolchain):
    found = toolchain.resolve("demo")
    assert found == Unavailable(name="demo", reason="demo 1.0 is not installed", remedy="secdl tools install demo")
    assert not toolchain.cache.exists()


def test_an_installed_tool_runs_isolated_from_the_folder_it_is_started_in(toolchain, tmp_path, monkeypatch):
    result = _install(toolchain)
    assert isinstance(result, Installed)
    assert result.fresh
    assert result.program.origin is Origin.PYPI
    assert result.program.version == "1.0"
    (tmp_path / "demo.py").write_text("raise SystemExit('the checkout was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert _said(result.program, "--flag") == "demo 1.0 --flag\n"


def test_a_second_installation_only_checks(toolchain):
    first, second = _install(toolchain), _install(toolchain)
    assert isinstance(first, Installed)
    assert second == Installed(name="demo", program=first.program, fresh=False)


def test_running_a_tool_leaves_its_environment_as_it_was(toolchain):
    program = _install(toolchain).program
    _said(program)
    assert toolchain.resolve("demo", thorough=True) == program


def test_the_same_lock_gives_the_same_digest_on_another_machine(toolchain, tmp_path):
    other = Toolchain(toolchain.root / "tools.lock.toml", cache=tmp_path / "elsewhere/deeper")
    assert _install(toolchain).program.digest == _install(other).program.digest


@pytest.mark.parametrize("change", ["edit", "add", "remove", "bytecode", "link", "same size and time"])
def test_an_altered_environment_is_refused(toolchain, change):
    _install(toolchain)
    tree = _tree(toolchain)
    (module,) = tree.glob("lib/python*/site-packages/demo.py")
    if change == "edit":
        module.write_text("def main(): pass\n")
    elif change == "add":
        module.with_name("sitecustomize.py").write_text("")
    elif change == "remove":
        module.unlink()
    elif change == "bytecode":
        (compiled,) = module.parent.glob("__pycache__/demo.*.pyc")
        compiled.write_bytes(compiled.read_bytes()[:-1] + b"x")
    elif change == "link":
        (tree / "bin/python").unlink()
        (tree / "bin/python").symlink_to("/bin/true")
    else:
        status = module.stat()
        module.write_text(_MAIN.replace("demo 1.0", "demo 6.6"))
        os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = toolchain.resolve("demo")
    assert isinstance(found, Unavailable)
    assert found.refused
    assert "digest mismatch" in found.reason
    assert "secdl tools install demo" in found.remedy


def test_installing_again_mends_what_was_refused(toolchain):
    program = _install(toolchain).program
    (_tree(toolchain) / "bin/demo").write_text("")
    assert toolchain.resolve("demo").refused
    result = _install(toolchain)
    assert result == Installed(name="demo", program=program, fresh=True)
    assert not list(toolchain.cache.glob("*/.demo*.tmp"))


def test_a_manifest_made_to_fit_an_altered_file_is_refused(toolchain):
    _install(toolchain)
    (manifest,) = toolchain.cache.glob("*/demo/manifest.json")
    (module,) = manifest.parent.glob("tree/lib/python*/site-packages/demo.py")
    old = hashlib.sha256(module.read_bytes()).hexdigest()
    module.write_text("def main(): print('demo')\n")
    new = hashlib.sha256(module.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(old, new))
    assert toolchain.resolve("demo").refused


def test_a_manifest_that_cannot_be_read_is_refused(toolchain):
    _install(toolchain)
    (manifest,) = toolchain.cache.glob("*/demo/manifest.json")
    manifest.write_bytes(manifest.read_bytes()[:100])
    assert toolchain.resolve("demo").refused


def test_a_package_whose_hash_is_not_the_locked_one_is_refused_and_leaves_nothing(tmp_path, offline):
    toolchain = Toolchain(_lock(tmp_path / "lock", digest="0" * 64), cache=tmp_path / "cache")
    result = _install(toolchain)
    assert isinstance(result, Unavailable)
    assert result.refused
    assert not list(toolchain.cache.glob("*/demo"))
    assert not list(toolchain.cache.glob("*/.demo*.tmp"))


def test_why_an_installation_failed_is_what_resolving_says_until_it_succeeds(toolchain, monkeypatch):
    monkeypatch.setattr("secdl.run.install.python.find_uv", lambda: None)
    failed = _install(toolchain)
    assert toolchain.resolve("demo") == failed
    monkeypatch.undo()
    monkeypatch.setenv("UV_OFFLINE", "1")
    assert isinstance(_install(toolchain), Installed)
    assert isinstance(toolchain.resolve("demo"), Program)
    assert not list(toolchain.cache.glob("*/demo.failed.json"))


def test_a_refused_installation_stays_refused(tmp_path, offline):
    toolchain = Toolchain(_lock(tmp_path / "lock", digest="0" * 64), cache=tmp_path / "cache")
    _install(toolchain)
    assert toolchain.resolve("demo").refused


def test_what_was_installed_must_have_the_digest_that_the_lock_pins(tmp_path, offline):
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    extra = f'digests = {{ {tag} = "sha256:{"0" * 64}" }}\n'
    result = _install(Toolchain(_lock(tmp_path / "lock", extra=extra), cache=tmp_path / "cache"))
    assert isinstance(result, Unavailable)
    assert result.refused
    assert "pins sha256:000" in result.reason


def test_a_lock_without_hashes_installs_nothing(tmp_path, offline):
    toolchain = Toolchain(_lock(tmp_path / "lock"), cache=tmp_path / "cache")
    (tmp_path / "lock/locks/demo.txt").write_text("demo==1.0\n")
    assert isinstance(_install(toolchain), Unavailable)


def test_a_denied_version_is_refused_even_when_it_is_installed(toolchain, tmp_path):
    _install(toolchain)
    deny = '[[deny]]\ntool = "demo"\nversions = ["1.0"]\nwhy = "malicious release"\n'
    path = toolchain.root / "tools.lock.toml"
    path.write_text(path.read_text() + deny)
    later = Toolchain(path, cache=toolchain.cache)
    for found in (later.resolve("demo"), _install(later)):
        assert isinstance(found, Unavailable)
        assert found.refused
        assert found.reason == "demo 1.0 is on the deny list: malicious release"


def test_changing_the_lock_installs_anew_beside_the_old(toolchain):
    _install(toolchain)
    path = toolchain.root / "locks/demo.txt"
    path.write_text("# changed\n" + path.read_text())
    assert isinstance(toolchain.resolve("demo"), Unavailable)
    assert _install(toolchain).fresh


_INSTALL = (
    "import sys; from pathlib import Path; from secdl.run.toolchain import Toolchain\n"
    "r, = Toolchain(Path(sys.argv[1]), cache=Path(sys.argv[2])).install(['demo'], system=False, progress=print)\n"
    "print(r.fresh, r.program.digest)"
)


def _start_install(toolchain: Toolchain) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _INSTALL, str(toolchain.root / "tools.lock.toml"), str(toolchain.cache)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_runs_at_once_install_once_and_both_can_use_it(toolchain):
    both = [_start_install(toolchain) for _ in range(2)]
    said = [process.communicate()[0].splitlines()[-1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(line.split()[0] for line in said) == ["False", "True"]
    assert len({line.split()[1] for line in said}) == 1


def test_the_run_after_one_that_was_killed_half_way_works(toolchain):
    process = _start_install(toolchain)
    assert process.stdout.readline() == "demo 1.0: installing from locks/demo.txt\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert isinstance(_install(toolchain), Installed)
    assert not list(toolchain.cache.glob("*/.demo*.tmp"))


def test_an_override_is_the_named_file_with_its_digest(toolchain, tmp_path):
    path = tmp_path / "mine"
    path.write_text("#!/bin/sh\necho mine 7.8.9\n")
    path.chmod(0o755)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = Program(argv=(str(path),), version="7.8.9", digest=f"sha256:{digest}", origin=Origin.OVERRIDE)
    assert toolchain.resolve("demo", override=path) == expected


def test_an_override_that_will_not_say_its_version_is_used_without_one(toolchain):
    found = toolchain.resolve("demo", override=Path("/bin/false"))
    assert isinstance(found, Program)
    assert found.version == ""


@pytest.mark.parametrize(
    ("name", "reason"), [("absent", "does not exist"), (".", "is not a file"), ("plain", "is not executable")]
)
def test_an_override_that_cannot_run_is_missing(toolchain, tmp_path, name, reason):
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    found = toolchain.resolve("demo", override=tmp_path / name)
    assert isinstance(found, Unavailable)
    assert found.state is State.MISSING
    assert reason in found.reason
    assert "[tools.demo] path" in found.remedy


def test_an_override_of_a_denied_version_is_refused(toolchain, tmp_path):
    path = toolchain.root / "tools.lock.toml"
    path.write_text(path.read_text() + '[[deny]]\ntool = "demo"\nversions = ["6.6.6"]\nwhy = "malicious"\n')
    mine = tmp_path / "mine"
    mine.write_text("#!/bin/sh\necho 'demo version v6.6.6 (build 9.9)'\n")
    mine.chmod(0o755)
    assert Toolchain(path, cache=toolchain.cache).resolve("demo", override=mine).refused


def test_uv_is_the_one_installed_with_secdl_else_the_one_on_path(tmp_path, monkeypatch):
    for folder in ("with/bin", "path"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "uv").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "with"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert find_uv() == str(tmp_path / "with/bin/uv")
    (tmp_path / "with/bin/uv").unlink()
    assert find_uv() == str(tmp_path / "path/uv")
    (tmp_path / "path/uv").unlink()
    assert find_uv() is None


def test_an_installation_without_uv_says_how_to_get_it(toolchain, monkeypatch):
    monkeypatch.setattr("secdl.run.install.python.find_uv", lambda: None)
    result = _install(toolchain)
    assert isinstance(result, Unavailable)
    assert result.remedy == "python3 -m pip install uv"


def test_a_cache_that_cannot_be_written_is_one_clear_line(toolchain, tmp_path):
    (tmp_path / "file").write_text("")
    result = _install(Toolchain(toolchain.root / "tools.lock.toml", cache=tmp_path / "file/tools"))
    assert isinstance(result, Unavailable)
    assert "Not a directory" in result.reason
    assert "XDG_CACHE_HOME" in result.remedy


def test_a_cache_that_cannot_be_looked_into_is_one_clear_line(toolchain, tmp_path):
    chain = Toolchain(toolchain.root / "tools.lock.toml", cache=tmp_path / ("x" * 300))
    for result in (chain.resolve("demo"), _install(chain)):
        assert isinstance(result, Unavailable)
        assert "File name too long" in result.reason
        assert "XDG_CACHE_HOME" in result.remedy


def test_what_lies_beyond_the_registries_is_tried_only_when_allowed_and_not_twice_a_day(tmp_path, offline):
    extra = 'beyond_registries = "unreachable.invalid"\n'
    toolchain = Toolchain(_lock(tmp_path / "lock", extra=extra), cache=tmp_path / "cache")
    untried = _install(toolchain)
    assert untried.remedy == "secdl tools install demo"
    assert not list(toolchain.cache.glob("*/demo.failed.json"))
    failed = _install(toolchain, system=True)
    assert "unreachable.invalid, which cannot be reached" in failed.reason
    lines: list[str] = []
    toolchain.install(["demo"], system=True, progress=lines.append)
    assert toolchain.resolve("demo").reason == failed.reason
    (marker,) = toolchain.cache.glob("*/demo.failed.json")
    before = marker.read_bytes()
    toolchain.install(["demo"], system=True, progress=lines.append)
    assert marker.read_bytes() == before
    toolchain.install(["demo"], system=True, progress=lines.append, retry=True)
    assert marker.read_bytes() != before


def test_the_cache_lies_where_xdg_says_unless_that_is_relative():
    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/secdl/tools")
    assert cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/h"}) == Path("/h/.cache/secdl/tools")
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/secdl/tools")


def test_git_on_path_is_recorded_as_such_where_no_package_brings_it(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not there")
    path = tmp_path / "tools.lock.toml"
    path.write_text(
        'schema = 1\n[[tool]]\nname = "git"\n[[tool.way]]\nkind = "debian"\npackage = "no-such-package"\n'
        'minimum = "1"\nprogram = "/no/such"\n[[tool.way]]\nkind = "path"\ncommand = "git"\nminimum = "2.0"\n'
    )
    found = Toolchain(path, cache=tmp_path).resolve("git")
    assert isinstance(found, Program)
    assert found.origin is Origin.PATH
    assert found.version.startswith("2.")


def test_a_program_on_path_that_is_too_old_is_old(tmp_path, monkeypatch):
    old = tmp_path / "bin/thing"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho thing 1.9\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/bin")
    path = tmp_path / "tools.lock.toml"
    path.write_text(
        'schema = 1\n[[tool]]\nname = "thing"\n[[tool.way]]\nkind = "path"\ncommand = "thing"\nminimum = "1.10"\n'
    )
    found = Toolchain(path, cache=tmp_path).resolve("thing")
    assert isinstance(found, Unavailable)
    assert found.state is State.OLD
