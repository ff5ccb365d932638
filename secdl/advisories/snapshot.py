"""An opened advisory snapshot, and what matches in it."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.advisories.aliases import bundles, canonical, components
from secdl.advisories.files import MANIFEST, SCHEMA, Advisory, Affected, Document, Manifest, Range, packed, unpack
from secdl.advisories.severity import level_of
from secdl.advisories.versions import ECOSYSTEMS, Key, Order, base, key_of, normal_name
from secdl.model import codec
from secdl.model.errors import MalformedOutput, SecdlError
from secdl.model.finding import Level
from secdl.model.text import one_line


class NotCovered(SecdlError):
    """The snapshot holds nothing for an ecosystem or release: no match there would mean nothing."""

    exit_status = 3


class Match(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A known vulnerability of one package version.

    `id` is the canonical one, `aliases` all others, sorted; `records` the advisories that say so. `fixed` is the first
    version that mends it, empty where none is known. `word` is what `level` rests on.
    """

    id: str
    aliases: tuple[str, ...]
    records: tuple[str, ...]
    ecosystem: str
    package: str
    version: str
    fixed: str
    summary: str
    level: Level
    word: str


class _Ecosystem(msgspec.Struct, frozen=True, dict=True):
    document: Document

    @cached_property
    def index(self) -> dict[tuple[str, str], list[tuple[Advisory, Affected]]]:
        index: dict[tuple[str, str], list[tuple[Advisory, Affected]]] = {}
        for advisory in self.document.advisories:
            for affected in advisory.affected:
                index.setdefault((affected.release, affected.package), []).append((advisory, affected))
        return index

    @cached_property
    def releases(self) -> frozenset[str]:
        return frozenset(release for release, _ in self.index)


class Snapshot:
    """An opened advisory folder. Each ecosystem is read when it is first asked for, and checked against its digest."""

    def __init__(self, folder: Path, manifest: Manifest, digest: str) -> None:
        self.folder, self.manifest, self.digest = folder, manifest, digest
        self._opened: dict[str, _Ecosystem] = {}

    def verify(self) -> None:
        """Raises `MalformedOutput` where a file is not the one that the manifest names; unpacks none."""
        for entry in self.manifest.ecosystems.values():
            packed(self.folder, entry)

    def data_dates(self) -> dict[str, date | None]:
        """The data date of each ecosystem; None where it is unknown."""
        return {name: entry.data_date for name, entry in sorted(self.manifest.ecosystems.items())}

    def covers(self, ecosystem: str) -> bool:
        """Whether there is data for `PyPI`, `Go`, `Debian:12`…: where not, nothing found means nothing."""
        name, _, release = ecosystem.partition(":")
        return name in self.manifest.ecosystems and release in self._ecosystem(name).releases

    def knows(self, *, ecosystem: str, package: str) -> bool:
        """Whether any advisory speaks of `package`."""
        _, _, release = ecosystem.partition(":")
        return (release, normal_name(ecosystem, package)) in self._ecosystem(base(ecosystem)).index

    def advisory(self, ecosystem: str, identifier: str) -> Advisory | None:
        """The record with this very id, withdrawn or not."""
        advisories = self._ecosystem(base(ecosystem)).document.advisories
        return next((advisory for advisory in advisories if advisory.id == identifier), None)

    def plant(self, ecosystem: str, advisory: Advisory) -> None:
        """Adds `advisory` to the opened snapshot alone: a canary that must be found by the same way as all others."""
        document = self._ecosystem(ecosystem).document
        more = msgspec.structs.replace(document, advisories=(*document.advisories, advisory))
        self._opened[ecosystem] = _Ecosystem(more)

    def match(self, *, ecosystem: str, package: str, version: str) -> tuple[Match, ...]:
        """Vulnerabilities that `version` of `package` is known to have, by id; one for each group of aliases.

        `ecosystem` as in OSV: `PyPI`, `Go`, `Debian:12`; for Debian `package` is the SOURCE package. Raises
        `NotCovered` where there is no data for that ecosystem or release.
        """
        if not self.covers(ecosystem):
            raise NotCovered(
                f"no advisories for {ecosystem}",
                where=str(self.folder),
                hint="`secdl db status` shows what is there, `secdl db import` takes in more",
            )
        release = ecosystem.partition(":")[2]
        known = self._ecosystem(base(ecosystem)).index.get((release, normal_name(ecosystem, package)), ())
        order = key_of(ecosystem)
        key = order(version)
        # Grouped before matching: the canonical id must not depend on the version asked about.
        groups = components([identifiers(advisory) for advisory, _ in known])
        matches = []
        for group in groups:
            ids = {identifier for index in group for identifier in identifiers(known[index][0])}
            hits = [known[index] for index in group if _affects(known[index][1], version, key, order)]
            if hits:
                matches.append(
                    _match(hits, ids, order=order, key=key, asked=(ecosystem, package, version)),
                )
        return tuple(sorted(matches, key=lambda match: (match.id, match.records)))

    def _ecosystem(self, name: str) -> _Ecosystem:
        if name not in self._opened:
            entry = self.manifest.ecosystems.get(name)
            if entry is None:
                hint = "`secdl db import` takes them in"
                raise NotCovered(f"no advisories for {name}", where=str(self.folder), hint=hint)
            self._opened[name] = _Ecosystem(unpack(self.folder, name, entry))
        return self._opened[name]


