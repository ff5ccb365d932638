"""One QEMU process that is talked to over qtest, and how it ends.

Processes start here and not by `secdl.run.process.execute`: they are talked to while they run, hundreds in a run, each
must die with its engine and stay in its process group, and its standard error is read on the way, so that the last
words of one that floods it are kept.
"""

import ctypes
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from secdl.fuzz import qtest
from secdl.fuzz.progress import SLEEP_FACTOR, TICK_S, Progress
from secdl.model.errors import ToolFailed
from secdl.model.text import clean, one_line

START_S = 30.0
WATCHDOG_S = 5.0
SANITIZER_S = 30.0
STDERR_BYTES = 64 << 10
_PR_SET_PDEATHSIG = 1
_SANITIZER = b"Sanitizer"
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS})
_libc = ctypes.CDLL(None, use_errno=True)


class StopKind(StrEnum):
    """How a process stopped that should have gone on."""

    CRASH = "crash"
    ABORT = "abort"
    HANG = "hang"
    EXIT = "exit"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """An abnormal stop. `signal` is its name or empty; `answered` counts the replies to the batch it stopped in."""

    kind: StopKind
    signal: str = ""
    status: int | None = None
    stderr: str = ""
    answered: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The replies to a batch of commands, and the stop that cut it short."""

    replies: tuple[bytes, ...]
    stop: Stop | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is started: program and arguments without the qtest transport, which `Vm` adds."""

    argv: tuple[str, ...]
    env: dict[str, str] = {}

    def over(self, descriptor: int) -> list[str]:
        """The argv that speaks qtest over an inherited socket: no path, so no limit of 108 bytes and no race."""
        # QEMU 7.2's -qtest looks its character device up again by the name "qtest", whatever -chardev called it.
        chardev = f"socket,id=qtest,fd={descriptor}"
        return [*self.argv, "-chardev", chardev, "-qtest", "chardev:qtest", "-qtest-log", "none"]

    def over_stdio(self) -> list[str]:
        """The argv that reads qtest from standard input: what a person types."""
        return [*self.argv, "-qtest", "stdio", "-qtest-log", "none"]


class NotStarted(ToolFailed):
    """The process never answered: it did not start, which says nothing about a device."""


