"""The data-flow diagram: laid out by graphviz, which sees numbers only, and drawn here."""

import re
import subprocess
from collections.abc import Iterator

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput, ToolFailed
from secdl.model.threat import Boundary, Element
from secdl.threats import drawing
from secdl.threats.dump import Model

_WRAP = 20
_POINT = re.compile(r"(-?\d[\d.]*(?:e[+-]?\d+)?),(-?\d[\d.]*(?:e[+-]?\d+)?)")
_TIP = re.compile(r"([es]),(-?\d[\d.]*(?:e[+-]?\d+)?),(-?\d[\d.]*(?:e[+-]?\d+)?)")
_SHAPES = {"Actor": "actor", "ExternalEntity": "actor", "Datastore": "store"}


class _Object(msgspec.Struct, frozen=True):
    name: str
    pos: str = ""
    bb: str = ""
    width: str = "0"
    height: str = "0"


class _Edge(msgspec.Struct, frozen=True):
    pos: str = ""
    lp: str = ""
    id: str = ""


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    """All flows between two elements: one line in the diagram. `both` where some lead back."""

    source: int
    sink: int
    flows: tuple[int, ...]
    both: bool


class _Layout(msgspec.Struct, frozen=True):
    bb: str
    objects: tuple[_Object, ...] = ()
    edges: tuple[_Edge, ...] = ()


def draw(model: Model, *, dot: str, timeout_s: float = 60.0) -> bytes:
    """The data-flow diagram of `model`: boundaries dashed, flows numbered, those that cross a boundary marked.

    Raises `ToolFailed` where graphviz does not answer.
    """
    layout = _layout(_dot(model), dot, timeout_s)
    if layout is None:
        size = f"{len(model.elements)} elements and {len(model.flows)} flows are too many to draw"
        words = f'<text x="10" y="24" {drawing.WORDS}>{size}</text>'
        return drawing.close([drawing.head(600, 40, f"Data-flow diagram of {model.title}"), words])
    box = _numbers(layout.bb)
    if len(box) != 4:
        raise MalformedOutput("no bounding box", where="graphviz")
    width, height = box[2] - box[0], box[3] - box[1]
    places = {item.name: item for item in layout.objects}
    parts = [drawing.head(width, height, f"Data-flow diagram of {model.title}")]
    for n, boundary in enumerate(model.boundaries):
        if (item := places.get(f"cluster_{n}")) is not None:
            parts.append(_cluster(boundary, item, height))
    edges = {edge.id: edge for edge in layout.edges}
    for n, link in enumerate(_links(model)):
        if (edge := edges.get(f"l{n}")) is not None:
            parts.append(_drawn(link, model, edge, height))
    for n, element in enumerate(model.elements):
        if (item := places.get(f"n{n}")) is not None:
            parts.append(_node(element, item, height))
    return drawing.close(parts)


def _dot(model: Model) -> str:
    lines = ["digraph model { rankdir=LR; newrank=true; nodesep=0.3; ranksep=1.0; edge [fontsize=16];"]
    lines.append('node [shape=box, fixedsize=true, label=""];')
    inside: dict[str, list[int]] = {}
    for n, element in enumerate(model.elements):
        inside.setdefault(element.boundary, []).append(n)
    children: dict[str, list[int]] = {}
    for n, boundary in enumerate(model.boundaries):
        children.setdefault(boundary.parent, []).append(n)
    lines.extend(_nodes(model, inside.get("", [])))
    seen: set[int] = set()
    for n in children.get("", []):
        lines.extend(_subgraph(model, n, inside, children, seen))
    for n, link in enumerate(_links(model)):
        label = ",".join(str(number + 1) for number in link.flows)
        lines.append(f'n{link.source} -> n{link.sink} [id="l{n}", label="{label}"{", dir=both" if link.both else ""}];')
    return "\n".join([*lines, "}"])


def _links(model: Model) -> list[_Link]:
    between: dict[tuple[int, int], list[int]] = {}
    for n, (source, sink) in enumerate(model.ends):
        key = (sink, source) if (sink, source) in between else (source, sink)
        between.setdefault(key, []).append(n)
    return [
        _Link(source=source, sink=sink, flows=tuple(flows), both=any(model.ends[n] != (source, sink) for n in flows))
        for (source, sink), flows in between.items()
    ]


def _subgraph(
    model: Model, n: int, inside: dict[str, list[int]], children: dict[str, list[int]], seen: set[int]
) -> Iterator[str]:
    if n in seen:  # two boundaries of one name
        return
    seen.add(n)
    name = model.boundaries[n].name
    yield f'subgraph cluster_{n} {{ margin=14; label=" "; fontsize=14;'
    yield from _nodes(model, inside.get(name, []))
    for child in children.get(name, []):
        yield from _subgraph(model, child, inside, children, seen)
    yield "}"


