"""What both diagrams are drawn with: colours, escaped text, labels. Safe to inline: no script, no reference.

Readable on light and on dark, with its style and without.
"""

from html import escape
from textwrap import wrap

from secdl.model.threat import Flow

CHAR, LINE = 7.0, 15.0
# Attributes carry the colours of paper, for readers that take out styles; the style follows a reader's dark theme.
_INK, SOFT, _FILL, EDGE, TRUST = "#1c2733", "#4b5a68", "#f4f6f8", "#4b5a68", "#b3261e"
_STYLE = (
    ".tm{font:12px system-ui,sans-serif;max-width:100%;height:auto}"
    "@media (prefers-color-scheme:dark){.tm text{fill:#e3e8ed}.tm text.soft{fill:#b3bfca}"
    ".tm .node{fill:#1f2933;stroke:#e3e8ed}.tm .edge{stroke:#90a0ae}.tm .head{fill:#90a0ae}"
    ".tm .trust,.tm .cross .edge{stroke:#ff8a80}.tm text.trust-name,.tm .cross .head{fill:#ff8a80}}"
)
WORDS = f'fill="{_INK}"'
NODE = f'class="node" fill="{_FILL}" stroke="{_INK}"'
CROSSING = f'class="edge" fill="none" stroke="{TRUST}"'


def line(flow: Flow) -> str:
    """Attributes of a flow's line; one that crosses a boundary has the boundary's colour."""
    return CROSSING if flow.crosses else f'class="edge" fill="none" stroke="{EDGE}"'


def head_paint(crosses: bool) -> str:
    """Attributes of an arrow head."""
    return f'class="head" fill="{TRUST if crosses else EDGE}"'


def tooltip(flow: Flow) -> str:
    """What a flow is, in one line, not yet escaped."""
    carries = f"; carries {', '.join(flow.data)} ({flow.classification})" if flow.data else ""
    return f"{flow.number}. {flow.name}: {flow.source} to {flow.sink}{carries}"


def label(lines: list[str], x: float, middle: float) -> str:
    """`lines` of text, centred on (x, middle), escaped."""
    first = middle - (len(lines) - 1) * LINE / 2 + 4
    return "".join(
        f'<text x="{x:.4g}" y="{first + n * LINE:.4g}" text-anchor="middle" {WORDS}>{escape(line)}</text>'
        for n, line in enumerate(lines)
    )


def lines(name: str, width: int) -> list[str]:
    """`name` broken into at most four lines of `width` characters."""
    return wrap(name, width)[:4] or ["?"]


def text(text: str, limit: int) -> str:
    """`text` cut to `limit` characters and escaped."""
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")


def head(width: float, height: float, title: str) -> str:
    """The opening of an SVG document of this size."""
    # Font of the root as an attribute too: widths were reckoned for it.
    size = f'font-size="12" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    name = text(title, 200)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" class="tm" role="img" {size}>'
    return f"{svg}<title>{name}</title><style>{_STYLE}</style>"


def close(parts: list[str]) -> bytes:
    """The whole SVG document of `parts`."""
    return ("".join(parts) + "</svg>\n").encode("utf-8", "replace")
