"""`kill -9` at a hundred moments of a run: no folder reads as a verdict it did not reach, and the next run works."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secdl.model.errors import MalformedOutput
from secdl.run.store import RunFolder

MOMENTS = 100
POLICY = 'name = "kill"\n[profiles.dev]\ntolerates_missing = true\n[profiles.dev.requires]\nsast = ["echo"]\n'
CONFIG = """
[product]
name = "kill"
version = "1"
[[sarif_tool]]
name = "echo"
stage = "sast"
command = ["{python}", "-SEc", "{code}", "{{out}}"]
sources = ["src"]
[gate]
policy = "gate.toml"
"""
SARIF = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {"driver": {"name": "echo"}},
            "results": [],
            "artifacts": [{"location": {"uri": "src/a"}}],
        }
    ],
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kill")
    (root / "src").mkdir()
    (root / "src/a").write_text("a\n")
    (root / "echo.sarif").write_text(json.dumps(SARIF))
    code = "import shutil, sys; shutil.copyfile('echo.sarif', sys.argv[1])"
    (root / "secdl.toml").write_text(CONFIG.format(python=sys.executable, code=code))
    (root / "gate.toml").write_text(POLICY)
    return root


ZYGOTE = """
import os, signal, sys, time
from secdl.cli import main, running, secure
sys.stdout.write("ready\\n"); sys.stdout.flush()
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os._exit(main.main(["secure", "--only", "sast"]))
    if float(line) >= 0:
        time.sleep(float(line))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\\n"); sys.stdout.flush()
"""


class Zygote:
    """A process that has everything imported and forks a run whenever it is told: moments then fall into the run."""

    def __init__(self, root: Path) -> None:
        checkout = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-c", ZYGOTE],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def run(self, kill_after_s: float = -1.0) -> int:
        """Exit status of one run, negative where it was killed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kill_after_s}\n")
        self._process.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def test_a_killed_run_never_reads_as_a_verdict_and_the_next_one_works(tree: Path) -> None:
    runs = tree / ".secdl/runs"
    zygote = Zygote(tree)
    assert zygote.run() == 0
    moments = random.Random(1)  # noqa: S311 - moments, not secrets
    killed, seen = 0, set[Path]()
    for moment in range(MOMENTS):
        if moment % 10 == 0:
            # How long a whole run takes changes with what else the machine does.
            (tree / "src/a").write_text(f"whole {moment}\n")
            began = time.monotonic()
            assert zygote.run() == 0
            whole_s = time.monotonic() - began
        # Changed input: the tool runs each time instead of being remembered.
        (tree / "src/a").write_text(f"{moment}\n")
        status = zygote.run(kill_after_s=whole_s * moments.uniform(0.0, 1.1))
        killed += status == -signal.SIGKILL
        for folder in set(runs.iterdir()) - seen:
            assert_no_false_verdict(folder)
            seen.add(folder)
        RunFolder.find(runs, "latest").digest()
    assert zygote.run() == 0
    zygote.close()
    assert killed > MOMENTS / 2


def assert_no_false_verdict(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        return
    run = RunFolder(folder)
    try:
        run.digest()
    except MalformedOutput:
        return
    # A seal stands only over a run whose every job had left its mark.
    assert all(run.evidence(job.name) is not None for job in run.plan().jobs)
    assert json.loads((folder / "verdict.json").read_text())["verdict"] in ("PASS", "PARTIAL")
