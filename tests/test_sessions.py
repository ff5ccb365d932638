"""The real nox, in a vendor's tree made for the test, with a program in the place of secdl's command line."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from secdl import sessions

_ROOT = Path(__file__).resolve().parents[1]
_MAIN = """
import os, signal, sys
print("argv", *sys.argv[1:], flush=True)
if os.environ.get("FAKE_WAITS"):
    def end(number, frame):
        print("ended by", signal.Signals(number).name, flush=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print("waiting", flush=True)
    while True:
        signal.pause()
sys.exit(int(os.environ.get("FAKE_STATUS", "0")))
"""


@pytest.fixture
def vendor(tmp_path):
    """A vendor's tree, and a secdl installed elsewhere: the sessions and a scripted command line."""
    package = tmp_path / "installed" / "secdl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(_MAIN)
    shutil.copy(_ROOT / "secdl/sessions.py", package)
    tree = tmp_path / "hypervisor"
    tree.mkdir()
    (tree / "noxfile.py").write_text("from secdl.sessions import *\n")
    return tree


def _nox(tree: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree.parent / "installed"), **env}
    return subprocess.Popen(
        [sys.executable, "-m", "nox", *arguments],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _said(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate(timeout=300)[0].splitlines()


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4])
def test_a_session_ends_with_the_exit_status_of_secdl(vendor, status):
    process = _nox(vendor, "-s", "secure", FAKE_STATUS=str(status))
    assert _said(process) == ["argv secure"]
    assert process.returncode == status


@pytest.mark.parametrize(
    ("session", "arguments"),
    [
        ("secure", "secure"),
        ("sast", "secure --only sast"),
        ("deps", "secure --only deps"),
        ("images", "secure --only images"),
        ("threatmodel", "secure --only threatmodel"),
        ("fuzz", "secure --only fuzz"),
        ("gate", "gate latest"),
    ],
)
def test_what_stands_after_the_dashes_is_passed_through(vendor, session, arguments):
    process = _nox(vendor, "-s", session, "--", "--profile", "merge", "--install")
    assert _said(process) == [f"argv {arguments} --profile merge --install"]


def test_nox_alone_secures(vendor):
    assert _said(_nox(vendor)) == ["argv secure"]


def test_stages_follow_each_other_until_one_fails(vendor):
    process = _nox(vendor, "-s", "sast", "deps")
    assert _said(process) == ["argv secure --only sast", "argv secure --only deps"]
    process = _nox(vendor, "-s", "sast", "deps", FAKE_STATUS="3")
    assert _said(process) == ["argv secure --only sast"]
    assert process.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_secdl_ends_its_run_by_itself_when_nox_is_told_to_end(vendor, number):
    process = _nox(vendor, "-s", "secure", FAKE_WAITS="1")
    assert process.stdout.readline() == "argv secure\n"
    assert process.stdout.readline() == "waiting\n"
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # a terminal tells the whole group
    else:
        process.send_signal(number)
    assert _said(process) == [f"ended by {number.name}"]
    assert process.returncode == 3


def test_the_sessions_import_nothing_but_nox_and_the_standard_library():
    code = (
        "import sys, nox; before = set(sys.modules); import secdl.sessions;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    assert said == "['secdl']\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose environment is made by a program that only counts; gives the list of what was made."""
    (tmp_path / "locks").mkdir()
    for name in ("pyproject.toml", "locks/secdl.txt", "locks/build.txt"):
        (tmp_path / name).write_text("")
    made: list[list[str]] = []

    def install(folder: Path, python: Path, locks: list[Path]) -> None:
        python.parent.mkdir(parents=True)
        python.write_text("")
        made.append([lock.name for lock in locks])

    monkeypatch.setattr(sessions, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(sessions, "_install", install)
    return made


class _Session:
    def log(self, text: str) -> None:
        pass


def _environment() -> str:
    return sessions.environment(_Session(), "secdl", locks=("secdl", "build"))  # type: ignore[arg-type] # only log


def test_an_environment_is_made_once_while_nothing_changes(checkout):
    assert _environment() == _environment()
    assert checkout == [["secdl.txt", "build.txt"]]


@pytest.mark.parametrize("name", ["pyproject.toml", "locks/secdl.txt", "locks/build.txt"])
def test_an_environment_is_made_again_when_what_it_is_made_from_changes(checkout, tmp_path, name):
    _environment()
    (tmp_path / name).write_text("changed")
    _environment()
    assert len(checkout) == 2


def test_an_environment_whose_making_was_killed_is_made_again(checkout, tmp_path, monkeypatch):
    _environment()
    (tmp_path / ".nox/secdl/installed").unlink()
    _environment()
    assert len(checkout) == 2


def test_an_environment_whose_interpreter_is_gone_is_made_again(checkout):
    Path(_environment()).unlink()
    _environment()
    assert len(checkout) == 2


def test_this_repository_offers_the_sessions_it_speaks_of():
    command = [sys.executable, "-m", "nox", "--list"]
    said = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[1] for line in said.splitlines() if line.startswith(("- ", "* "))}
    stages = {"secure", "sast", "deps", "images", "threatmodel", "fuzz", "gate"}
    assert listed >= stages | {"tests", "lint", "type", "docs", "bench", "goldens", "locks"}
