"""The one place where processes start: deadline, group kill, output to files, size cap, scrubbed environment."""

import os
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

TICK_S = 0.1
GRACE_S = 2.0
_MARK = "SECDL_PROCESS"
_WITHIN = "SECDL_WITHIN"
_SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Cancel:
    """A flag that wakes every process waiting on it; set it from a signal handler or another thread."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.reason = ""

    def set(self, reason: str) -> None:
        """Cancel all that runs and all that would start; the first `reason` stands."""
        self.reason = self.reason or reason
        with suppress(BlockingIOError):
            os.write(self._write, b"x")

    def fileno(self) -> int:
        """Readable once cancelled."""
        return self._read


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended. `status` is the exit status, negative for a signal; None where it never started.

    `fault` is one line where it did not end by itself: could not start, deadline, size cap, cancelled.
    """

    status: int | None
    fault: str = ""
    timed_out: bool = False
    cancelled: bool = False
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0


def execute(
    argv: Sequence[str],
    *,
    cwd: Path,
    folder: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 300.0,
    size_cap_bytes: int = 512 << 20,
    cancel: Cancel | None = None,
) -> Exit:
    """Runs `argv` to its end; stdout and stderr go to files of those names in `folder`.

    `argv[0]` must be absolute. `env` is added to the scrubbed environment. All files in `folder` together may grow to
    `size_cap_bytes`. Whatever the process started is killed with it, also what left its session.
    """
    began = time.monotonic()
    with _private_home() as home:
        try:
            child = _start(argv, cwd=cwd, folder=folder, env=environment(home, env or {}))
        except OSError as error:
            fault = f"cannot start {argv[0]}: {error.strerror or error}"
            return Exit(status=None, fault=fault, duration_s=time.monotonic() - began)
        fault, timed_out, cancelled = _watch(child, folder, timeout_s, size_cap_bytes, cancel)
        if fault:
            _end_group(child)
        status, cpu_s, peak = _reap(child)
    return Exit(
        status=status,
        fault=fault,
        timed_out=timed_out,
        cancelled=cancelled,
        duration_s=time.monotonic() - began,
        cpu_s=cpu_s,
        peak_rss_bytes=peak,
    )


def environment(home: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment a tool sees: nothing of the user's but PATH; HOME and TMPDIR private to the process."""
    return {
        "PATH": os.environ.get("PATH") or _SAFE_PATH,
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        **extra,
    }


class _Child(msgspec.Struct, frozen=True):
    process: subprocess.Popen[bytes]
    pidfd: int
    mark: str


@contextmanager
def _private_home() -> Iterator[str]:
    # A short path: a Unix socket below it must fit into 108 bytes.
    home = tempfile.mkdtemp(prefix="secdl-")
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(argv: Sequence[str], *, cwd: Path, folder: Path, env: dict[str, str]) -> _Child:
    if not Path(argv[0]).is_absolute():
        raise OSError(0, "not an absolute path")
    mark = secrets.token_hex(16)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**env, **_within(os.environ), _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    return _Child(process, os.pidfd_open(process.pid), mark)


def _within(ours: Mapping[str, str]) -> dict[str, str]:
    """The marks of those that started us: what an engine of ours starts dies with the engine, whoever kills that."""
    return {_WITHIN: f"{_MARK}={ours[_MARK]} {ours.get(_WITHIN, '')}".strip()} if _MARK in ours else {}


def _watch(child: _Child, folder: Path, timeout_s: float, cap: int, cancel: Cancel | None) -> tuple[str, bool, bool]:
    """Waits for the end; gives (fault, timed out, cancelled)."""
    deadline = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(child.pidfd, select.POLLIN)
    if cancel is not None:
        poll.register(cancel.fileno(), select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        ready = {fd for fd, _ in poll.poll(max(0.0, min(TICK_S, left)) * 1000)}
        # Size before the end: a tool that ends above the cap is over the cap all the same.
        if (size := _size(folder)) > cap:
            return f"output of {size} bytes is over the cap of {cap} bytes", False, False
        if child.pidfd in ready:
            return "", False, False
        if ready and cancel is not None:
            return f"cancelled: {cancel.reason}", False, True
        if left <= 0:
            return f"still running at its deadline of {timeout_s:g} s", True, False


def _size(folder: Path) -> int:
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _end_group(child: _Child) -> None:
    """TERM, a moment to clean up, then KILL."""
    _signal_group(child.process.pid, signal.SIGTERM)
    poll = select.poll()
    poll.register(child.pidfd, select.POLLIN)
    poll.poll(GRACE_S * 1000)
    _signal_group(child.process.pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _reap(child: _Child) -> tuple[int, float, int]:
    """Collects the process and kills what it left; gives (status, CPU seconds, peak RSS in bytes)."""
    # The leader is a zombie until wait4, so its group id cannot belong to anybody else yet.
    select.select([child.pidfd], [], [])
    _signal_group(child.process.pid, signal.SIGKILL)
    _, raw, usage = os.wait4(child.process.pid, 0)
    os.close(child.pidfd)
    child.process.returncode = os.waitstatus_to_exitcode(raw)
    _kill_strays(child.mark)
    return child.process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _kill_strays(mark: str) -> None:
    """Kills what left the group by a session of its own: it still carries the mark in its environment."""
    needle = f"{_MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if needle in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
