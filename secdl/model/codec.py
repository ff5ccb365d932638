"""The only module that turns bytes into typed values and back."""

import io
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from secdl.model.errors import MalformedOutput
from secdl.model.text import foreign_encoding, one_line

T = TypeVar("T")
Raw = bytes | bytearray | memoryview | mmap.mmap

FORGET_EVERY = 4096
"""So many values of a mapped file are read before its memory is given back."""
_BOM = b"\xef\xbb\xbf"
_OURS = "secdl wrote it whole: was it altered or cut off since?"


def decode(raw: Raw, kind: type[T], *, where: str, hint: str = "") -> T:
    """`raw` JSON as a `kind`; unknown fields are ignored, so a newer tool still reads. A byte order mark is skipped.

    Raises `MalformedOutput` naming `where` and the path of the first wrong value; `hint` says what the reader of that
    may do, where what the file turns out to be does not say it.
    """
    text = memoryview(raw)[len(_BOM) :] if raw[: len(_BOM)] == _BOM else raw
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, remedy = ("the file is empty", "") if not len(text) else foreign_encoding(bytes(text[:4]))
        what = what or one_line(str(error) or "nested too deeply")
        raise MalformedOutput(what, where=where, hint=remedy or hint) from error


def convert(value: object, kind: type[T], *, where: str) -> T:
    """`value`, decoded JSON, as a `kind`. Raises `MalformedOutput` as `decode` does."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedOutput(one_line(str(error)), where=where) from error


def encode(value: object) -> bytes:
    """`value` as canonical JSON: sorted keys, two spaces, closing newline. Same value, same bytes.

    Raises `MalformedOutput` for a text that UTF-8 cannot hold, as the name of a file may be.
    """
    try:
        return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"
    except UnicodeEncodeError as error:
        raise MalformedOutput("a name that is not UTF-8", where=one_line(error.object), hint="rename it") from error


def encode_line(value: object) -> bytes:
    """`value` as one line of JSON with sorted keys and a closing newline."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def load(path: Path, kind: type[T]) -> T:
    """The JSON file at `path`, which secdl wrote, as a `kind`. Raises `MalformedOutput` where it is absent or wrong."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MalformedOutput(error.strerror or "unreadable", where=str(path)) from error
    return decode(raw, kind, where=str(path), hint=_OURS)


def forget(raw: Raw) -> None:
    """Gives the memory that a mapped file takes back to the system; what is read of it again comes from the disk."""
    if isinstance(raw, mmap.mmap):
        raw.madvise(mmap.MADV_DONTNEED)


def lines(raw: Raw) -> Iterator[bytes]:
    """The lines of `raw` but for a byte order mark, one after the other; a mapped file is never in memory whole."""
    start = len(_BOM) if raw[: len(_BOM)] == _BOM else 0
    if not isinstance(raw, mmap.mmap):
        stream = io.BytesIO(raw)
        stream.seek(start)
        yield from stream
        return
    raw.seek(start)
    for number, line in enumerate(iter(raw.readline, b"")):
        if number % FORGET_EVERY == 0:
            forget(raw)
        yield line


def builtins(value: object) -> Any:
    """`value` as plain dictionaries, lists and scalars, for templates and foreign encoders."""
    return msgspec.to_builtins(value)
