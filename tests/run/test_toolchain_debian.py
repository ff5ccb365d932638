"""Debian packages, with scripts in the place of apt-get and dpkg that write down what they were asked."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from secdl.model.evidence import Origin, Program
from secdl.run.install import debian
from secdl.run.toolchain import State, Toolchain, Unavailable

_DPKG_QUERY = """#!/bin/sh
test -e "$STATE/installed" && printf 'installed %s' "$(cat "$STATE/installed")" && exit 0
echo "no packages found" >&2; exit 1
"""
_DPKG = """#!/bin/sh
case $1 in
  --compare-versions) [ "$2" = "$4" ] || [ "$(printf '%s\\n%s\\n' "$2" "$4" | sort -V | tail -n 1)" = "$2" ] ;;
  --configure) echo "dpkg $*" >>"$STATE/asked"; rm -f "$STATE/interrupted" ;;
esac
"""
_APT_GET = """#!/bin/sh
echo "apt-get $DEBIAN_FRONTEND $*" >>"$STATE/asked"
case "$*" in
  *update*) rm -f "$STATE/stale" ;;
  *install*)
    test -e "$STATE/interrupted" && echo "E: dpkg was interrupted, run 'dpkg --configure -a'" >&2 && exit 100
    test -e "$STATE/stale" && echo "E: Unable to locate package thing" >&2 && exit 100
    test -e "$STATE/broken" && echo "E: Could not get lock" >&2 && exit 100
    printf 2.0 >"$STATE/installed" ;;
esac
"""
_OPTIONS = "-o DPkg::Lock::Timeout=600 -o Acquire::Retries=2 -q"
_INSTALL = f"apt-get noninteractive {_OPTIONS} install --yes --no-install-recommends thing"
_UPDATE = f"apt-get noninteractive {_OPTIONS} update"


class _System:
    """A made-up Debian with one package, `thing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "usr/bin/thing"
        self.sums = folder / "info/thing.md5sums"

    def having(self, **files: str) -> "_System":
        for name, text in files.items():
            (self.folder / name).write_text(text)
        return self

    def toolchain(self) -> Toolchain:
        path = self.folder / "tools.lock.toml"
        path.write_text(
            'schema = 1\n[[tool]]\nname = "thing"\n[[tool.way]]\nkind = "debian"\npackage = "thing"\nminimum = "1.5"\n'
            f'program = "{self.program}"\n'
        )
        return Toolchain(path, cache=self.folder / "cache")

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def system(tmp_path, monkeypatch):
    scripts = {"dpkg-query": _DPKG_QUERY, "dpkg": _DPKG, "apt-get": _APT_GET}
    (tmp_path / "bin").mkdir()
    for name, text in scripts.items():
        path = tmp_path / "bin" / name
        path.write_text(text.replace("$STATE", str(tmp_path)))
        path.chmod(0o755)
    made = _System(tmp_path)
    made.program.parent.mkdir(parents=True)
    made.program.write_text("#!/bin/sh\n")
    made.program.chmod(0o755)
    made.sums.parent.mkdir()
    made.sums.write_text("")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/mirror_Packages.lz4").write_text("")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(debian, "_INFO", tmp_path / "info")
    monkeypatch.setattr(debian, "_LISTS", tmp_path / "lists")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return made


def _install(system: _System, *, allowed: bool = True) -> object:
    (result,) = system.toolchain().install(["thing"], system=allowed, progress=lambda line: None)
    return result


def test_an_installed_package_gives_its_program_with_version_and_digest(system):
    system.having(installed="1.5")
    digest = hashlib.sha256(system.program.read_bytes()).hexdigest()
    expected = Program(argv=(str(system.program),), version="1.5", digest=f"sha256:{digest}", origin=Origin.DEBIAN)
    assert system.toolchain().resolve("thing") == expected


def test_nothing_is_installed_without_leave(system):
    result = _install(system, allowed=False)
    assert isinstance(result, Unavailable)
    assert result.reason == "Debian package thing is not installed"
    assert "apt-get install thing" in result.remedy
    assert system.asked == []


def test_a_missing_package_is_installed_when_allowed(system):
    assert _install(system).program.version == "2.0"
    assert system.asked == [_INSTALL]


def test_a_package_that_is_there_is_left_alone(system):
    system.having(installed="1.5")
    assert _install(system).program.version == "1.5"
    assert system.asked == []


def test_an_old_package_is_old_and_is_renewed_when_allowed(system):
    system.having(installed="1.4")
    found = system.toolchain().resolve("thing")
    assert isinstance(found, Unavailable)
    assert found.state is State.OLD
    assert found.reason == "thing 1.4 is older than 1.5"
    assert _install(system).program.version == "2.0"


def test_empty_package_lists_are_fetched_first(system):
    (system.folder / "lists/mirror_Packages.lz4").unlink()
    _install(system)
    assert system.asked == [_UPDATE, _INSTALL]


def test_stale_package_lists_are_fetched_anew(system):
    assert _install(system.having(stale="")).program.version == "2.0"
    assert system.asked == [_INSTALL, _UPDATE, _INSTALL]


def test_an_installation_that_was_killed_half_way_is_finished_first(system):
    assert _install(system.having(interrupted="")).program.version == "2.0"
    assert system.asked == [_INSTALL, "dpkg --configure -a", _INSTALL]


def test_a_failed_installation_is_one_line_with_what_and_what_next(system):
    lines: list[str] = []
    (result,) = system.having(broken="").toolchain().install(["thing"], system=True, progress=lines.append)
    assert isinstance(result, Unavailable)
    assert lines[-1] == (
        "apt-get install thing: E: Could not get lock; as root: apt-get update && apt-get install thing"
    )


def test_without_root_or_sudo_nothing_is_tried(system, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (system.folder / "bin/sudo").write_text("#!/bin/sh\nexit 1\n")
    (system.folder / "bin/sudo").chmod(0o755)
    lines: list[str] = []
    system.toolchain().install(["thing"], system=True, progress=lines.append)
    assert system.asked == []
    assert lines == [
        "thing: neither root nor sudo without a password; as root: apt-get update && apt-get install thing"
    ]


def test_sudo_without_a_password_serves_as_root(system, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (system.folder / "bin/sudo").write_text('#!/bin/sh\nshift; exec "$@"\n')
    (system.folder / "bin/sudo").chmod(0o755)
    assert _install(system).program.version == "2.0"


def test_a_program_that_is_not_as_the_package_left_it_is_refused(system):
    left = hashlib.md5(system.program.read_bytes(), usedforsecurity=False).hexdigest()
    system.having(installed="1.5")
    system.sums.write_text(f"{left}  {str(system.program)[1:]}\n")
    assert isinstance(system.toolchain().resolve("thing"), Program)
    system.program.write_text("#!/bin/sh\nexit 0\n")
    found = system.toolchain().resolve("thing")
    assert isinstance(found, Unavailable)
    assert found.refused
    assert "--reinstall" in found.remedy


@pytest.mark.parametrize("fault", ["absent", "not executable"])
def test_a_package_without_its_program_is_refused(system, fault):
    system.having(installed="1.5")
    if fault == "absent":
        system.program.unlink()
    else:
        system.program.chmod(0o644)
    found = system.toolchain().resolve("thing")
    assert isinstance(found, Unavailable)
    assert "is not an executable file" in found.reason


def test_two_runs_at_once_install_once(system):
    toolchain = system.toolchain()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(toolchain.install, ["thing"], system=True, progress=lambda line: None) for _ in range(2)]
    assert [future.result()[0].program.version for future in asked] == ["2.0", "2.0"]
    assert system.asked == [_INSTALL]
