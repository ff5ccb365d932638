"""The threat library: kinds of element, hypervisor threats with conditions as data, and which generic threats fit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from secdl.model.errors import ConfigError
from secdl.model.finding import Level
from secdl.model.text import one_line
from secdl.model.threat import Element, Flow, Threat
from secdl.model.toml import load_toml, nearest
from secdl.threats.dump import Model

_Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9-]{1,39}$")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
_Cwe = Annotated[str, msgspec.Meta(pattern=r"^CWE-[1-9][0-9]{0,4}$")]
_GENERIC_LEVEL = {
    "Very High": Level.CRITICAL,
    "High": Level.HIGH,
    "Medium": Level.MEDIUM,
    "Low": Level.LOW,
    "Very Low": Level.LOW,
}


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Kind(_Table, frozen=True, kw_only=True):
    """`[[kind]]`: a class of element (or flow), and the pytm threats that make sense for it; all others are dropped."""

    name: _Word
    on: Literal["element", "flow"] = "element"
    title: _Text
    generic: tuple[str, ...] = ()


class Applies(_Table, frozen=True):
    """One condition; a threat applies where any of its conditions holds, and a condition holds where all its keys do.

    `kind`: the element or flow is of one of these. `tag`: it carries one of these tags; `not_tag`: none of these.
    `reached_from`: a flow comes to the element from one of these kinds. `source`, `sink`: the flow's ends are of these
    kinds. `carries`: the flow carries one of these data classes. `crosses`: it crosses a boundary.
    """

    on: Literal["element", "flow"] = "element"
    kind: tuple[_Word, ...] = ()
    tag: tuple[str, ...] = ()
    not_tag: tuple[str, ...] = ()
    reached_from: tuple[_Word, ...] = ()
    source: tuple[_Word, ...] = ()
    sink: tuple[_Word, ...] = ()
    carries: tuple[str, ...] = ()
    crosses: bool | None = None

    def __post_init__(self) -> None:
        if not (self.kind or self.tag or self.source or self.sink or self.carries or self.crosses is not None):
            raise ValueError(
                "a condition that names nothing would hold everywhere; name a kind, tag, end or data class"
            )
        if self.on == "element" and (self.source or self.sink or self.carries or self.crosses is not None):
            raise ValueError('`source`, `sink`, `carries` and `crosses` are for `on = "flow"`')
        if self.on == "flow" and self.reached_from:
            raise ValueError("`reached_from` is for elements; a flow has `source`")


class ThreatEntry(_Table, frozen=True, kw_only=True):
    """`[[threat]]`: one threat and the conditions under which it applies. `capec`, `attack` (MITRE ATT&CK): ids."""

    id: _Id
    title: _Text
    description: _Text
    gain: _Text
    level: Level
    cwe: tuple[_Cwe, ...] = ()
    capec: tuple[Annotated[str, msgspec.Meta(pattern=r"^CAPEC-[1-9][0-9]{0,4}$")], ...] = ()
    attack: tuple[Annotated[str, msgspec.Meta(pattern=r"^T[0-9]{4}(\.[0-9]{3})?$")], ...] = ()
    applies: Annotated[tuple[Applies, ...], msgspec.Meta(min_length=1)]

    @property
    def threat(self) -> Threat:
        """The threat as the report shows it."""
        return Threat(
            id=self.id,
            title=_shown(self.title),
            description=_shown(self.description),
            gain=_shown(self.gain),
            level=self.level,
            cwe=self.cwe,
            references=(*self.capec, *(f"ATT&CK {name}" for name in self.attack)),
        )


def _shown(text: str) -> str:
    return " ".join(one_line(text, limit=2000).split())


class Library(_Table, frozen=True):
    """A whole library file."""

    kind: tuple[Kind, ...] = ()
    threat: tuple[ThreatEntry, ...] = ()

    def kinds(self, on: str) -> dict[str, Kind]:
        """Kinds of elements, or of flows, by name."""
        return {kind.name: kind for kind in self.kind if kind.on == on}


def load_library(path: Path, *, base: Library | None = None) -> Library:
    """The library at `path`, laid over `base`: what bears a name of `base` replaces it. Raises `ConfigError`."""
    library = load_toml(path, Library)
    for what, names in (
        ("threat", [entry.id for entry in library.threat]),
        ("kind", [f"{kind.on} {kind.name}" for kind in library.kind]),
    ):
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{what} {name!r} is there twice", where=str(path))
    if base is not None:
        library = _over(base, library)
    elements, flows = tuple(library.kinds("element")), tuple(library.kinds("flow"))
    for entry in library.threat:
        for applies in entry.applies:
            own = elements if applies.on == "element" else flows
            ends = (*applies.reached_from, *applies.source, *applies.sink)
            for name, known in (*((k, own) for k in applies.kind), *((k, elements) for k in ends)):
                if name not in known:
                    where = f"{path}: threat {entry.id}"
                    raise ConfigError(f"unknown kind {name!r}", where=where, hint=nearest(name, known))
    return library


def _over(base: Library, own: Library) -> Library:
    kinds = {(kind.on, kind.name): kind for kind in (*base.kind, *own.kind)}
    return Library(
        kind=tuple(kinds.values()), threat=tuple({entry.id: entry for entry in (*base.threat, *own.threat)}.values())
    )


def hypervisor_threats(library: Library, model: Model) -> Iterator[tuple[Threat, Element | Flow]]:
    """Each threat of the library with each element or flow in scope that it applies to."""
    reached: dict[int, set[str]] = {}
    for source, sink in model.ends:
        reached.setdefault(sink, set()).add(model.elements[source].kind)
    for entry in library.threat:
        threat = entry.threat
        for n, element in enumerate(model.elements):
            if element.in_scope and any(
                _on_element(c, element, model.element_tags[n], reached.get(n, set())) for c in entry.applies
            ):
                yield threat, element
        for n, flow in enumerate(model.flows):
            source_kind, sink_kind = (model.elements[end].kind for end in model.ends[n])
            if any(_on_flow(c, flow, model.flow_tags[n], source_kind, sink_kind) for c in entry.applies):
                yield threat, flow


def generic_threats(library: Library, model: Model) -> Iterator[tuple[Threat, Element | Flow]]:
    """pytm's own findings that the kind of the element lets through; all of them where its kind is not known."""
    elements, flows = library.kinds("element"), library.kinds("flow")
    for threat_id, on_flow, index in model.raised:
        target: Element | Flow = model.flows[index] if on_flow else model.elements[index]
        kind = (flows if on_flow else elements).get(target.kind)
        generic = model.generic.get(threat_id)
        # A threat of the model's own file is meant for this model, so no mapping can take it away.
        if generic is None or (kind is not None and not generic.own and threat_id not in kind.generic):
            continue
        yield (
            Threat(
                id=generic.id,
                title=generic.title,
                description=generic.details,
                gain=f"What pytm describes as “{generic.title}”, on {target.name}.",
                level=_GENERIC_LEVEL.get(generic.severity, Level.UNKNOWN),
                source="pytm",
            ),
            target,
        )


def _on_element(condition: Applies, element: Element, tags: frozenset[str], reached: set[str]) -> bool:
    return (
        condition.on == "element"
        and (not condition.kind or element.kind in condition.kind)
        and (not condition.tag or not tags.isdisjoint(condition.tag))
        and tags.isdisjoint(condition.not_tag)
        and (not condition.reached_from or not reached.isdisjoint(condition.reached_from))
    )


def _on_flow(condition: Applies, flow: Flow, tags: frozenset[str], source: str, sink: str) -> bool:
    return (
        condition.on == "flow"
        and (not condition.kind or flow.kind in condition.kind)
        and (not condition.tag or not tags.isdisjoint(condition.tag))
        and tags.isdisjoint(condition.not_tag)
        and (not condition.source or source in condition.source)
        and (not condition.sink or sink in condition.sink)
        and (not condition.carries or bool(set(condition.carries) & set(flow.data)))
        and (condition.crosses is None or flow.crosses is condition.crosses)
    )
