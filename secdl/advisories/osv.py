"""OSV records as published, and the part of them that the snapshot keeps. Source: the OSV schema 1.7."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from secdl.advisories.files import Advisory, Affected, Range
from secdl.advisories.severity import EXPLOITED, VENDOR
from secdl.advisories.snapshot import affects
from secdl.advisories.versions import base, key_of, normal_name
from secdl.model import codec
from secdl.model.text import one_line

_SUMMARY = 100
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]{2,99}\Z")]


class Package(msgspec.Struct, frozen=True, gc=False):
    """A package's name in an ecosystem, which may carry a release (`Debian:12`)."""

    name: str
    ecosystem: str


class RecordRange(msgspec.Struct, frozen=True, gc=False):
    """Events on one line of versions; each holds one of introduced, fixed, last_affected, limit."""

    type: str
    events: tuple[dict[str, str], ...]


class RecordAffected(msgspec.Struct, frozen=True, gc=False):
    """One affected package."""

    package: Package | None = None
    ranges: tuple[RecordRange, ...] | None = ()
    versions: tuple[str, ...] | None = ()
    ecosystem_specific: dict[str, Any] | None = None


class Severity(msgspec.Struct, frozen=True, gc=False):
    """A score: for CVSS the vector."""

    type: str
    score: str


class Record(msgspec.Struct, frozen=True, gc=False):
    """An OSV record; `id`, `modified` and `affected` are what tells it from other JSON."""

    id: _Id
    modified: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT")]
    affected: tuple[RecordAffected, ...] = ()
    aliases: tuple[str, ...] | None = ()
    upstream: tuple[str, ...] | None = ()
    withdrawn: str | None = None
    summary: str = ""
    details: str = ""
    severity: tuple[Severity, ...] | None = ()
    database_specific: dict[str, Any] | None = None


def read(raw: bytes, *, where: str) -> Record:
    """`raw` as an OSV record. Raises `MalformedOutput`."""
    return codec.decode(raw, Record, where=where, hint="give an archive of OSV records as it was downloaded")


def ecosystems(record: Record) -> frozenset[str]:
    """The ecosystems that the record speaks of, without releases."""
    return frozenset(base(entry.package.ecosystem) for entry in record.affected if entry.package)


def advisory(record: Record, ecosystem: str) -> Advisory:
    """What the snapshot of `ecosystem` keeps of `record`."""
    withdrawn = record.withdrawn or ""
    upstream = record.upstream or ()
    # An update that mends several vulnerabilities is an alias of none of them.
    aliases = {*(record.aliases or ()), *(upstream if len(upstream) == 1 else ())} - {record.id}
    own = record.database_specific or {}
    words = {severity.score for severity in record.severity or ()}
    words |= {own["severity"]} if isinstance(own.get("severity"), str) else set()
    # Debian's word for how urgent a vulnerability is in its packages.
    urgencies = ((entry.ecosystem_specific or {}).get("urgency") for entry in record.affected)
    words |= {f"{VENDOR}{urgency}" for urgency in urgencies if isinstance(urgency, str)}
    words |= {EXPLOITED} if own.get("kev") is True else set()
    return Advisory(
        id=record.id,
        modified=record.modified[:10],
        aliases=tuple(sorted(one_line(alias, limit=100) for alias in aliases)),
        withdrawn=withdrawn[:10],
        summary="" if withdrawn else _summary(record),
        severity=() if withdrawn else tuple(sorted(one_line(word, limit=200) for word in words)),
        affected=() if withdrawn else tuple(_affected(record.affected, ecosystem)),
    )


def _summary(record: Record) -> str:
    details = record.details.strip().lstrip("#*- ").partition("\n")[0]
    # A summary that only says "CVE-… fixed in …" says less than the changelog's line in the details.
    told = record.summary and not record.summary.startswith("CVE-")
    return one_line((record.summary if told else details or record.summary).strip(), limit=_SUMMARY)


def _affected(entries: Iterable[RecordAffected], ecosystem: str) -> Iterator[Affected]:
    for entry in entries:
        if entry.package is None or base(entry.package.ecosystem) != ecosystem:
            continue
        kinds = ("ECOSYSTEM", "SEMVER")
        ranges = tuple(
            part for whole in entry.ranges or () if whole.type in kinds for part in _ranges(whole, ecosystem)
        )
        bounded = Affected(
            package=normal_name(ecosystem, one_line(entry.package.name, limit=300)),
            release=entry.package.ecosystem.partition(":")[2],
            ranges=ranges,
        )
        # A listed version that a range holds already says nothing new: leaving it out makes the snapshot a third.
        beyond = {one_line(v, limit=100) for v in entry.versions or () if not affects(bounded, v, ecosystem)}
        if ranges or beyond:
            yield msgspec.structs.replace(bounded, versions=tuple(sorted(beyond)))


def _ranges(whole: RecordRange, ecosystem: str) -> Iterator[Range]:
    """The events as ranges, each from one `introduced` to what ends it."""
    order = key_of(ecosystem)
    events = [(kind, one_line(version, limit=100)) for event in whole.events for kind, version in event.items()]
    placed = []
    for kind, version in events:
        key = order(version)
        start = version == "0" or key is None
        # At one version an end comes before a beginning, but for last_affected, which holds its version.
        placed.append((not start, () if start else (key,), _TURN.get(kind, 3), kind, version))
    begun: str | None = None
    for *_, kind, version in sorted(placed, key=lambda event: event[:3]):
        if kind == "introduced":
            begun = version if begun is None else begun
        elif kind in ("fixed", "last_affected") and begun is not None:
            ends = {"fixed": version} if kind == "fixed" else {"last_affected": version}
            yield Range(introduced=begun, **ends)
            begun = None
    if begun is not None:
        yield Range(introduced=begun)


_TURN = {"fixed": 0, "introduced": 1, "last_affected": 2}
