"""`controls.toml`: what answers each threat, and the evidence that each control is alive."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from secdl.model.errors import ConfigError
from secdl.model.text import one_line
from secdl.model.threat import CROSSING, Control, Disposition, EvidenceRef, Instance, Uncovered
from secdl.model.toml import line_of, load_toml, nearest

_Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
_Status = Literal["mitigated", "accepted", "transferred", "out-of-scope"]
_NEEDS = {"mitigated": "controls", "accepted": "waiver", "transferred": "to", "out-of-scope": "reason"}


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ControlEntry(_Table, frozen=True):
    """`[[control]]`: `covers` and `not_covered` say in words how far it reaches; `evidence` is what proves it."""

    id: _Slug
    title: _Text
    covers: _Text
    not_covered: _Text
    evidence: Annotated[tuple[EvidenceRef, ...], msgspec.Meta(min_length=1)]


class _Answer(_Table, frozen=True, kw_only=True):
    status: _Status
    controls: tuple[_Slug, ...] = ()
    waiver: str = ""
    to: str = ""
    reason: str = ""
    residual: str = ""

    def __post_init__(self) -> None:
        needed = _NEEDS[self.status]
        for key in _NEEDS.values():
            if key == needed and not getattr(self, key):
                raise ValueError(f'status "{self.status}" needs `{key}`')
            if key != needed and getattr(self, key):
                raise ValueError(f'`{key}` does not go with status "{self.status}"; say it in `residual`')

    @property
    def note(self) -> str:
        return self.waiver or self.to or self.reason


class DispositionEntry(_Answer, frozen=True):
    """`[[disposition]]`: the answer to these threats on elements named in `on`, or of a kind in `kinds`, or wherever
    they apply. A named element wins over a kind, and a kind over everywhere."""

    threats: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)]
    on: tuple[_Name, ...] = ()
    kinds: tuple[_Slug, ...] = ()

    def __post_init__(self) -> None:
        _Answer.__post_init__(self)
        if self.on and self.kinds:
            raise ValueError("give `on` or `kinds`, not both")


class CrossingEntry(_Answer, frozen=True):
    """`[[crossing]]`: what guards these flows (by name, or all of a kind) where they cross a trust boundary."""

    flows: tuple[_Name, ...] = ()
    kinds: tuple[_Slug, ...] = ()

    def __post_init__(self) -> None:
        _Answer.__post_init__(self)
        if bool(self.flows) == bool(self.kinds):
            raise ValueError("give exactly one of `flows` and `kinds`")


class UncoveredEntry(_Table, frozen=True):
    """`[[uncovered]]`: an area that no check covers, and why."""

    what: _Text
    why: _Text


class ControlsFile(_Table, frozen=True):
    """A whole `controls.toml`."""

    control: tuple[ControlEntry, ...] = ()
    disposition: tuple[DispositionEntry, ...] = ()
    crossing: tuple[CrossingEntry, ...] = ()
    uncovered: tuple[UncoveredEntry, ...] = ()


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to one threat, `specific` 2 where it names the element, 1 the kind, 0 nothing."""

    threat: str
    target: str
    kind: str
    specific: int
    answer: _Answer
    where: tuple[str, int]


