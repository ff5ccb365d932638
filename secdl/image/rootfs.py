"""A root file system as an index of entries: links are followed inside it alone, never on this machine."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from secdl.model.errors import SecdlError
from secdl.model.text import one_line

LINK_LIMIT = 40
PATH_LIMIT = 4096


class ImageRefused(SecdlError):
    """The image cannot be read safely, or not as a whole: nothing is said about it."""


class Kind(StrEnum):
    """What an entry is; `OTHER` (devices, pipes, sockets) is never opened."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One name in an image. `path` is relative, without `.` or `..`; `mode` the permission bits with setuid and setgid;
    `target` where a link leads; `at` the position that the reader finds its bytes by; `capable` whether the file
    carries capabilities."""

    path: str
    kind: Kind
    mode: int = 0
    size: int = 0
    target: str = ""
    at: int = 0
    capable: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much an image may make us read. A listing or an unpacked size above them is refused, a single larger file
    is not read."""

    entries: int = 1_000_000
    total_bytes: int = 64 << 30
    file_bytes: int = 512 << 20
    ratio: int = 100


LIMITS = Limits()


class Index:
    """Collects entries in the order an archive gives them, as unpacking it would: a later name replaces an earlier one,
    and a name below a link lands where the link leads."""

    def __init__(self, where: str, limits: Limits = LIMITS) -> None:
        self.entries: dict[str, Entry] = {}
        self._where = where
        self._limits = limits
        self._names = 0
        self._bytes = 0

    def add(self, name: str, entry: Entry) -> None:
        """Records `entry` under `name` as the archive spells it. Raises `ImageRefused`."""
        self._names += 1
        self._bytes += max(entry.size, 0)
        if self._names > self._limits.entries:
            raise self.refused(f"more than {self._limits.entries:,} entries")
        if entry.size < 0 or self._bytes > self._limits.total_bytes:
            raise self.refused(f"more than {self._limits.total_bytes:,} bytes of files")
        path = self.place(name)
        if path:
            self.entries[path] = msgspec.structs.replace(entry, path=path)

    def place(self, name: str) -> str:
        """Where `name` lands in the image; empty for its root. Raises `ImageRefused` for a name that leads out."""
        if len(name) > PATH_LIMIT or "\0" in name:
            raise self.refused(f"a name of {len(name):,} characters or with a zero byte")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self.refused(f"the name {one_line(name, limit=100)!r} leads out of the image")
        parent = "/".join(parts[:-1])
        if parent:
            landed = follow(self.entries, parent, last=True)
            if landed is None:
                raise self.refused(f"the name {one_line(name, limit=100)!r} lies below a link that leads in a circle")
            parent = landed
        return "/".join([parent, *parts[-1:]]) if parent else "/".join(parts[-1:])

    def refused(self, what: str) -> ImageRefused:
        """The error that says why this image is not read."""
        return ImageRefused(what, where=self._where, hint="the image is not measured")


class Rootfs(msgspec.Struct, frozen=True, kw_only=True):
    """An image opened for reading. `fetch(entry, limit)` gives the first `limit` bytes of a file."""

    where: str
    entries: dict[str, Entry]
    fetch: Callable[[Entry, int], bytes]
    limits: Limits = LIMITS

    def find(self, path: str) -> Entry | None:
        """The entry that `path` names once links are followed inside the image; None where there is none."""
        landed = follow(self.entries, path, last=True)
        return None if landed is None else self.entries.get(landed)

    def file(self, path: str) -> Entry | None:
        """`find`, where that is a regular file."""
        entry = self.find(path)
        return entry if entry is not None and entry.kind is Kind.FILE else None

    def files(self) -> Iterator[Entry]:
        """All regular files, by path."""
        return (self.entries[path] for path in sorted(self.entries) if self.entries[path].kind is Kind.FILE)

    def match(self, patterns: Iterable[str]) -> tuple[Entry, ...]:
        """The regular files that any of `patterns` names (`*` also crosses `/`), links followed, once each, by path."""
        found: dict[str, Entry] = {}
        for pattern in patterns:
            bare = pattern.strip("/")
            names = [name for name in self.entries if fnmatchcase(name, bare)] if _magic(bare) else [bare]
            for name in names:
                if (entry := self.file(name)) is not None:
                    found[entry.path] = entry
        return tuple(found[path] for path in sorted(found))

    def read(self, entry: Entry) -> bytes:
        """The whole content of a regular file. Raises `ImageRefused` where it is larger than the limit or cut short."""
        if entry.size > self.limits.file_bytes:
            raise ImageRefused(f"file of {entry.size:,} bytes is over the limit", where=shown(entry.path))
        raw = self.fetch(entry, entry.size)
        if len(raw) != entry.size:
            raise ImageRefused(f"{len(raw):,} of {entry.size:,} bytes could be read", where=shown(entry.path))
        return raw

    def text(self, path: str) -> str | None:
        """The file at `path` as text, wrong bytes replaced; None where there is no such file."""
        entry = self.file(path)
        return None if entry is None else self.read(entry).decode("utf-8", "replace")


def follow(entries: dict[str, Entry], path: str, *, last: bool) -> str | None:
    """`path` with every link followed inside `entries`, the last one too where `last`; `..` stops at the root.

    None where links lead in a circle. The result need not exist.
    """
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if done:
                done.pop()
            continue
        done.append(part)
        entry = entries.get("/".join(done))
        if entry is None or entry.kind is not Kind.LINK or (not todo and not last):
            continue
        links += 1
        if links > LINK_LIMIT or len(todo) > PATH_LIMIT:
            return None
        done = [] if entry.target.startswith("/") else done[:-1]
        todo.extend(step for step in reversed(entry.target.split("/")) if step not in ("", "."))
    return "/".join(done)


def shown(path: str) -> str:
    """`path` as valid text on one line: names in an image may be any bytes."""
    return one_line(path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), limit=PATH_LIMIT)


def _magic(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")
