"""The files of an advisory snapshot: one xz-compressed JSON file per ecosystem beside `manifest.json`."""

import lzma
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput

MANIFEST = "manifest.json"
SCHEMA = 1
LARGEST = 512 << 20
"""Most bytes that an ecosystem may unpack to."""


class Range(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Versions from `introduced` on, before `fixed` or up to `last_affected`; empty is unbounded."""

    introduced: str
    fixed: str = ""
    last_affected: str = ""


class Affected(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A package by its normal name, and its affected versions: those in `ranges`, and `versions` that no range holds.

    `release` is empty, or the ecosystem's release as in `12` of `Debian:12`.
    """

    package: str
    release: str = ""
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()


class Advisory(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One record. `aliases` are ids of the same vulnerability; `severity` CVSS vectors and words as given.

    A record with `withdrawn` (its date) affects nothing.
    """

    id: str
    modified: str
    aliases: tuple[str, ...] = ()
    withdrawn: str = ""
    summary: str = ""
    severity: tuple[str, ...] = ()
    affected: tuple[Affected, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """The content of one ecosystem's file; advisories are sorted by id."""

    schema: int
    ecosystem: str
    advisories: tuple[Advisory, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the manifest says of one ecosystem. `data_date` is the day the data was taken; None: unknown, thus stale."""

    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.]{1,40}\.json\.xz\Z")]
    digest: Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
    records: int
    data_date: date | None
    imported: bool = False
    attribution: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`: its digest is the snapshot's."""

    schema: int
    ecosystems: Annotated[dict[str, Entry], msgspec.Meta(min_length=1)]


def pack(document: Document) -> bytes:
    """`document` as its file's content; the same document gives the same bytes."""
    raw = msgspec.json.encode(document)
    return lzma.compress(raw, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, preset=6 | lzma.PRESET_EXTREME)


def packed(folder: Path, entry: Entry) -> bytes:
    """The content of the file that `entry` names. Raises `MalformedOutput` where it is another one, or none."""
    path = folder / entry.file
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MalformedOutput(error.strerror or "unreadable", where=str(path)) from error
    if f"sha256:{sha256(raw).hexdigest()}" != entry.digest:
        raise MalformedOutput("digest differs from the manifest's", where=str(path), hint="import the data again")
    return raw


def unpack(folder: Path, name: str, entry: Entry) -> Document:
    """What the file that `entry` names says of the ecosystem `name`. Raises `MalformedOutput`."""
    raw, path = packed(folder, entry), folder / entry.file
    try:
        unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256 << 20)
        raw = unpacker.decompress(raw, max_length=LARGEST)
    except lzma.LZMAError as error:
        raise MalformedOutput(f"not xz: {error}", where=str(path)) from error
    if not unpacker.eof:
        raise MalformedOutput("cut off, or unpacks to too much", where=str(path))
    document = codec.decode(raw, Document, where=str(path), hint="import the data again")
    if (document.schema, document.ecosystem, len(document.advisories)) != (SCHEMA, name, entry.records):
        raise MalformedOutput("is not what the manifest says", where=str(path), hint="import the data again")
    return document
