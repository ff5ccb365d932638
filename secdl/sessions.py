"""Sessions for a noxfile: `from secdl.sessions import *` gives secure, sast, deps, images, threatmodel, fuzz and gate.

They are a developer's convenience around the command line: the exit status is secdl's own. In a checkout of secdl they
run that checkout, installed from its hash locks; anywhere else the secdl that is installed beside nox.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import nox

__all__ = ["deps", "fuzz", "gate", "images", "sast", "secure", "threatmodel"]

_CHECKOUT = Path(__file__).resolve().parent.parent
_HERE = Path.cwd() == _CHECKOUT and (_CHECKOUT / "locks" / "secdl.txt").is_file()
"""Whether the noxfile is secdl's own; nox changes to its folder before it reads it."""

nox.options.sessions = ["secure"]


@nox.session(venv_backend="none")
def secure(session: nox.Session) -> None:
    """Plan, run, gate, report: everything secdl.toml declares."""
    _secdl(session, "secure", *session.posargs)


@nox.session(venv_backend="none")
def sast(session: nox.Session) -> None:
    """Only the source code stage."""
    _secdl(session, "secure", "--only", "sast", *session.posargs)


@nox.session(venv_backend="none")
def deps(session: nox.Session) -> None:
    """Only the dependency stage."""
    _secdl(session, "secure", "--only", "deps", *session.posargs)


@nox.session(venv_backend="none")
def images(session: nox.Session) -> None:
    """Only the image stage."""
    _secdl(session, "secure", "--only", "images", *session.posargs)


@nox.session(venv_backend="none")
def threatmodel(session: nox.Session) -> None:
    """Only the threat model stage."""
    _secdl(session, "secure", "--only", "threatmodel", *session.posargs)


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Only the fuzzing stage."""
    _secdl(session, "secure", "--only", "fuzz", *session.posargs)


@nox.session(venv_backend="none")
def gate(session: nox.Session) -> None:
    """Judge the newest run again."""
    _secdl(session, "gate", "latest", *session.posargs)


def _secdl(session: nox.Session, *arguments: str) -> None:
    python = environment(session, "secdl", locks=("secdl", "build")) if _HERE else sys.executable
    finish(session, [python, "-m", "secdl", *arguments])


def finish(session: nox.Session, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
    """Runs `argv` with `env` added to the environment; where it fails, ends nox with its exit status."""
    session.log(" ".join(argv))
    status = _status(argv, env or {})
    if status:
        # nox would turn every failure into 1; an INCOMPLETE verdict is 3.
        sys.exit(status if status > 0 else 128 - status)


def environment(session: nox.Session, name: str, *, locks: Sequence[str]) -> str:
    """The interpreter of `.nox/NAME`, which holds this checkout (editable) and `locks/LOCK.txt` for each of `locks`.

    It is made where it is missing, and again when a lock, pyproject.toml or the interpreter has changed.
    """
    folder = _CHECKOUT / ".nox" / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    files = [_CHECKOUT / "locks" / f"{lock}.txt" for lock in locks]
    wanted = _digest([*files, _CHECKOUT / "pyproject.toml"])
    with _locked(folder.with_name(f".{name}.lock")):
        if not (stamp.is_file() and stamp.read_text("utf-8") == wanted and python.exists()):
            session.log(f"making .nox/{name} from {', '.join(f'locks/{lock}.txt' for lock in locks)}")
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, python, files)
            stamp.write_text(wanted, "utf-8")
    return str(python)


def _install(folder: Path, python: Path, locks: Sequence[Path]) -> None:
    # virtualenv comes with nox and brings pip with it; Debian's own venv module may not be there.
    _must([sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", str(folder)])
    uv = shutil.which("uv")
    if uv:
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    requirements = [part for lock in locks for part in ("--requirement", str(lock))]
    _must([*install, "--require-hashes", "--no-deps", *requirements])
    _must([*install, "--no-deps", "--no-build-isolation", "--editable", str(_CHECKOUT)])


def _must(argv: Sequence[str]) -> None:
    status = _status(argv, {})
    if status:
        sys.exit(f"{' '.join(argv[:4])} … ended with {status}: the reason stands above")


def _status(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Exit status of `argv`; an interrupt reaches it too, and it is waited for until it has ended by itself."""
    started: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        # A terminal has told the whole group of its interrupt already; SIGTERM came to nox alone.
        if number == signal.SIGTERM:
            for child in started:
                child.send_signal(number)

    # Handlers, not KeyboardInterrupt: raised inside wait() it can lose the child's status, which then reads as 0.
    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        started.append(subprocess.Popen(list(argv), env={**os.environ, **env}))
        return started[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{sys.version}\0{sys.base_prefix}\0{_CHECKOUT}".encode())
    for file in files:
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