class Unused(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the table that met nothing: what it says, and its line."""

    what: str
    line: int | None


def _shown(text: str) -> str:
    """Text of the table as the report shows it: its line breaks are those of the editor, not of the reader."""
    return " ".join(one_line(text, limit=2000).split())


class Controls:
    """The table of one model, ready to be asked."""

    def __init__(self, table: ControlsFile, path: Path) -> None:
        self._path = path
        self._text = path.read_text(encoding="utf-8")
        self._rows: dict[str, list[_Row]] = {}
        for row in _rows(table):
            self._rows.setdefault(row.threat, []).append(row)
        self._used: set[int] = set()
        self.controls = tuple(
            Control(
                id=entry.id,
                title=_shown(entry.title),
                covers=_shown(entry.covers),
                not_covered=_shown(entry.not_covered),
                evidence=entry.evidence,
            )
            for entry in sorted(table.control, key=lambda entry: entry.id)
        )
        self.uncovered = tuple(Uncovered(what=_shown(entry.what), why=_shown(entry.why)) for entry in table.uncovered)

    def answer(self, threat: str, target: str, kind: str, line: int | None) -> Instance:
        """The instance of `threat` on `target`, with its disposition. Raises `ConfigError` where two answers of one
        rank meet, for then nobody can say which holds."""
        fitting = [
            row
            for row in self._rows.get(threat, ())
            if (row.specific == 0)
            or (row.specific == 1 and row.kind == kind)
            or (row.specific == 2 and row.target == target)
        ]
        self._used.update(id(row) for row in fitting)
        if not fitting:
            return Instance(threat=threat, target=target, kind=kind, line=line)
        rank = max(row.specific for row in fitting)
        best = [row for row in fitting if row.specific == rank]
        if len(best) > 1:
            lines = " and ".join(str(self._line(row)) for row in best)
            raise ConfigError(
                f"{threat} on {target!r} is answered twice: lines {lines}",
                where=str(self._path),
                hint="name the element in one of them, or delete one",
            )
        answer = best[0].answer
        return Instance(
            threat=threat,
            target=target,
            kind=kind,
            line=line,
            disposition=Disposition(answer.status),
            controls=answer.controls,
            note=_shown(answer.note),
            residual=_shown(answer.residual),
        )

    def unused(self) -> Iterator[Unused]:
        """Answers that met no instance, and controls that no answer names, after all questions were asked."""
        for row in (row for rows in self._rows.values() for row in rows):
            if id(row) not in self._used:
                where = f" on {row.target!r}" if row.target else f" on kind {row.kind!r}" if row.kind else ""
                yield Unused(what=f"{row.threat}{where}", line=self._line(row))
        named = {name for rows in self._rows.values() for row in rows for name in row.answer.controls}
        known = [control.id for control in self.controls]
        for n, name in enumerate(known):
            if name not in named:
                yield Unused(what=f"control {name!r}", line=line_of(self._text, ("control", n)))

    def _line(self, row: _Row) -> int | None:
        return line_of(self._text, row.where)


def load_controls(path: Path) -> Controls:
    """The controls table at `path`. Raises `ConfigError`."""
    table = load_toml(path, ControlsFile)
    known = [entry.id for entry in table.control]
    for name in known:
        if known.count(name) > 1:
            raise ConfigError(f"control {name!r} is there twice", where=str(path))
    answers: Sequence[_Answer] = (*table.disposition, *table.crossing)
    for answer in answers:
        for name in answer.controls:
            if name not in known:
                raise ConfigError(f"unknown control {name!r}", where=str(path), hint=_near(name, known))
    return Controls(table, path)


def _near(name: str, known: list[str]) -> str:
    return nearest(name, tuple(known))


def _rows(table: ControlsFile) -> Iterator[_Row]:
    for n, entry in enumerate(table.disposition):
        for threat in entry.threats:
            yield from _spread(threat, entry.on, entry.kinds, entry, ("disposition", n))
    for n, crossing in enumerate(table.crossing):
        yield from _spread(CROSSING, crossing.flows, crossing.kinds, crossing, ("crossing", n))


def _spread(
    threat: str, on: tuple[str, ...], kinds: tuple[str, ...], answer: _Answer, where: tuple[str, int]
) -> Iterator[_Row]:
    for name in on:
        yield _Row(threat=threat, target=name, kind="", specific=2, answer=answer, where=where)
    for kind in kinds:
        yield _Row(threat=threat, target="", kind=kind, specific=1, answer=answer, where=where)
    if not on and not kinds:
        yield _Row(threat=threat, target="", kind="", specific=0, answer=answer, where=where)
