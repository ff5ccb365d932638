"""A model's dump read as what it is: hostile bytes that must fit a narrow shape."""

from itertools import chain
from typing import Annotated

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.text import one_line
from secdl.model.threat import Boundary, DataClass, Element, Flow
from secdl.threats import dumper
from secdl.threats.sandbox import ModelBroken

_MOST_ELEMENTS, _MOST_FLOWS, _MOST_FINDINGS = 2_000, 5_000, 200_000
_Index = Annotated[int, msgspec.Meta(ge=0)]
_Line = Annotated[int, msgspec.Meta(ge=1)] | None
_CLASSIFICATIONS = ("UNKNOWN", "PUBLIC", "RESTRICTED", "SENSITIVE", "SECRET", "TOP_SECRET")


class _Fault(msgspec.Struct, frozen=True):
    what: str
    line: int | None = None


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    cls: str
    kind: str
    description: str
    boundary: _Index | None
    in_scope: bool
    line: _Line
    claims: tuple[str, ...]
    tags: tuple[str, ...]


class _Flow(_Base, frozen=True, kw_only=True):
    source: _Index
    sink: _Index
    protocol: str
    order: int
    scenario: str
    response: bool
    data: tuple[str, ...]


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    classification: str
    credentials: bool
    personal: bool


class _Generic(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    title: str
    details: str
    severity: str
    own: bool


class _Raised(msgspec.Struct, frozen=True, kw_only=True):
    threat: str
    group: str
    index: _Index


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    error: _Fault | None = None


class _Dump(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str
    elements: tuple[_Base, ...]
    flows: tuple[_Flow, ...]
    boundaries: tuple[_Base, ...]
    data: tuple[_Data, ...]
    threats: tuple[_Generic, ...]
    excluded: _Index
    findings: tuple[_Raised, ...]


class GenericThreat(msgspec.Struct, frozen=True, kw_only=True):
    """One of pytm's own threats; `severity` is its word (Very High … Very Low), `own` tells a model's own threat."""

    id: str
    title: str
    details: str
    severity: str
    own: bool


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A flow's place in a sequence: its number, its scenario and its order in it."""

    flow: int
    scenario: str
    order: int
    response: bool


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it claims to be, text made safe. `raised` are pytm's findings: (threat id, is a flow, index);
    `excluded` counts those that its assumptions took away.

    `element_tags`, `flow_tags` and `ends` (indexes of source and sink) are by index.
    """

    title: str
    description: str
    elements: tuple[Element, ...]
    flows: tuple[Flow, ...]
    boundaries: tuple[Boundary, ...]
    data: tuple[DataClass, ...]
    generic: dict[str, GenericThreat]
    raised: tuple[tuple[str, bool, int], ...]
    excluded: int
    element_tags: tuple[frozenset[str], ...]
    flow_tags: tuple[frozenset[str], ...]
    ends: tuple[tuple[int, int], ...]
    steps: tuple[Step, ...]


class BrokenAt(ModelBroken):
    """The model raised; `line` is where in its file."""

    def __init__(self, what: str, line: int | None) -> None:
        super().__init__(what)
        self.line = line


def read(raw: bytes) -> Model:
    """The model in `raw`. Raises `ModelBroken` where the model failed or its dump is not one."""
    try:
        header = codec.decode(raw, _Header, where="model")
        if header.format != dumper.FORMAT:
            raise ModelBroken("left something that is no model")
        if header.error is not None:
            line = header.error.line
            raise BrokenAt(one_line(header.error.what), line if line and line > 0 else None)
        dump = codec.decode(raw, _Dump, where="model")
    except MalformedOutput as error:
        raise ModelBroken(f"left something that is no model: {error.what}") from error
    _check(dump)
    return _model(dump)


def _check(dump: _Dump) -> None:
    for what, count, most in (
        ("elements", len(dump.elements) + len(dump.boundaries) + len(dump.data), _MOST_ELEMENTS),
        ("flows", len(dump.flows), _MOST_FLOWS),
        ("generic findings", len(dump.findings), _MOST_FINDINGS),
    ):
        if count > most:
            raise ModelBroken(f"has {count} {what}; secdl reads {most} at most")
    elements, flows, boundaries = len(dump.elements), len(dump.flows), len(dump.boundaries)
    inside = all(
        item.boundary is None or item.boundary < boundaries
        for item in chain(dump.elements, dump.flows, dump.boundaries)
    )
    ends = all(flow.source < elements and flow.sink < elements for flow in dump.flows)
    found = all(item.index < (flows if item.group == "flows" else elements) for item in dump.findings)
    if not (inside and ends and found):
        raise ModelBroken("refers to an element that it does not have")
    for start in range(boundaries):
        seen, here = 0, dump.boundaries[start].boundary
        while here is not None:
            here, seen = dump.boundaries[here].boundary, seen + 1
            if seen > boundaries:
                raise ModelBroken("has a boundary that lies inside itself")


def _model(dump: _Dump) -> Model:
    names = tuple(_name(item.name, "boundary", n) for n, item in enumerate(dump.boundaries))

    def around(item: _Base) -> str:
        return names[item.boundary] if item.boundary is not None else ""

    elements = tuple(
        Element(
            name=_name(item.name, "element", n),
            cls=one_line(item.cls, limit=60),
            kind=one_line(item.kind, limit=60),
            boundary=around(item),
            description=one_line(item.description, limit=1000),
            line=item.line,
            in_scope=item.in_scope,
        )
        for n, item in enumerate(dump.elements)
    )
    data = tuple(
        DataClass(
            name=_name(item.name, "data", n),
            classification=item.classification if item.classification in _CLASSIFICATIONS else "UNKNOWN",
            description=one_line(item.description, limit=1000),
            credentials=item.credentials,
            personal=item.personal,
        )
        for n, item in enumerate(dump.data)
    )
    rank = {item.name: _CLASSIFICATIONS.index(item.classification) for item in data}
    flows = tuple(_flow(n, item, dump, elements, rank) for n, item in enumerate(dump.flows))
    return Model(
        title=one_line(dump.name, limit=120),
        description=one_line(dump.description, limit=2000),
        elements=elements,
        flows=flows,
        boundaries=tuple(
            Boundary(name=names[n], parent=around(item), description=one_line(item.description, limit=1000))
            for n, item in enumerate(dump.boundaries)
        ),
        data=data,
        generic={item.id: _generic(item) for item in dump.threats},
        raised=tuple((item.threat, item.group == "flows", item.index) for item in dump.findings),
        excluded=dump.excluded,
        element_tags=tuple(frozenset(item.tags) for item in dump.elements),
        flow_tags=tuple(frozenset(item.tags) for item in dump.flows),
        ends=tuple((item.source, item.sink) for item in dump.flows),
        steps=tuple(
            Step(flow=n, scenario=one_line(item.scenario, limit=120), order=item.order, response=item.response)
            for n, item in enumerate(dump.flows)
        ),
    )


def _flow(n: int, item: _Flow, dump: _Dump, elements: tuple[Element, ...], rank: dict[str, int]) -> Flow:
    names = tuple(sorted(one_line(name, limit=120) for name in item.data))
    return Flow(
        number=n + 1,
        name=_name(item.name, "flow", n),
        kind=one_line(item.kind, limit=60),
        source=elements[item.source].name,
        sink=elements[item.sink].name,
        protocol=one_line(item.protocol, limit=60),
        data=names,
        classification=_CLASSIFICATIONS[max((rank.get(name, 0) for name in names), default=0)],
        encrypted="isEncrypted" in item.claims,
        crosses=dump.elements[item.source].boundary != dump.elements[item.sink].boundary,
        description=one_line(item.description, limit=1000),
        line=item.line,
    )


def _generic(item: _Generic) -> GenericThreat:
    return GenericThreat(
        id=one_line(item.id, limit=60),
        title=one_line(item.title, limit=200),
        details=one_line(item.details, limit=1000),
        severity=one_line(item.severity, limit=20),
        own=item.own,
    )


def _name(text: str, what: str, n: int) -> str:
    return one_line(text, limit=120) or f"unnamed {what} {n + 1}"
