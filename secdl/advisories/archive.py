"""OSV records out of zip archives and folders that nobody vouches for."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from secdl.advisories.osv import Record, read
from secdl.model.errors import MalformedOutput
from secdl.model.text import one_line

MOST_ENTRIES = 400_000
LARGEST_ENTRY = 16 << 20
LARGEST_TOTAL = 2 << 30
_LARGEST_DIRECTORY = 64 << 20
_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_HINT = "give an OSV archive (all.zip of an ecosystem), or a folder of such archives or of OSV JSON files"


def records(source: Path) -> Iterator[Record]:
    """Every OSV record in `source`, a zip archive or a folder searched to its depths, in order of names.

    Nothing is unpacked to disk, no link is followed. Raises `MalformedOutput` naming the archive and the entry at the
    first that is not an OSV record, at too many or too large ones, and where there is none at all.
    """
    found = False
    for where, raw in _entries(source):
        found = True
        yield read(raw, where=where)
    if not found:
        raise MalformedOutput("holds no OSV record", where=str(source), hint=_HINT)


def _entries(source: Path) -> Iterator[tuple[str, bytes]]:
    if not source.exists():
        raise MalformedOutput("does not exist", where=str(source), hint=_HINT)
    budget = _Budget(str(source))
    if source.is_dir():
        for path in _files(source):
            if path.suffix == ".zip":
                yield from _zip(path, budget)
            else:
                yield str(path), budget.take(str(path), _file(path))
    elif source.is_file():
        yield from _zip(source, budget)
    else:
        raise MalformedOutput("is neither a file nor a folder", where=str(source), hint=_HINT)


class _Budget:
    """What one import may still read."""

    def __init__(self, source: str) -> None:
        self._source, self._entries, self._bytes = source, 0, 0

    def take(self, where: str, raw: bytes) -> bytes:
        self._entries, self._bytes = self._entries + 1, self._bytes + len(raw)
        if len(raw) > LARGEST_ENTRY:
            raise MalformedOutput(f"more than {LARGEST_ENTRY >> 20} MiB in one record", where=where)
        if self._entries > MOST_ENTRIES:
            raise MalformedOutput(f"more than {MOST_ENTRIES} records", where=self._source, hint=_HINT)
        if self._bytes > LARGEST_TOTAL:
            raise MalformedOutput(f"unpacks to more than {LARGEST_TOTAL >> 30} GiB", where=self._source, hint=_HINT)
        return raw


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix in (".json", ".zip"):
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise MalformedOutput("is not a regular file", where=one_line(str(path)), hint=_HINT)
                yield path


def _file(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(LARGEST_ENTRY + 1)


def _zip(path: Path, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    where = str(path)
    try:
        _refuse_huge_directory(path)
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda info: info.filename):
                name = f"{where}: {one_line(info.filename, limit=200)}"
                pure = PurePosixPath(info.filename)
                if pure.is_absolute() or ".." in pure.parts or "\\" in info.filename:
                    raise MalformedOutput("entry's name leads out of the archive", where=name)
                if info.is_dir() or pure.suffix != ".json":
                    continue
                with archive.open(info) as stream:
                    # The size in the directory is a claim; what counts is what comes out.
                    yield name, budget.take(name, stream.read(LARGEST_ENTRY + 1))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        # RuntimeError: an encrypted entry; NotImplementedError: a compression that zipfile does not know.
        raise MalformedOutput(one_line(f"not a readable zip archive: {error}"), where=where, hint=_HINT) from error


def _refuse_huge_directory(path: Path) -> None:
    """Raises `MalformedOutput` where the archive's directory is too large to read: zipfile reads it whole."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16) - 22 - 76))
        tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("no end of central directory")
    count, length = struct.unpack_from("<HL", tail, at + 10)
    at_64 = tail.rfind(_END_64)
    if at_64 >= 0 and len(tail) >= at_64 + 48:
        count, length = struct.unpack_from("<QQ", tail, at_64 + 32)
    if count > MOST_ENTRIES or length > _LARGEST_DIRECTORY:
        raise MalformedOutput(f"more than {MOST_ENTRIES} entries", where=str(path), hint=_HINT)