class Vm:
    """A started process; killed at the end of the block. Raises `NotStarted` where it never answers."""

    def __init__(self, target: Target, *, folder: Path, start_s: float = START_S) -> None:
        self._target, self._folder, self._start_s = target, folder, start_s
        self._decoder = qtest.Decoder()
        self._stderr = bytearray()
        self._writable = False

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                self._target.over(theirs.fileno()),
                cwd=self._folder,
                env=_environment(self._folder, self._target.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                preexec_fn=_in_child,
            )
        except OSError as error:
            ours.close()
            raise NotStarted(f"{error.strerror or error}", where=self._target.argv[0]) from error
        finally:
            theirs.close()
        self._socket = ours
        self._socket.setblocking(False)
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101 - PIPE above
        self._pipe = stderr
        os.set_blocking(self._pipe.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        self._poll.register(self._socket, select.POLLIN)
        try:
            self._greet()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def run(self, lines: Sequence[str], *, watchdog_s: float = WATCHDOG_S) -> Batch:
        """Sends `lines` in one piece and waits for all replies. A reply that makes no progress in time is a hang."""
        replies: list[bytes] = []
        data = memoryview(qtest.encode(lines))
        self._poll.modify(self._socket, select.POLLIN | select.POLLOUT)
        progress = Progress(self._process.pid)
        try:
            while len(replies) < len(lines):
                self._turn(replies)
                if self._writable and data:
                    data = data[self._socket.send(data) :]
                    if not data:
                        self._poll.modify(self._socket, select.POLLIN)
                allowed = SANITIZER_S if _SANITIZER in self._stderr else watchdog_s
                if progress.stalled(answered := len(replies), allowed):
                    # It may have answered while it was this process that was not let run.
                    self._turn(replies)
                    if len(replies) == answered:
                        return Batch(replies=tuple(replies), stop=self._hung(answered))
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return Batch(replies=tuple(replies), stop=self._ended(len(replies)))
        return Batch(replies=tuple(replies))

    def watch(self, seconds: float) -> Stop | None:
        """The stop that comes within `seconds` without a further command, as when a timer of the device fires."""
        end = time.monotonic() + seconds
        stray: list[bytes] = []
        self._poll.modify(self._socket, select.POLLIN)
        try:
            while time.monotonic() < end:
                self._turn(stray, wait_s=max(0.0, min(TICK_S, end - time.monotonic())))
        except (BrokenPipeError, ConnectionResetError, EOFError):
            return self._ended(0)
        return None

    def ask(self, lines: Sequence[str]) -> tuple[bytes, ...]:
        """Replies to `lines` where none may stop the process; raises `Stopped` where one does."""
        batch = self.run(lines)
        if batch.stop is not None:
            raise Stopped(batch.stop, tuple(lines))
        return batch.replies

    def loaded(self) -> frozenset[str]:
        """Absolute paths of the program and of each library and module that is loaded now. Source: proc(5), "maps"."""
        found = set()
        with suppress(OSError):
            for line in Path(f"/proc/{self._process.pid}/maps").read_bytes().splitlines():
                # address perms offset dev inode path
                fields = line.split(maxsplit=5)
                if len(fields) == 6 and b"x" in fields[1] and fields[5].startswith(b"/"):
                    found.add(os.fsdecode(fields[5]))
        return frozenset(found)

    def _turn(self, replies: list[bytes], *, wait_s: float = TICK_S) -> None:
        self._writable = False
        for descriptor, event in self._poll.poll(wait_s * 1000):
            if descriptor == self._pipe.fileno():
                self._drain()
            elif event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                received = self._socket.recv(1 << 18)
                if not received:
                    raise EOFError
                replies.extend(self._decoder.feed(received))
                self._writable = bool(event & select.POLLOUT)
            else:
                self._writable = True

    def _greet(self) -> None:
        # Any qtest target answers a port read; until it does, nothing has started.
        batch = self._first()
        if batch.stop is None:
            return
        how = {
            StopKind.HANG: f"no answer in {self._start_s:g} s",
            StopKind.EXIT: f"exit status {batch.stop.status}",
        }.get(batch.stop.kind, batch.stop.signal)
        last = one_line(batch.stop.stderr.strip().rpartition("\n")[2], limit=300)
        raise NotStarted(f"did not start: {how}" + (f": {last}" if last else ""), where=Path(self._target.argv[0]).name)

    def _first(self) -> Batch:
        try:
            return self.run(("inl 0xcf8",), watchdog_s=self._start_s / SLEEP_FACTOR)
        except qtest.NotQtest as error:
            raise NotStarted(error.what, where=Path(self._target.argv[0]).name) from error

    def _hung(self, answered: int) -> Stop:
        self._process.kill()
        self._wait()
        return Stop(kind=StopKind.HANG, stderr=self._words(), answered=answered)

    def _ended(self, answered: int) -> Stop:
        status = self._wait(SANITIZER_S)
        if status is None:
            return self._hung(answered)
        text = self._words()
        if status >= 0:
            kind = StopKind.CRASH if _SANITIZER.decode() in text else StopKind.EXIT
            return Stop(kind=kind, status=status, stderr=text, answered=answered)
        name = _signal_name(-status)
        kind = StopKind.ABORT if -status == signal.SIGABRT else StopKind.CRASH
        if -status not in _CRASHES and -status != signal.SIGABRT:
            kind = StopKind.EXIT
        return Stop(kind=kind, signal=name, stderr=text, answered=answered)

    def _wait(self, timeout_s: float = 10.0) -> int | None:
        end = time.monotonic() + timeout_s
        while (status := self._process.poll()) is None and time.monotonic() < end:
            # Keep reading: a child that writes into a full pipe never ends.
            self._drain()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
        self._drain()
        return status

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while chunk := os.read(self._pipe.fileno(), 1 << 16):
                self._stderr += chunk
                del self._stderr[:-STDERR_BYTES]
            with suppress(KeyError):
                self._poll.unregister(self._pipe)

    def _words(self) -> str:
        return clean(bytes(self._stderr).decode("utf-8", "replace"), limit=STDERR_BYTES)

    def _close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pipe.close()
        self._socket.close()


class Stopped(Exception):
    """The process stopped during commands of the engine's own; `lines` are all of that batch."""

    def __init__(self, stop: Stop, lines: tuple[str, ...]) -> None:
        self.stop, self.lines = stop, lines
        super().__init__(stop.kind.value)


def die_with_parent() -> None:
    """The calling process is killed when the thread that started it ends, however it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _in_child() -> None:
    """Before exec: die with the engine, leave no core file, be the first that a full memory takes."""
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _environment(folder: Path, extra: dict[str, str]) -> dict[str, str]:
    sanitizer = "detect_leaks=0:abort_on_error=0:exitcode=77:handle_abort=1:allocator_may_return_null=1"
    kept = {name: os.environ[name] for name in ("PATH", "SECDL_PROCESS") if name in os.environ}
    here = {"HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "ASAN_OPTIONS": sanitizer}
    return {**kept, **here, **extra}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
