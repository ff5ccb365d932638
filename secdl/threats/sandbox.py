"""A hostile Python program run under bubblewrap: no network, no processes, no files but its own folder, a deadline."""

import contextlib
import os
import resource
import signal
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from secdl.model import codec
from secdl.model.errors import ToolFailed
from secdl.model.text import one_line
from secdl.threats import dumper

MEMORY_BYTES = 1 << 30
OUTPUT_BYTES = 16 << 20
_ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# A fork bomb, a socket (AF_VSOCK knows no network namespace) and the kernel's widest doors: none is needed to build a
# model. RLIMIT_NPROC would not do, for the kernel never holds root to it. Numbers: x86_64 unistd.
_REFUSED = {
    "socket": 41,
    "clone": 56,
    "fork": 57,
    "vfork": 58,
    "ptrace": 101,
    "mount": 165,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "setns": 308,
    "bpf": 321,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "clone3": 435,
}


class ModelBroken(Exception):
    """The model ended badly; the message says how."""


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """A Python that has pytm: its real executable, what it needs beside /usr, pytm's folder and version."""

    executable: str
    prefix: str
    packages: str
    version: str


class _Told(msgspec.Struct, frozen=True):
    executable: str
    prefix: str
    packages: str
    version: str


_ASK = """
import importlib.metadata, importlib.util, json, os, sys
spec = importlib.util.find_spec("pytm")
print(json.dumps({"executable": os.path.realpath(sys.executable), "prefix": os.path.realpath(sys.base_prefix),
    "packages": os.path.dirname(os.path.dirname(spec.origin)), "version": importlib.metadata.version("pytm")}))
"""


def interpreter(python: str) -> Interpreter:
    """What `python`, an interpreter of the pinned pytm environment, says of itself. Raises `ToolFailed`."""
    hint = "`secdl tools install pytm` sets it up"
    try:
        done = subprocess.run(
            [python, "-I", "-B", "-c", _ASK],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
            env=_ENV,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(one_line(str(error)), where=f"pytm's Python {python}", hint=hint) from error
    if done.returncode:
        raise ToolFailed("has no pytm", where=f"Python {python}", hint=hint)
    told = codec.decode(done.stdout, _Told, where=f"pytm's Python {python}")
    return Interpreter(
        executable=told.executable, prefix=told.prefix, packages=told.packages, version=one_line(told.version, limit=40)
    )


def run_model(model: Path, folder: Path | None, python: Interpreter, *, bwrap: str, timeout_s: float) -> bytes:
    """The raw dump of `model`, untrusted; where a `folder` is given, the model may read all of it.

    Raises `ModelBroken`, or `ToolFailed` where the sandbox did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="secdl-model-") as scratch, contextlib.ExitStack() as stack:
        dump = stack.enter_context(Path(scratch, "dump").open("w+b"))
        errors = stack.enter_context(Path(scratch, "stderr").open("w+b"))
        filters = stack.enter_context(Path(scratch, "seccomp").open("w+b"))
        filters.write(_seccomp())
        filters.seek(0)
        argv = _argv(model, folder, python, bwrap=bwrap, dump_fd=dump.fileno(), seccomp_fd=filters.fileno())
        status = _wait(argv, errors.fileno(), (dump.fileno(), filters.fileno()), timeout_s)
        dump.seek(0)
        raw = dump.read(OUTPUT_BYTES + 1)
        errors.seek(0)
        said = one_line(errors.read(64_000).decode("utf-8", "replace"), limit=300)
    return _judge(raw, status, said, timeout_s)


def _judge(raw: bytes, status: int | None, said: str, timeout_s: float) -> bytes:
    if not raw.startswith(dumper.STARTED):
        if status is None:
            raise ToolFailed(f"did not start within {timeout_s:g} s", where="bubblewrap")
        raise ToolFailed(
            f"could not make a sandbox: {said or f'exit status {status}'}",
            where="bubblewrap",
            hint="the threat model is not measured without it; allow user namespaces, or run as root",
        )
    if status is None:
        raise ModelBroken(f"did not end within {timeout_s:g} s")
    if len(raw) >= OUTPUT_BYTES:
        raise ModelBroken(f"its dump passed {OUTPUT_BYTES >> 20} MiB")
    if status:
        signalled = status - 128 if status > 128 else 0
        how = f"was killed by signal {signalled}" if signalled else f"ended with exit status {status}"
        raise ModelBroken(how + (f": {said}" if said else ""))
    body = raw[len(dumper.STARTED) :]
    if not body:
        raise ModelBroken("ended without leaving a model")
    return body


def _argv(
    model: Path, folder: Path | None, python: Interpreter, *, bwrap: str, dump_fd: int, seccomp_fd: int
) -> list[str]:
    # As process 1 the model is bwrap's own child: its CPU time and memory count, and nothing outlives it.
    argv = [bwrap, "--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session", "--clearenv"]
    argv += ["--cap-drop", "ALL", "--hostname", "model", "--setenv", "HOME", "/nowhere", "--setenv", "LANG", "C.UTF-8"]
    argv += _system()
    # Before the binds: a Python below /tmp must not vanish under it.
    argv += ["--proc", "/proc", "--dev", "/dev", "--size", str(16 << 20), "--tmpfs", "/tmp"]  # noqa: S108 - its own  # nosec B108
    if not Path(python.prefix).is_relative_to("/usr"):
        argv += ["--ro-bind", python.prefix, python.prefix]
    seen = (str(folder), "/model") if folder is not None else (str(model), f"/model/{model.name}")
    argv += ["--ro-bind", python.packages, "/packages", "--ro-bind", *seen]
    argv += ["--ro-bind", str(Path(dumper.__file__).resolve()), "/dumper.py"]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/model", "--seccomp", str(seccomp_fd)]
    # -S: site-packages beside the interpreter are nobody's business; -I: nor is the environment.
    start = [python.executable, "-I", "-S", "-B", "/dumper.py", f"/model/{model.name}", "/packages", str(dump_fd)]
    return [*argv, "--", *start]


def _system() -> Iterator[str]:
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)


def _wait(argv: list[str], stderr: int, fds: tuple[int, ...], timeout_s: float) -> int | None:
    """Exit status of `argv`, None where the deadline killed it."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=fds,
            env=_ENV,
            start_new_session=True,
            preexec_fn=lambda: _limit(timeout_s),  # this process has one thread
        )
    except OSError as error:
        raise ToolFailed(
            error.strerror or "cannot start", where=argv[0], hint="`secdl doctor` says how to get bubblewrap"
        ) from error
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # The program inside dies with its parent (--die-with-parent) and its process namespace with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _limit(timeout_s: float) -> None:
    seconds = int(timeout_s) + 2
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _seccomp() -> bytes:
    """A BPF program that answers EPERM to the refused system calls and kills what is not x86_64.

    Layout: linux/filter.h `sock_filter`, linux/seccomp.h.
    """
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    refused = sorted(_REFUSED.values())
    program = [
        (load, 0, 0, 4),
        (equal, 1, 0, 0xC000003E),
        (give, 0, 0, 0x80000000),
        (load, 0, 0, 0),
        (at_least, len(refused) + 1, 0, 0x40000000),  # the x32 numbers of the same calls
        *((equal, len(refused) - place, 0, number) for place, number in enumerate(refused)),
        (give, 0, 0, 0x7FFF0000),
        (give, 0, 0, 0x00050001),
    ]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