def _nodes(model: Model, indexes: list[int]) -> Iterator[str]:
    for n in indexes:
        lines = drawing.lines(model.elements[n].name, _WRAP)
        width = max(len(line) for line in lines) * drawing.CHAR + 26
        height = len(lines) * drawing.LINE + 20
        yield f"n{n} [width={width / 72:.3f}, height={height / 72:.3f}];"


def _layout(source: str, dot: str, timeout_s: float) -> _Layout | None:
    """Where graphviz puts things; None where it does not end in time, which is no fault of the model's."""
    hint = "`secdl tools install graphviz`, or install the package graphviz"
    try:
        done = subprocess.run(
            [dot, "-Tjson0"],
            input=source.encode(),
            capture_output=True,
            timeout=timeout_s,
            env={"LANG": "C.UTF-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        raise ToolFailed(f"did not lay out the diagram: {error}", where="graphviz", hint=hint) from error
    if done.returncode:
        raise ToolFailed(f"ended with exit status {done.returncode}", where="graphviz", hint=hint)
    return codec.decode(done.stdout, _Layout, where="graphviz")


def _cluster(boundary: Boundary, item: _Object, height: float) -> str:
    left, low, right, high = _numbers(item.bb)
    top = height - high
    at = f'x="{left + 8:g}" y="{top + 16:g}"'
    name = f'<text class="trust-name" fill="{drawing.TRUST}" {at}>{drawing.text(boundary.name, 60)}</text>'
    box = f'x="{left:g}" y="{top:g}" width="{right - left:g}" height="{high - low:g}" rx="6"'
    return f'<rect class="trust" fill="none" stroke="{drawing.TRUST}" stroke-dasharray="5 4" {box}/>{name}'


def _node(element: Element, item: _Object, height: float) -> str:
    x, y = _numbers(item.pos)
    width, tall = float(item.width) * 72, float(item.height) * 72
    y = height - y
    left, top = x - width / 2, y - tall / 2
    box = f'x="{left:.4g}" y="{top:.4g}" width="{width:.4g}" height="{tall:.4g}"'
    shape = _SHAPES.get(element.cls, "process")
    if shape == "store":
        bar = f"M{left:.4g},{top:.4g} h{width:.4g} M{left:.4g},{top + tall:.4g} h{width:.4g}"
        drawn = f'<rect {drawing.NODE} {box} stroke-width="0"/><path {drawing.NODE} d="{bar}"/>'
    else:
        drawn = f'<rect {drawing.NODE} {box} rx="{0 if shape == "actor" else 10}"/>'
    tip = drawing.text(f"{element.name} ({element.kind or element.cls}): {element.description}", 400)
    return f"<g><title>{tip}</title>{drawn}{drawing.label(drawing.lines(element.name, _WRAP), x, y)}</g>"


def _drawn(link: _Link, model: Model, edge: _Edge, height: float) -> str:
    tips = {mark: (float(x), height - float(y)) for mark, x, y in _TIP.findall(edge.pos)}
    curve = [(float(x), height - float(y)) for x, y in _POINT.findall(_TIP.sub("", edge.pos))]
    if len(curve) < 4:
        return ""
    flows = [model.flows[n] for n in link.flows]
    crosses = any(flow.crosses for flow in flows)
    path = f"M{curve[0][0]:.1f},{curve[0][1]:.1f} C" + " ".join(f"{x:.1f},{y:.1f}" for x, y in curve[1:])
    heads = [_head_of(base, tips[mark], crosses) for mark, base in (("e", curve[-1]), ("s", curve[0])) if mark in tips]
    label = ""
    if place := _numbers(edge.lp):
        at = f'x="{place[0]:.1f}" y="{height - place[1] + 4:.1f}"'
        numbers = ", ".join(str(flow.number) for flow in flows)
        label = f'<text class="soft" fill="{drawing.SOFT}" text-anchor="middle" {at}>{numbers}</text>'
    tip = drawing.text("; ".join(drawing.tooltip(flow) for flow in flows), 1000)
    kind = "cross" if crosses else "same"
    line = f'<path {drawing.line(flows[0]) if not crosses else drawing.CROSSING} d="{path}"/>'
    return f'<g class="{kind}"><title>{tip}</title>{line}{"".join(heads)}{label}</g>'


def _head_of(base: tuple[float, float], tip: tuple[float, float], crosses: bool) -> str:
    dx, dy = tip[0] - base[0], tip[1] - base[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    nx, ny = -dy / length * 4, dx / length * 4
    corners = (tip, (base[0] + nx, base[1] + ny), (base[0] - nx, base[1] - ny))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon {drawing.head_paint(crosses)} points="{points}"/>'


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise MalformedOutput("a position that is none", where="graphviz") from error
