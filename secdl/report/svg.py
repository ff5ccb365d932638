"""Drawings made safe to stand inside a page: only what is allowed survives, whoever drew them."""

import re
from collections.abc import Callable
from html import escape
from xml.etree import ElementTree

from secdl.model.text import clean

MAX_BYTES = 2_000_000
MAX_ELEMENTS = 20_000
MAX_DEPTH = 40

_SVG = "{http://www.w3.org/2000/svg}"
_PROLOGUE = re.compile(r"\A\ufeff?\s*(<\?xml[^>]*\?>)?(\s|<!--.*?-->|<!DOCTYPE\s[^>\[]*>)*", re.DOTALL)
_ELEMENTS = frozenset(
    ("svg", "g", "path", "polygon", "polyline", "line", "rect", "circle", "ellipse", "text", "tspan", "defs", "marker")
)
_UNWRAPPED = frozenset(["a"])
_PAINT = re.compile(r"(?:none|transparent|currentColor|[a-zA-Z]{3,24}|#[0-9a-fA-F]{3,8}|rgba?\([0-9., %]{1,40}\))")
_NUMBERS = re.compile(r"[-+0-9.eE,% \t\r\n]{1,4000}(?:px|pt|em|ex)?")
_PATH = re.compile(r"[-+0-9.eE, \t\r\nMmLlHhVvCcSsQqTtAaZz]{1,100000}")
_TRANSFORM = re.compile(r"(?:(?:translate|scale|rotate|matrix|skewX|skewY)\([-+0-9.eE, ]{1,200}\)[ ,]{0,4}){1,10}")
_WORD = re.compile(r"[a-zA-Z0-9 -]{1,40}")
_ID = re.compile(r"[A-Za-z_][\w.-]{0,80}", re.ASCII)
_REFERENCE = re.compile(r"url\(#([A-Za-z_][\w.-]{0,80})\)", re.ASCII)

_NUMERIC = (
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "dx",
    "dy",
    "width",
    "height",
    "viewBox",
    "stroke-width",
    "stroke-dasharray",
    "stroke-opacity",
    "fill-opacity",
    "opacity",
    "font-size",
    "textLength",
    "refX",
    "refY",
    "markerWidth",
    "markerHeight",
    "orient",
    "stroke-miterlimit",
)
_WORDS = (
    "text-anchor",
    "dominant-baseline",
    "font-weight",
    "font-style",
    "stroke-linecap",
    "stroke-linejoin",
    "preserveAspectRatio",
    "lengthAdjust",
    "markerUnits",
)
_KINDS: dict[str, re.Pattern[str]] = {
    "fill": _PAINT,
    "stroke": _PAINT,
    "d": _PATH,
    "points": _PATH,
    "transform": _TRANSFORM,
    **dict.fromkeys(_NUMERIC, _NUMBERS),
    **dict.fromkeys(_WORDS, _WORD),
}
_AUTO = {"orient": ("auto", "auto-start-reverse")}
# What the threat-model diagrams are drawn with; the page's style sheet knows these words.
_CLASSES = frozenset(("cross", "edge", "head", "node", "same", "soft", "trust", "trust-name"))
_REFERENCES = ("marker-start", "marker-mid", "marker-end")


def safe_svg(raw: bytes, *, label: str, prefix: str, css_class: str = "drawing") -> str | None:
    """`raw` as inline SVG named `label`, its ids begun with `prefix`; None where it is no drawing that can be shown.

    Text, shapes and plain paint survive. Scripts, styles, links, foreign elements, event handlers, references to
    anything outside the drawing, entities and document types do not.
    """
    if len(raw) > MAX_BYTES:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    body = text[_match_end(text) :]
    if "<!" in body.replace("<!--", "").replace("<![CDATA[", ""):
        return None
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - without a document type there is no entity to expand  # nosec B314
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None
    if root.tag not in (_SVG + "svg", "svg"):
        return None
    parts: list[str] = []
    _write(root, prefix, parts.append, opening=f' role="img" aria-label="{escape(clean(label))}" class="{css_class}"')
    return "".join(parts) if len(parts) <= MAX_ELEMENTS * 3 else None


def _match_end(text: str) -> int:
    match = _PROLOGUE.match(text)
    return match.end() if match else 0


def _write(
    element: ElementTree.Element, prefix: str, put: Callable[[str], None], *, opening: str = "", depth: int = 0
) -> None:
    name = element.tag.removeprefix(_SVG) if isinstance(element.tag, str) else ""
    shown = name in _ELEMENTS
    if depth > MAX_DEPTH or not (shown or name in _UNWRAPPED):
        return
    if shown:
        put(f"<{name}{opening}{_attributes(element, prefix)}>")
    textual = name in ("text", "tspan")
    if textual and element.text:
        put(escape(clean(element.text)))
    for child in element:
        _write(child, prefix, put, depth=depth + 1)
        if textual and child.tail:
            put(escape(clean(child.tail)))
    if shown:
        put(f"</{name}>")


def _attributes(element: ElementTree.Element, prefix: str) -> str:
    kept = []
    for name, value in element.attrib.items():
        if name == "class" and (words := [word for word in value.split() if word in _CLASSES]):
            kept.append(f' class="{" ".join(words)}"')
        elif name == "id" and _ID.fullmatch(value):
            kept.append(f' id="{prefix}{value}"')
        elif name in _REFERENCES and (match := _REFERENCE.fullmatch(value)):
            kept.append(f' {name}="url(#{prefix}{match[1]})"')
        elif name in _KINDS and (_KINDS[name].fullmatch(value.strip()) or value in _AUTO.get(name, ())):
            kept.append(f' {name}="{escape(value.strip())}"')
    return "".join(kept)
