"""Installed tools on disk: built under a temporary name, described by a manifest, renamed; verified before each use.

$XDG_CACHE_HOME/secdl/tools/<lock digest>/NAME/    tree/  manifest.json
$XDG_CACHE_HOME/secdl/tools/<lock digest>/NAME.failed.json    why the last attempt failed
"""

import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Origin
from secdl.run.store import locked, sha256_of, write_atomic

_MANIFEST = "manifest.json"
_TREE = "tree"
# What an installer writes differently on each machine; verified like the rest, but no part of the tool's identity.
_MACHINE_DEPENDENT = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
_MACHINE_PREFIX = "_virtualenv."


class File(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One file of a tree: sha256, and what tells cheaply that it is still the same. A link has `target` instead."""

    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    target: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was installed. `program` is relative to the tree; `digest` is the tool's identity on any machine."""

    schema: int = 1
    name: str
    version: str
    origin: Origin
    program: str
    digest: str
    files: dict[str, File]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt to install failed, and when (seconds since 1970); `refused` as in `InstallFailed`."""

    reason: str
    remedy: str
    refused: bool
    at_s: float


class Seat:
    """The place of one tool in the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / _TREE

    @property
    def _failure(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.failed.json")

    def manifest(self) -> Manifest | None:
        """What is installed; None where nothing is. Raises `MalformedOutput` where the manifest cannot be read."""
        path = self.folder / _MANIFEST
        return codec.load(path, Manifest) if path.exists() else None

    def failure(self) -> Failure | None:
        """The remembered failure, if any."""
        try:
            return codec.load(self._failure, Failure) if self._failure.exists() else None
        except MalformedOutput:
            return None

    def fail(self, failure: Failure) -> None:
        """Remembers that installing failed, until it succeeds."""
        write_atomic(self._failure, codec.encode(failure))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Held by whoever builds this tool; others wait."""
        with locked(self.folder.with_name(f".{self.folder.name}.lock")):
            yield

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A fresh folder to build in, gone at the end of the block; call with the lock held."""
        self._sweep()
        temporary = self.folder.with_name(f".{self.folder.name}.{secrets.token_hex(4)}.tmp")
        temporary.mkdir(parents=True)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def commit(self, temporary: Path, manifest: Manifest) -> None:
        """Makes the built folder the installed one; what was there before (refused, half there) goes."""
        write_atomic(temporary / _MANIFEST, codec.encode_line(manifest))
        if self.folder.exists():
            self.folder.rename(self.folder.with_name(f".{self.folder.name}.{secrets.token_hex(4)}.tmp"))
        temporary.rename(self.folder)
        self._failure.unlink(missing_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Removes what killed builds left; the lock is held, so nobody is using it."""
        for left in self.folder.parent.glob(f".{self.folder.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)


def files_of(tree: Path) -> dict[str, File]:
    """Every file and link below `tree` with its hash, by POSIX path."""
    return {name: _describe(path, status) for name, path, status in _walk(tree)}


def identity(files: dict[str, File], *, below: str = "") -> str:
    """Digest of the contents `below` a folder, the same on every machine: no bytecode, no installer's notes."""
    digest = hashlib.sha256()
    for name in sorted(files):
        base = name.rpartition("/")[2]
        if not name.startswith(below) or files[name].target or name.endswith(".pyc"):
            continue
        if base in _MACHINE_DEPENDENT or base.startswith(_MACHINE_PREFIX):
            continue
        digest.update(f"{files[name].sha256}  {name.removeprefix(below)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def fault_in(tree: Path, manifest: Manifest, *, thorough: bool = False) -> str:
    """What differs between `tree` and its manifest, in one line; empty where nothing does.

    A file whose size, times and inode are as recorded is taken to be unchanged, unless `thorough`.
    """
    left = dict(manifest.files)
    try:
        for name, path, status in _walk(tree):
            known = left.pop(name, None)
            if known is None:
                return f"{name} was added after the installation"
            if not thorough and not known.target and _stamp(status) == _stamp_of(known):
                continue
            found = _describe(path, status)
            if (found.sha256, found.target) != (known.sha256, known.target):
                return f"{name} is not as it was installed"
    except OSError as error:
        return f"{error.filename or tree} cannot be read: {error.strerror}"
    return f"{min(left)} is gone" if left else ""


def _walk(tree: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    open_ = [(str(tree), "")]
    while open_:
        folder, prefix = open_.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    open_.append((entry.path, name + "/"))
                else:
                    yield name, entry.path, entry.stat(follow_symlinks=False)


def _describe(path: str, status: os.stat_result) -> File:
    size, mtime_ns, ctime_ns, inode = _stamp(status)
    link, regular = stat.S_ISLNK(status.st_mode), stat.S_ISREG(status.st_mode)
    return File(
        # A fifo would never end; its empty hash differs from that of any file.
        sha256=sha256_of(Path(path)) if regular else "",
        size=size,
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns,
        inode=inode,
        target=str(Path(path).readlink()) if link else "",
    )


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _stamp_of(file: File) -> tuple[int, int, int, int]:
    return file.size, file.mtime_ns, file.ctime_ns, file.inode
