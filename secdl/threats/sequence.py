"""The sequence diagram, of our own template: pytm's own need Java."""

from secdl.model.threat import Flow
from secdl.threats import drawing
from secdl.threats.dump import Model, Step

_MARGIN, _COLUMN = 100, 180
_MOST_STEPS = 200


def draw(model: Model) -> bytes:
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
        body.append(f'<text class="soft" fill="{drawing.SOFT}" x="10" y="{y + 14:g}">and {dropped} more flows</text>')
        y += 24
    return drawing.close([drawing.head(width, y + 10, f"Sequence diagram of {model.title}"), *body])


def _scenario(model: Model, name: str, steps: list[Step], y: float) -> tuple[str, float, int]:
    parts: list[str] = []
    if name:
        parts.append(f'<text x="10" y="{y + 14:g}" font-weight="bold" {drawing.WORDS}>{drawing.text(name, 100)}</text>')
        y += 24
    here = list(dict.fromkeys(end for step in steps for end in model.ends[step.flow]))
    column = {index: _MARGIN + _COLUMN * n for n, index in enumerate(here)}
    top, end = y + 44, y + 44 + 34 * len(steps) + 12
    for index in here:
        x = column[index]
        lines = drawing.lines(model.elements[index].name, 18)[:2]
        life = f'x1="{x}" y1="{top:g}" x2="{x}" y2="{end:g}" stroke-dasharray="2 4"'
        parts.append(f'<line class="edge" stroke="{drawing.EDGE}" {life}/>')
        parts.append(f'<rect {drawing.NODE} x="{x - 66}" y="{y:g}" width="132" height="40" rx="4"/>')
        parts.append(drawing.label(lines, x, y + 20))
    for row, step in enumerate(steps):
        source, sink = model.ends[step.flow]
        parts.append(_arrow(model.flows[step.flow], column[source], column[sink], top + 34 * row + 28, step.response))
    return "".join(parts), end + 18, 2 * _MARGIN + _COLUMN * max(0, len(here) - 1)


def _arrow(flow: Flow, start: int, end: int, y: float, response: bool) -> str:
    dashes = ' stroke-dasharray="5 3"' if response else ""
    label = drawing.text(f"{flow.number}. {flow.name}", 60)
    if start == end:
        line = f'<path {drawing.line(flow)}{dashes} d="M{start},{y - 8:g} h26 v10 h-20"/>'
        tip, middle, anchor = _tip(flow, start + 6, y + 2, -1), start + 32, "start"
    else:
        way = 1 if end > start else -1
        line = f'<line {drawing.line(flow)}{dashes} x1="{start}" y1="{y:g}" x2="{end - 6 * way}" y2="{y:g}"/>'
        tip, middle, anchor = _tip(flow, end, y, way), (start + end) // 2, "middle"
    kind = "cross" if flow.crosses else "same"
    words = f'<text x="{middle}" y="{y - 6:g}" text-anchor="{anchor}" {drawing.WORDS}>{label}</text>'
    return f'<g class="{kind}"><title>{drawing.text(drawing.tooltip(flow), 300)}</title>{line}{tip}{words}</g>'


def _tip(flow: Flow, x: float, y: float, way: int) -> str:
    back = x - 8 * way
    return f'<polygon {drawing.head_paint(flow.crosses)} points="{x:g},{y:g} {back:g},{y - 4:g} {back:g},{y + 4:g}"/>'
