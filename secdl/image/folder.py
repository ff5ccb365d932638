"""A folder read as an image: never through a link, and only regular files."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from secdl.image.rootfs import LIMITS, Entry, Index, Kind, Limits, Rootfs

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a pipe that took the place of a file must not wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def open_folder(path: Path, limits: Limits = LIMITS) -> Iterator[Rootfs]:
    """The image whose root is the folder at `path`. Raises `ImageRefused`."""
    index = Index(path.name, limits)
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _walk(root, "", index)
        if not index.entries:
            raise index.refused("an empty folder")

        def fetch(entry: Entry, limit: int) -> bytes:
            return _fetch(root, entry.path, min(limit, entry.size), index)

        yield Rootfs(where=str(path), entries=index.entries, fetch=fetch, limits=limits)
    finally:
        os.close(root)


def folder_digest(rootfs: Rootfs) -> str:
    """sha256 over path, kind, mode, link target, content and whether it has capabilities of every entry, by path."""
    whole = sha256()
    for path in sorted(rootfs.entries):
        entry = rootfs.entries[path]
        content = sha256(rootfs.read(entry)).hexdigest() if entry.kind is Kind.FILE else ""
        row = "\0".join((path, entry.kind, f"{entry.mode:o}", entry.target, content, str(entry.capable))) + "\n"
        whole.update(row.encode("utf-8", "surrogateescape"))
    return f"sha256:{whole.hexdigest()}"


def _walk(root: int, prefix: str, index: Index) -> None:
    todo = [prefix]
    while todo:
        below = todo.pop()
        try:
            here = _open_below(root, below, _FOLDER) if below else os.dup(root)
        except OSError as error:
            raise index.refused(f"folder {below!r}: {error.strerror}") from error
        try:
            for entry in _listing(here, below):
                index.add(entry.path, entry)
                if entry.kind is Kind.FOLDER:
                    todo.append(entry.path)
        finally:
            os.close(here)


def _listing(folder: int, below: str) -> list[Entry]:
    found = []
    # scandir keeps a position in the descriptor it is given; a fresh one starts at the top.
    with os.scandir(folder) as names:
        for name in names:
            about = name.stat(follow_symlinks=False)
            kind = _kind(about.st_mode)
            target = os.readlink(name.name, dir_fd=folder) if kind is Kind.LINK else ""
            found.append(
                Entry(
                    path=f"{below}/{name.name}" if below else name.name,
                    kind=kind,
                    mode=stat.S_IMODE(about.st_mode),
                    size=about.st_size if kind is Kind.FILE else 0,
                    target=target,
                    capable=kind is Kind.FILE and _capable(folder, name.name),
                )
            )
    return found


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.OTHER


def _capable(folder: int, name: str) -> bool:
    try:
        return "security.capability" in os.listxattr(f"/proc/self/fd/{folder}/{name}", follow_symlinks=False)
    except OSError:
        return False


def _open_below(root: int, path: str, flags: int) -> int:
    """A descriptor of `path`, opened step by step, so that no part of it is followed as a link."""
    here = os.dup(root)
    parts = path.split("/")
    try:
        for position, part in enumerate(parts):
            step = os.open(part, flags if position == len(parts) - 1 else _FOLDER, dir_fd=here)
            os.close(here)
            here = step
    except OSError:
        os.close(here)
        raise
    return here


def _fetch(root: int, path: str, limit: int, index: Index) -> bytes:
    try:
        descriptor = _open_below(root, path, _FILE)
    except OSError as error:
        raise index.refused(f"{path!r}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise index.refused(f"{path!r} is no longer a regular file")
        return stream.read(limit)
