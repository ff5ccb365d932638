"""The run folder: written to temporary names, fsynced, renamed; sealed by SHA256SUMS; read back with its seal checked.

    <base>/<UTC time>-<id>/   plan.json  inputs/  evidence/<job>/{…,evidence.json}
                              findings.jsonl  verdict.json  SHA256SUMS  report/
    <base>/latest             the newest finished run

`evidence.json` is a job's commit mark, then verdict.json, then SHA256SUMS, which covers all but itself and report/.
"""

import fcntl
import hashlib
import mmap
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from secdl.model import codec
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.evidence import Evidence
from secdl.model.plan import Plan

OWN = Path(".secdl")
"""What secdl writes for a repository, below the folder of its configuration: runs, and the evidence it may reuse."""
RUNS = OWN / "runs"
SUMS = "SHA256SUMS"
MARK = "evidence.json"


def write_atomic(path: Path, content: bytes | Iterable[bytes] | Path) -> None:
    """Puts `content`, whole, in pieces or as the file that holds it, at `path` whole or not at all, and on the disk
    before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Short, so that a name of the greatest length has room for it too.
    temporary = path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            if isinstance(content, Path):
                shutil.copyfile(content, temporary)
            else:
                file.writelines((content,) if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_out(path: Path, content: bytes) -> None:
    """Puts `content` where a user asked for it: a file whole or not at all, and through whatever else is there, such as
    a pipe. Raises `ConfigError` where the folder does not exist."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.write(content)
        return
    target = path.resolve()
    if not target.parent.is_dir():
        raise ConfigError("no such folder", where=str(path.parent), hint="make it first, or mend the path")
    write_atomic(target, content)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of the file at `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> Iterator[Path]:
    """Regular files below `folder`, sorted by path; links are not followed and not given."""
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            yield from files_below(entry)
        elif entry.is_file():
            yield entry


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on `path`, which is made where absent; another process waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hide(folder: Path) -> None:
    """Has git overlook `folder`, which is made where absent."""
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_atomic(ignore, b"*\n")


class RunFolder:
    """One run on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hashed: dict[Path, tuple[tuple[int, ...], str]] = {}

    @classmethod
    def create(cls, base: Path, *, now: datetime, token: str) -> "RunFolder":
        """A fresh folder below `base` (`.secdl/runs`) named by UTC time and `token`."""
        folder = base / f"{now:%Y%m%dT%H%M%SZ}-{token}"
        try:
            folder.mkdir(parents=True)
            hide(base.parent)
        except OSError as error:
            hint = "make room, give access, or work on a copy that can be written"
            raise ConfigError(f"cannot make a run folder: {error.strerror}", where=str(folder), hint=hint) from error
        return cls(folder)

    @classmethod
    def find(cls, base: Path, name: str) -> "RunFolder":
        """The run that a user names: a folder, a run id, or `latest`. Raises `ConfigError` where there is none."""
        for candidate in (Path(name), base / name):
            # A name that no file can have is that of no run.
            with suppress(OSError, ValueError):
                if (candidate / "plan.json").is_file():
                    return cls(candidate.resolve())
        hint = "`secdl secure` makes one, `secdl gate` judges one" if name == "latest" else f"look into {base}"
        raise ConfigError("no such run", where=name, hint=hint)

    @classmethod
    def newest(cls, base: Path) -> "RunFolder":
        """The run that began last, judged or not. Raises `ConfigError` where there is none."""
        plans = sorted(base.glob("[0-9]*/plan.json"), key=lambda p: (_second(p.parent.name), p.stat().st_mtime_ns))
        if not plans:
            raise ConfigError("no run here yet", where=str(base), hint="`secdl secure` makes one")
        return cls(plans[-1].parent.resolve())

    @property
    def id(self) -> str:
        """Name of the folder: UTC time and token."""
        return self.path.name

    def evidence_folder(self, job: str) -> Path:
        """Where the job `job` leaves its output."""
        return self.path / "evidence" / job

    def plan(self) -> Plan:
        """What the run set out to do."""
        return codec.load(self.path / "plan.json", Plan)

    def write(self, name: str, content: bytes | Iterable[bytes] | Path) -> None:
        """Puts a file into the run, atomically; in pieces, or as a copy of another, where it is large."""
        write_atomic(self.path / name, content)

    def read(self, name: str) -> bytes | None:
        """A file of the run, None where it is absent."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return self._own(name).read_bytes()
        return None

    def map(self, name: str) -> bytes | mmap.mmap | None:
        """A large file of the run as `read` gives it, but on the disk until it is looked at."""
        with suppress(FileNotFoundError, NotADirectoryError), self._own(name).open("rb") as file:
            # What is empty cannot be mapped.
            empty = os.fstat(file.fileno()).st_size == 0
            return b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return None

    def commit(self, evidence: Evidence) -> None:
        """Writes a job's commit mark; until then the job is MISSING."""
        self.write(f"evidence/{evidence.job}/{MARK}", codec.encode(evidence))

    def jobs(self) -> tuple[str, ...]:
        """Names of the jobs that left their mark, sorted."""
        return tuple(sorted(path.parent.name for path in (self.path / "evidence").glob(f"*/{MARK}")))

    def evidence(self, job: str) -> Evidence | None:
        """The job's evidence; None without its mark. A mark that cannot be read raises `MalformedOutput`."""
        with suppress(FileNotFoundError):
            path = self._own(f"evidence/{job}/{MARK}")
            return codec.load(path, Evidence) if path.exists() else None
        return None

    def altered(self, evidence: Evidence) -> tuple[str, ...]:
        """Names in the evidence folder that are gone or no longer what was recorded."""
        found = ((name, digest, self._digest(evidence.job, name)) for name, digest in sorted(evidence.files.items()))
        return tuple(name for name, recorded, digest in found if digest != recorded)

    def _digest(self, job: str, name: str) -> str:
        """sha256 of a file in the evidence folder of `job`; empty where there is none."""
        with suppress(FileNotFoundError):
            path = self._own(f"evidence/{job}/{name}")
            return self._sha256(path) if path.is_file() else ""
        return ""

    def _sha256(self, path: Path) -> str:
        """sha256 of a file of the run, which is read once as long as nothing touches it."""
        stat = path.stat()
        mark = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        known = self._hashed.get(path)
        if known is None or known[0] != mark:
            known = self._hashed[path] = mark, sha256_of(path)
        return known[1]

    def _own(self, name: str) -> Path:
        """Where the file `name` of the run lies. Raises `FileNotFoundError` for one behind a link: no seal covers what
        that leads to, so it is no part of the run."""
        path = self.path / name
        if any(part.is_symlink() for part in (path, *path.parents[: name.count("/")])):
            raise FileNotFoundError(name)
        return path

    def seal(self) -> str:
        """Writes SHA256SUMS over everything but report/; gives the run digest, `sha256:…`.

        What was measured is sealed once: to judge a run again makes nothing true that was altered since.
        """
        kept = [line for line in self._sums() or () if measured(_sum_name(line))]
        fresh = (name for name in self._sealable() if not (kept and measured(name)))
        lines = sorted([*kept, *(_sum_line(self._sha256(self.path / name), name) for name in fresh)], key=_sum_name)
        content = "".join(lines).encode("utf-8", "surrogateescape")
        self.write(SUMS, content)
        return "sha256:" + hashlib.sha256(content).hexdigest()

    def _sealable(self) -> Iterator[str]:
        """Names of what the seal covers."""
        for path in files_below(self.path):
            name = path.relative_to(self.path).as_posix()
            if name != SUMS and not name.startswith("report/") and not path.name.endswith(".tmp"):
                yield name

    def digest(self) -> str:
        """The run digest. Raises `MalformedOutput` where the run is not sealed or anything in it was altered since."""
        sums = self.read(SUMS)
        if sums is None:
            raise MalformedOutput("the run has no verdict yet", where=str(self.path), hint="run `secdl gate` on it")
        if broken := self.broken():
            hint = "`secdl secure` makes a new run" if any(map(measured, broken)) else "run `secdl gate` on it"
            raise MalformedOutput(f"{broken[0]} does not match {SUMS}", where=str(self.path), hint=hint)
        return "sha256:" + hashlib.sha256(sums).hexdigest()

    def broken(self, *, only: Callable[[str], bool] = lambda name: True) -> tuple[str, ...]:
        """Names that are gone, new or other than the seal says, of those that `only` wants; none without a seal."""
        sums = self._sums()
        if sums is None:
            return ()
        sealed = {line for line in sums if only(_sum_name(line))}
        found = {_sum_line(self._sha256(self.path / name), name) for name in self._sealable() if only(name)}
        return tuple(sorted({_sum_name(line) for line in sealed ^ found}))

    def _sums(self) -> list[str] | None:
        """The lines of SHA256SUMS, each with its end; None without it. No name in them holds a line break."""
        sums = self.read(SUMS)
        return (
            None if sums is None else [f"{line}\n" for line in sums.decode("utf-8", "surrogateescape").split("\n")[:-1]]
        )

    def unseal(self) -> None:
        """Takes the seal off a run that changes; `latest` then points to the newest run that still has one, if any."""
        link = self.path.parent / "latest"
        with locked(self.path.parent / ".lock"):
            (self.path / SUMS).unlink(missing_ok=True)
            if link.is_symlink() and link.readlink().name == self.path.name:
                link.unlink()
                sealed = [path.parent for path in self.path.parent.glob(f"[0-9]*/{SUMS}")]
                if sealed:
                    link.symlink_to(max(sealed, key=lambda run: _second(run.name)).name)

    def finish(self) -> None:
        """Makes `latest` point here, unless it already points to a newer run."""
        link = self.path.parent / "latest"
        temporary = link.with_name(f".latest.{os.getpid()}.tmp")
        with locked(self.path.parent / ".lock"):
            # The ids of two runs of one second say nothing of their order: the one that ends last is the newer.
            if link.is_symlink() and _second(link.readlink().name) > _second(self.path.name):
                return
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.path.name)
            temporary.replace(link)


def measured(name: str) -> bool:
    """Whether the file `name` of a run is what was planned or measured: judging again does not write it."""
    return name in ("plan.json", "inputs/secdl.toml", "inputs/interrupted") or name.startswith("evidence/")


def chosen(name: str) -> bool:
    """Whether the file `name` of a run is what it is judged by, which only an option may replace."""
    return name.startswith("inputs/") and not measured(name)


def _second(run_id: str) -> str:
    return run_id.partition("-")[0]


def _sum_name(line: str) -> str:
    """The name in a line of SHA256SUMS."""
    escaped = line.partition("  ")[2].removesuffix("\n")
    if not line.startswith("\\"):
        return escaped
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), escaped)


def _sum_line(digest: str, name: str) -> str:
    """A line as sha256sum writes it: a name that holds line breaks must not read as further lines."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def copy_tree(source: Path, target: Path, *, link: bool = False) -> None:
    """Copies regular files and folders from `source` to `target`; with `link` as hard links where that works."""
    target.mkdir(parents=True, exist_ok=True)
    for path in files_below(source):
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        if link:
            with suppress(OSError):
                os.link(path, to)
                continue
        shutil.copyfile(path, to)
