import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secdl.fuzz.vm import NotStarted, StopKind, Target, Vm

SERVE = """
import os, signal, socket, sys, time
fd = int([word for word in sys.argv if word.startswith("socket,")][0].rpartition("fd=")[2])
peer = socket.socket(fileno=fd)
lines = peer.makefile("rb")
def reply(text="OK 0x0"):
    peer.sendall(text.encode() + b"\\n")
lines.readline(); reply()
"""


def test_replies_of_a_batch_come_in_order_and_interrupts_are_not_among_them(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    body = SERVE + "for n, line in enumerate(lines): peer.sendall(f'IRQ raise {n}\\nOK {n:#x}\\n'.encode())"
    with Vm(Target(argv=(str(program(body)),)), folder=tmp_path) as vm:
        batch = vm.run(["readl 0x0"] * 3000)
    assert batch.stop is None
    assert batch.replies == tuple(f"OK {n:#x}".encode() for n in range(3000))


@pytest.mark.parametrize(
    ("last", "kind", "name"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", StopKind.CRASH, "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGBUS)", StopKind.CRASH, "SIGBUS"),
        ("os.abort()", StopKind.ABORT, "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGKILL)", StopKind.EXIT, "SIGKILL"),
        ("sys.exit(1)", StopKind.EXIT, ""),
        ("sys.stderr.write('==1==ERROR: AddressSanitizer: heap-use-after-free'); sys.exit(77)", StopKind.CRASH, ""),
    ],
)
def test_how_a_process_ends_is_told_apart(
    program: Callable[[str], Path], tmp_path: Path, last: str, kind: StopKind, name: str
) -> None:
    body = SERVE + f"lines.readline(); reply(); lines.readline(); {last}"
    with Vm(Target(argv=(str(program(body)),)), folder=tmp_path) as vm:
        stop = vm.run(["outl 0x1 0x1", "outl 0x2 0x2", "outl 0x3 0x3"]).stop
    assert stop is not None
    assert (stop.kind, stop.signal, stop.answered) == (kind, name, 1)


def test_a_process_that_spins_is_a_hang_and_is_killed(program: Callable[[str], Path], tmp_path: Path) -> None:
    with Vm(Target(argv=(str(program(SERVE + "while True: pass")),)), folder=tmp_path) as vm:
        stop = vm.run(["outl 0x1 0x1"], watchdog_s=0.2).stop
    assert stop is not None
    assert stop.kind is StopKind.HANG


def test_a_process_that_waits_for_ever_is_a_hang_too(program: Callable[[str], Path], tmp_path: Path) -> None:
    with Vm(Target(argv=(str(program(SERVE + "signal.pause()")),)), folder=tmp_path) as vm:
        stop = vm.run(["outl 0x1 0x1"], watchdog_s=0.15).stop
    assert stop is not None
    assert stop.kind is StopKind.HANG


def test_a_sanitizer_that_takes_its_time_to_symbolise_is_not_a_hang(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    last = "lines.readline(); print('ERROR: AddressSanitizer: SEGV', file=sys.stderr, flush=True); "
    last += "end = time.monotonic() + 1.2\nwhile time.monotonic() < end: pass\nos._exit(77)"
    with Vm(Target(argv=(str(program(SERVE + last)),)), folder=tmp_path) as vm:
        stop = vm.run(["outl 0x1 0x1"], watchdog_s=0.2).stop
    assert stop is not None
    assert stop.kind is StopKind.CRASH


def test_a_device_that_floods_standard_error_does_not_block_and_its_last_words_are_kept(
    program: Callable[[str], Path], tmp_path: Path
) -> None:
    last = "lines.readline(); sys.stderr.write('noise\\n' * 200_000); sys.stderr.write('last words\\n'); "
    last += "sys.stderr.flush(); os.abort()"
    with Vm(Target(argv=(str(program(SERVE + last)),)), folder=tmp_path) as vm:
        stop = vm.run(["outl 0x1 0x1"]).stop
    assert stop is not None
    assert stop.stderr.endswith("last words\n")
    assert len(stop.stderr) <= 64 << 10


@pytest.mark.parametrize(
    ("body", "reason", "start_s"),
    [
        ("import sys; sys.exit('no such device')", "no such device", 120.0),
        ("import os; os.abort()", "SIGABRT", 120.0),
        ("import signal; signal.pause()", "no answer", 0.6),
        ("", "exit status 0", 120.0),
        (SERVE.replace("reply()", "reply('hello')"), "neither a reply", 120.0),
    ],
)
def test_what_never_answers_did_not_start(
    program: Callable[[str], Path], tmp_path: Path, body: str, reason: str, start_s: float
) -> None:
    with pytest.raises(NotStarted, match=reason):
        Vm(Target(argv=(str(program(body)),)), folder=tmp_path, start_s=start_s).__enter__()


def test_a_program_that_is_not_there_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="No such file"):
        Vm(Target(argv=(str(tmp_path / "absent"),)), folder=tmp_path).__enter__()


def test_a_long_folder_is_no_obstacle(planted: Callable[[str], Target], tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120) / ("y" * 120)
    folder.mkdir(parents=True)
    with Vm(planted("crash"), folder=folder) as vm:
        assert vm.ask(("inl 0xcf8",)) == (b"OK 0x0",)


def test_the_process_is_gone_after_the_block(program: Callable[[str], Path], tmp_path: Path) -> None:
    body = SERVE + "reply_pid = lines.readline(); reply(f'OK {os.getpid():#x}'); signal.pause()"
    with Vm(Target(argv=(str(program(body)),)), folder=tmp_path) as vm:
        pid = int(vm.ask(("inl 0x0",))[0].split()[1], 16)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_process_dies_with_the_engine(program: Callable[[str], Path], tmp_path: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.set_inheritable(write, True)
        body = SERVE + "lines.readline(); reply(f'OK {os.getpid():#x}'); signal.pause()"
        vm = Vm(Target(argv=(str(program(body)),)), folder=tmp_path).__enter__()
        os.write(write, vm.ask(("inl 0x0",))[0].split()[1])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    pid = int(os.read(read, 64), 16)
    end = time.monotonic() + 120
    while time.monotonic() < end and _runs(pid):
        os.sched_yield()
    assert not _runs(pid)
    os.close(read)
    os.close(write)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
