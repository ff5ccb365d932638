"""`.ci/run` with scripts in the place of nox, npm, pip and apt: how it ends, and with which last line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$ASKED"
[ "$(basename "$0") $*" = "nox -s tests" ] && echo "$CLOSING" && echo "nox > Session tests was successful in 3 s." >&2
[ "$(basename "$0") $*" = "$FAILS" ] && exit 3
exit 0
"""


def _run(folder: Path, *, fails: str = "", closing: str = "3 passed, 1 skipped in 1.02s") -> tuple[int, list[str]]:
    (folder / ".ci").mkdir()
    shutil.copy(_ROOT / ".ci/run", folder / ".ci")
    fakes = [folder / "bin" / name for name in ("nox", "npm", "python3", "apt-get", "sudo", "dpkg-query")]
    for path in [*fakes, folder / ".nox/secdl/bin/python"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_FAKE)
        path.chmod(0o755)
    env = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "ASKED": str(folder / "asked"),
        "FAILS": fails,
        "CLOSING": closing,
    }
    done = subprocess.run(
        ["/bin/bash", ".ci/run"],
        cwd=folder,
        env={**env, "TMPDIR": os.environ.get("TMPDIR", "/tmp")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


def test_the_last_line_is_the_closing_line_of_pytest(tmp_path):
    status, lines = _run(tmp_path)
    assert status == 0
    assert lines[-1] == "3 passed, 1 skipped in 1.02s"


def test_the_readme_commands_are_what_it_runs(tmp_path):
    _run(tmp_path)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked.index("nox -s secure -- --install") < asked.index("nox -s tests")
    assert "python3 -m pip install --quiet nox" in asked


@pytest.mark.parametrize(
    "fails", ["nox -s secure -- --install", "nox -s lint", "nox -s type", "npm ci --silent --prefix tests/node"]
)
def test_a_step_that_fails_fails_the_whole_and_the_tests_run_all_the_same(tmp_path, fails):
    status, lines = _run(tmp_path, fails=fails)
    assert status == 1
    assert lines[-1] == "3 passed, 1 skipped in 1.02s"
    assert lines[-2].startswith("== failed: ")


@pytest.mark.parametrize("closing", ["1 failed, 2 passed in 1.02s", "==== 1 error in 61.20s (0:01:01) ===="])
def test_tests_that_fail_fail_the_whole(tmp_path, closing):
    status, lines = _run(tmp_path, fails="nox -s tests", closing=closing)
    assert (status, lines[-1]) == (1, closing)


def test_tests_that_do_not_close_fail_the_whole(tmp_path):
    status, lines = _run(tmp_path, closing="collected 0 items")
    assert status == 1
    assert lines[-1] == "== failed: tests (no closing line)"