def load(folder: Path) -> Snapshot:
    """The snapshot in `folder`. Raises `MalformedOutput` where its manifest is absent or wrong."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "`secdl db import` makes it anew"
        raise MalformedOutput(error.strerror or "unreadable", where=str(path), hint=hint) from error
    manifest = codec.decode(raw, Manifest, where=str(path), hint="import the data again")
    if manifest.schema != SCHEMA:
        raise MalformedOutput(f"schema {manifest.schema}", where=str(path), hint=f"this secdl reads schema {SCHEMA}")
    if strange := sorted(set(manifest.ecosystems) - set(ECOSYSTEMS)):
        what = f"ecosystem {one_line(strange[0], limit=40)!r}, whose versions secdl cannot compare"
        raise MalformedOutput(what, where=str(path), hint=f"known are {', '.join(ECOSYSTEMS)}")
    return Snapshot(folder, manifest, f"sha256:{sha256(raw).hexdigest()}")


def identifiers(advisory: Advisory) -> tuple[str, ...]:
    """The ids by which `advisory` may be joined with others: none of an update that bundles many."""
    if bundles(advisory.id):
        return (advisory.id,)
    return (advisory.id, *advisory.aliases)


def affects(affected: Affected, version: str, order: str) -> bool:
    """Whether `version` is one of `affected`, by the order of the ecosystem `order`."""
    function = key_of(order)
    return _affects(affected, version, function(version), function)


def _affects(affected: Affected, version: str, key: Key, order: Order) -> bool:
    if version in affected.versions:
        return True
    if key is None:
        return False
    if any(order(listed) == key for listed in affected.versions):
        return True
    return any(_within(interval, key, order) for interval in affected.ranges)


def _within(interval: Range, key: Key, order: Order) -> bool:
    """Whether `key` lies in the range; a bound that has no place in the order does not bound."""
    low = order(interval.introduced) if interval.introduced not in ("", "0") else None
    if low is not None and key < low:
        return False
    high = order(interval.fixed) if interval.fixed else None
    if high is not None and key >= high:
        return False
    last = order(interval.last_affected) if interval.last_affected else None
    return last is None or key <= last


def _match(
    hits: Sequence[tuple[Advisory, Affected]],
    ids: set[str],
    *,
    order: Order,
    key: Key,
    asked: tuple[str, str, str],
) -> Match:
    name = canonical(ids)
    fixes = [fix for _, affected in hits if (fix := _fix(affected, key, order))]
    level, word = level_of((word for advisory, _ in hits for word in advisory.severity), ids)
    ecosystem, package, version = asked
    return Match(
        id=name,
        aliases=tuple(sorted(ids - {name})),
        records=tuple(sorted({advisory.id for advisory, _ in hits})),
        ecosystem=ecosystem,
        package=normal_name(ecosystem, package),
        version=version,
        # Every record must be mended, so the highest of their first fixes counts.
        fixed=max(fixes, key=order, default=""),
        summary=next((advisory.summary for advisory, _ in hits if advisory.summary), ""),
        level=level,
        word=word,
    )


def _fix(affected: Affected, key: Key, order: Order) -> str:
    """The lowest version above `key` that mends it and has a place in the order."""
    above: Iterator[str] = (
        interval.fixed
        for interval in affected.ranges
        if interval.fixed and (place := order(interval.fixed)) is not None and (key is None or place > key)
    )
    return min(above, key=order, default="")
