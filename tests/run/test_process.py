import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from secdl.run.process import Cancel, Exit, execute


def python(tmp_path: Path, code: str, **limits: object) -> Exit:
    return execute([sys.executable, "-c", code], cwd=tmp_path, folder=tmp_path / "out", **limits)  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    for _ in range(3000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_output_goes_to_files_and_usage_is_measured(tmp_path: Path) -> None:
    end = python(tmp_path, "import sys; print('a'); print('b', file=sys.stderr); sum(range(3_000_000)); sys.exit(7)")
    assert (end.status, end.fault) == (7, "")
    assert (tmp_path / "out/stdout").read_bytes() == b"a\n"
    assert (tmp_path / "out/stderr").read_bytes() == b"b\n"
    assert end.cpu_s > 0
    assert end.peak_rss_bytes > 1 << 20


def test_two_hundred_kilobytes_on_stderr_do_not_hang(tmp_path: Path) -> None:
    end = python(tmp_path, "import sys; sys.stderr.write('x' * 2_000_000)", timeout_s=300)
    assert end.status == 0


def test_death_by_signal_is_a_negative_status(tmp_path: Path) -> None:
    assert python(tmp_path, "import os; os.kill(os.getpid(), 9)").status == -signal.SIGKILL


def test_deadline_kills_the_whole_group(tmp_path: Path) -> None:
    # A shell, as a Python may take longer than the deadline to start on a busy machine.
    argv = ["/bin/sh", "-c", "sleep 600 & echo $! > pid; sleep 600"]
    end = execute(argv, cwd=tmp_path, folder=tmp_path / "out", timeout_s=2)
    assert end.timed_out
    assert "deadline of 2 s" in end.fault
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_an_engine_started_dies_with_the_engine(tmp_path: Path) -> None:
    # The engine is killed outright and cannot end what it started, which runs in a session and under a mark of its own.
    inner = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    engine = (
        "import os, signal, sys, threading, time\nfrom pathlib import Path\nfrom secdl.run.process import execute\n"
        f"argv = [sys.executable, '-c', {inner!r}]\n"
        "threading.Thread(target=execute, args=(argv,), kwargs=dict(cwd=Path('.'), folder=Path('in'))).start()\n"
        "while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    assert python(tmp_path, engine, env={"PYTHONPATH": root}).status == -signal.SIGKILL
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_child_that_left_its_session_is_killed_too(tmp_path: Path) -> None:
    code = (
        "import os, time\npid = os.fork()\n"
        "if pid == 0:\n    os.setsid(); open('pid', 'w').write(str(os.getpid())); time.sleep(60)\n"
        "while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)\n"
    )
    assert python(tmp_path, code).status == 0
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_over_the_cap_stops_the_process(tmp_path: Path, stream: str) -> None:
    end = python(
        tmp_path, f"import sys\nwhile True: sys.{stream}.write('x' * 65536)", size_cap_bytes=1 << 20, timeout_s=300
    )
    assert "over the cap" in end.fault
    assert not end.timed_out


def test_output_over_the_cap_counts_even_when_the_process_ended(tmp_path: Path) -> None:
    assert "over the cap" in python(tmp_path, "print('x' * 100_000)", size_cap_bytes=1000).fault


def test_standard_input_is_closed_and_the_environment_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("HOME", "/home/somebody")
    end = python(tmp_path, "import os, sys; print(sys.stdin.read(), sorted(os.environ), os.environ['HOME'])")
    shown = (tmp_path / "out/stdout").read_text()
    assert end.status == 0
    assert "AWS_SECRET_ACCESS_KEY" not in shown
    assert "/home/somebody" not in shown


def test_a_program_that_cannot_start_is_a_value(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("not a program")
    assert "Permission denied" in execute([str(plain)], cwd=tmp_path, folder=tmp_path / "o").fault
    assert "No such file" in execute([str(tmp_path / "none")], cwd=tmp_path, folder=tmp_path / "o").fault
    assert "absolute" in execute(["true"], cwd=tmp_path, folder=tmp_path / "o").fault


def test_cancel_ends_what_runs_and_says_why(tmp_path: Path) -> None:
    cancel = Cancel()
    threading.Timer(0.2, cancel.set, args=("SIGTERM",)).start()
    end = python(tmp_path, "import time; time.sleep(60)", cancel=cancel)
    assert end.cancelled
    assert end.fault == "cancelled: SIGTERM"
