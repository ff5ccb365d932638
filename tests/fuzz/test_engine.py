import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secdl.fuzz import engine
from secdl.fuzz.__main__ import main
from secdl.fuzz.engine import Coverage
from secdl.model import codec, sarif
from secdl.model.tool import Job, Stage


def _job(folder: Path) -> Job:
    return Job(
        name="fuzz", tool="fuzz", stage=Stage.FUZZ, root=str(folder), folder=str(folder), has_canary=True, engine=True
    )


def test_a_run_on_the_installed_qemu_finds_its_canaries_and_says_how_much_it_did(qemu: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sarif"
    words = ["--binary", str(qemu), "--operations", "1500", "--jobs", "2", "--seed", "3", "--out", str(out)]
    assert main([*words, "pcnet", "rtl8139", "pcnet"]) == 0
    found = list(sarif.parse(out.read_bytes(), _job(tmp_path)))
    rules = sorted(finding.rule for finding in found if finding.path.startswith("canary:"))
    assert rules == ["fuzz.abort", "fuzz.crash", "fuzz.hang"]
    work = sarif.work(out.read_bytes(), _job(tmp_path))
    assert work.read == {"devices": 2, "operations": 3000}
    assert work.unread == ()
    coverage = codec.load(tmp_path / "coverage.json", Coverage)
    assert [device.device for device in coverage.devices] == ["pcnet", "rtl8139"]
    assert coverage.reachable["pci"] > 100
    assert len(coverage.binary.sha256) == 64
    assert work.loaded == coverage.loaded
    assert work.loaded[str(qemu)] == coverage.binary.sha256
    assert any("/libglib-2.0.so" in name for name in work.loaded)
    for planted in coverage.canaries:
        assert (tmp_path / "reproducers" / planted.crashes[0].script).is_file()


def test_a_device_that_cannot_start_is_unread_and_the_others_are_fuzzed(qemu: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sarif"
    words = ["--binary", str(qemu), "--operations", "500", "--no-canary", "--out", str(out)]
    assert main([*words, "nosuch", "pcnet"]) == 0
    work = sarif.work(out.read_bytes(), _job(tmp_path))
    assert work.read == {"devices": 1, "operations": 500}
    assert len(work.unread) == 1
    assert work.unread[0].startswith("device:nosuch: ")


def test_no_operation_at_all_is_no_report(qemu: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.sarif"
    assert main(["--binary", str(qemu), "--operations", "500", "--no-canary", "--out", str(out), "nosuch"]) == 3
    assert "no operation was executed" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import sys; sys.exit('broken')", "exit status 1 before it answered over QMP: broken"),
        ("import os; os.abort()", "exit status -6 before it answered"),
        ("", "exit status 0 before it answered"),
        ('print(\'{"return": {}}\\n{"return": 7}\\n{"return": {}}\')', "query-version"),
    ],
)
def test_a_binary_that_is_no_qemu_fails_with_one_line(
    program: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, reason: str
) -> None:
    out = tmp_path / "out.sarif"
    assert main(["--binary", str(program(body)), "--out", str(out), "e1000"]) in (2, 3)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert reason in lines[0]
    assert not out.exists()


@pytest.mark.parametrize("words", [["e1000"], ["--out", "x"], ["--out", "x", "--operations", "0", "e1000"]])
def test_wrong_arguments_exit_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_a_terminated_engine_leaves_no_process_and_no_folder(qemu: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    mark = f"secdl-test-{os.getpid()}"
    words = [sys.executable, "-m", "secdl.fuzz", "--binary", str(qemu), "--name", mark, "--operations", "10000000"]
    words += ["--jobs", "2", "--no-canary", "--out", str(tmp_path / "out.sarif"), "pcnet", "rtl8139"]
    env = {**os.environ, "TMPDIR": str(scratch), "SECDL_PROCESS": mark}
    child = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    child.stderr.readline()
    child.stderr.readline()
    assert _marked(mark)
    child.send_signal(signal.SIGTERM)
    child.stderr.read()
    assert child.wait(timeout=120) == 128 + signal.SIGTERM
    child.stderr.close()
    assert not list(scratch.iterdir())
    # The kernel kills each QEMU with its worker, at once; a big process still takes a moment to be gone.
    end = time.monotonic() + 120
    while _marked(mark) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _marked(mark)
    assert not (tmp_path / "out.sarif").exists()


def test_a_worker_that_dies_ends_the_run(qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_work", lambda *_: os._exit(9))
    assert main(["--binary", str(qemu), "--out", str(tmp_path / "o"), "pcnet"]) == 3
    assert not (tmp_path / "o").exists()


def _marked(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"SECDL_PROCESS={mark}".encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_the_report_is_plain_data(qemu: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.sarif"
    assert main(["--binary", str(qemu), "--operations", "300", "--no-canary", "--out", str(out), "pcnet"]) == 0
    document = json.loads(out.read_bytes())
    assert document["runs"][0]["tool"]["driver"]["name"] == "fuzz"
    assert document["runs"][0]["results"] == []
