"""Diagrams as SVG: a data-flow diagram laid out by graphviz, a sequence diagram of our own template.

Graphviz sees numbers only and gives back positions; all text is drawn here, escaped, so the result is safe to inline.
Readable on light and on dark, with its style and without.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from textwrap import wrap

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput, ToolFailed
from secdl.model.threat import Boundary, Element, Flow
from secdl.threats.dump import Model, Step

_CHAR, _LINE, _WRAP = 7.0, 15.0, 20
_MARGIN, _COLUMN = 100, 180
_MOST_STEPS = 200
# Attributes carry the colours of paper, for readers that take out styles; the style follows a reader's dark theme.
_INK, _SOFT, _FILL, _EDGE, _TRUST = "#1c2733", "#4b5a68", "#f4f6f8", "#4b5a68", "#b3261e"
_STYLE = (
    ".tm{font:12px system-ui,sans-serif;max-width:100%;height:auto}"
    "@media (prefers-color-scheme:dark){.tm text{fill:#e3e8ed}.tm text.soft{fill:#b3bfca}"
    ".tm .node{fill:#1f2933;stroke:#e3e8ed}.tm .edge{stroke:#90a0ae}.tm .head{fill:#90a0ae}"
    ".tm .trust,.tm .cross .edge{stroke:#ff8a80}.tm text.trust-name,.tm .cross .head{fill:#ff8a80}}"
)
_WORDS = f'fill="{_INK}"'
_NODE = f'class="node" fill="{_FILL}" stroke="{_INK}"'
_POINT = re.compile(r"(-?\d[\d.]*(?:e[+-]?\d+)?),(-?\d[\d.]*(?:e[+-]?\d+)?)")
_TIP = re.compile(r"([es]),(-?\d[\d.]*(?:e[+-]?\d+)?),(-?\d[\d.]*(?:e[+-]?\d+)?)")
_CROSSING = f'class="edge" fill="none" stroke="{_TRUST}"'
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """All flows between two elements: one line in the diagram. `both` where some lead back."""

    source: int
    sink: int
    flows: tuple[int, ...]
    both: bool


class _Layout(msgspec.Struct, frozen=True):
    bb: str
    objects: tuple[_Object, ...] = ()
    edges: tuple[_Edge, ...] = ()


def dfd(model: Model, *, dot: str, timeout_s: float = 60.0) -> bytes:
    """The data-flow diagram of `model`: boundaries dashed, flows numbered, those that cross a boundary marked.

    Raises `ToolFailed` where graphviz does not answer.
    """
    layout = _layout(_dot(model), dot, timeout_s)
    if layout is None:
        size = f"{len(model.elements)} elements and {len(model.flows)} flows are too many to draw"
        words = f'<text x="10" y="24" {_WORDS}>{size}</text>'
        return _close([_head(600, 40, f"Data-flow diagram of {model.title}"), words])
    box = _numbers(layout.bb)
    if len(box) != 4:
        raise MalformedOutput("no bounding box", where="graphviz")
    width, height = box[2] - box[0], box[3] - box[1]
    places = {item.name: item for item in layout.objects}
    parts = [_head(width, height, f"Data-flow diagram of {model.title}")]
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
    return _close(parts)


def sequence(model: Model) -> bytes:
    """The flows that carry an `order`, scenario by scenario; all flows as they were declared where none does."""
    ordered = sorted((step for step in model.steps if step.order >= 0), key=lambda step: (step.order, step.flow))
    steps = ordered or list(model.steps)
    dropped, steps = max(0, len(steps) - _MOST_STEPS), steps[:_MOST_STEPS]
    scenarios: dict[str, list[Step]] = {}
    for step in steps:
        scenarios.setdefault(step.scenario, []).append(step)
    body: list[str] = []
    y, width = 10.0, 2 * _MARGIN
    for name, group in scenarios.items():
        part, y, wide = _scenario(model, name, group, y)
        body.append(part)
        width = max(width, wide)
    if dropped:
        body.append(f'<text class="soft" fill="{_SOFT}" x="10" y="{y + 14:g}">and {dropped} more flows</text>')
        y += 24
    return _close([_head(width, y + 10, f"Sequence diagram of {model.title}"), *body])


def _scenario(model: Model, name: str, steps: list[Step], y: float) -> tuple[str, float, int]:
    parts: list[str] = []
    if name:
        parts.append(f'<text x="10" y="{y + 14:g}" font-weight="bold" {_WORDS}>{_text(name, 100)}</text>')
        y += 24
    here = list(dict.fromkeys(end for step in steps for end in model.ends[step.flow]))
    column = {index: _MARGIN + _COLUMN * n for n, index in enumerate(here)}
    top, end = y + 44, y + 44 + 34 * len(steps) + 12
    for index in here:
        x = column[index]
        lines = _lines(model.elements[index].name, 18)[:2]
        life = f'x1="{x}" y1="{top:g}" x2="{x}" y2="{end:g}" stroke-dasharray="2 4"'
        parts.append(f'<line class="edge" stroke="{_EDGE}" {life}/>')
        parts.append(f'<rect {_NODE} x="{x - 66}" y="{y:g}" width="132" height="40" rx="4"/>')
        parts.append(_label(lines, x, y + 20))
    for row, step in enumerate(steps):
        source, sink = model.ends[step.flow]
        parts.append(_arrow(model.flows[step.flow], column[source], column[sink], top + 34 * row + 28, step.response))
    return "".join(parts), end + 18, 2 * _MARGIN + _COLUMN * max(0, len(here) - 1)


def _arrow(flow: Flow, start: int, end: int, y: float, response: bool) -> str:
    dashes = ' stroke-dasharray="5 3"' if response else ""
    label = _text(f"{flow.number}. {flow.name}", 60)
    if start == end:
        line = f'<path {_line(flow)}{dashes} d="M{start},{y - 8:g} h26 v10 h-20"/>'
        tip, middle, anchor = _tip(flow, start + 6, y + 2, -1), start + 32, "start"
    else:
        way = 1 if end > start else -1
        line = f'<line {_line(flow)}{dashes} x1="{start}" y1="{y:g}" x2="{end - 6 * way}" y2="{y:g}"/>'
        tip, middle, anchor = _tip(flow, end, y, way), (start + end) // 2, "middle"
    kind = "cross" if flow.crosses else "same"
    words = f'<text x="{middle}" y="{y - 6:g}" text-anchor="{anchor}" {_WORDS}>{label}</text>'
    return f'<g class="{kind}"><title>{_text(_tooltip(flow), 300)}</title>{line}{tip}{words}</g>'


def _tip(flow: Flow, x: float, y: float, way: int) -> str:
    back = x - 8 * way
    return f'<polygon {_head_paint(flow.crosses)} points="{x:g},{y:g} {back:g},{y - 4:g} {back:g},{y + 4:g}"/>'


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
        lines = _lines(model.elements[n].name, _WRAP)
        width = max(len(line) for line in lines) * _CHAR + 26
        height = len(lines) * _LINE + 20
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
    name = f'<text class="trust-name" fill="{_TRUST}" {at}>{_text(boundary.name, 60)}</text>'
    box = f'x="{left:g}" y="{top:g}" width="{right - left:g}" height="{high - low:g}" rx="6"'
    return f'<rect class="trust" fill="none" stroke="{_TRUST}" stroke-dasharray="5 4" {box}/>{name}'


def _node(element: Element, item: _Object, height: float) -> str:
    x, y = _numbers(item.pos)
    width, tall = float(item.width) * 72, float(item.height) * 72
    y = height - y
    left, top = x - width / 2, y - tall / 2
    box = f'x="{left:.4g}" y="{top:.4g}" width="{width:.4g}" height="{tall:.4g}"'
    shape = _SHAPES.get(element.cls, "process")
    if shape == "store":
        bar = f"M{left:.4g},{top:.4g} h{width:.4g} M{left:.4g},{top + tall:.4g} h{width:.4g}"
        drawn = f'<rect {_NODE} {box} stroke-width="0"/><path {_NODE} d="{bar}"/>'
    else:
        drawn = f'<rect {_NODE} {box} rx="{0 if shape == "actor" else 10}"/>'
    tip = _text(f"{element.name} ({element.kind or element.cls}): {element.description}", 400)
    return f"<g><title>{tip}</title>{drawn}{_label(_lines(element.name, _WRAP), x, y)}</g>"


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
        label = f'<text class="soft" fill="{_SOFT}" text-anchor="middle" {at}>{numbers}</text>'
    tip = _text("; ".join(_tooltip(flow) for flow in flows), 1000)
    kind = "cross" if crosses else "same"
    line = f'<path {_line(flows[0]) if not crosses else _CROSSING} d="{path}"/>'
    return f'<g class="{kind}"><title>{tip}</title>{line}{"".join(heads)}{label}</g>'


def _line(flow: Flow) -> str:
    return _CROSSING if flow.crosses else f'class="edge" fill="none" stroke="{_EDGE}"'


def _head_paint(crosses: bool) -> str:
    return f'class="head" fill="{_TRUST if crosses else _EDGE}"'


def _head_of(base: tuple[float, float], tip: tuple[float, float], crosses: bool) -> str:
    dx, dy = tip[0] - base[0], tip[1] - base[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    nx, ny = -dy / length * 4, dx / length * 4
    corners = (tip, (base[0] + nx, base[1] + ny), (base[0] - nx, base[1] - ny))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon {_head_paint(crosses)} points="{points}"/>'


def _tooltip(flow: Flow) -> str:
    carries = f"; carries {', '.join(flow.data)} ({flow.classification})" if flow.data else ""
    return f"{flow.number}. {flow.name}: {flow.source} to {flow.sink}{carries}"


def _label(lines: list[str], x: float, middle: float) -> str:
    first = middle - (len(lines) - 1) * _LINE / 2 + 4
    return "".join(
        f'<text x="{x:.4g}" y="{first + n * _LINE:.4g}" text-anchor="middle" {_WORDS}>{escape(line)}</text>'
        for n, line in enumerate(lines)
    )


def _lines(name: str, width: int) -> list[str]:
    return wrap(name, width)[:4] or ["?"]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise MalformedOutput("a position that is none", where="graphviz") from error


def _text(text: str, limit: int) -> str:
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")


def _head(width: float, height: float, title: str) -> str:
    # Font of the root as an attribute too: widths were reckoned for it.
    size = f'font-size="12" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    name = _text(title, 200)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" class="tm" role="img" {size}>'
    return f"{svg}<title>{name}</title><style>{_STYLE}</style>"


def _close(parts: list[str]) -> bytes:
    return ("".join(parts) + "</svg>\n").encode("utf-8", "replace")
