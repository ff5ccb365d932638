"""Hostile text made safe to show: what a tool prints may hold anything."""

import re

# Terminal escapes and Trojan Source: C0 but tab and newline, DEL, C1, bidirectional overrides, zero-width, separators.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS = re.compile(r"[\r\n]+")


def clean(text: str, *, limit: int = 4000) -> str:
    """`text` without control characters, at most `limit` characters; newlines and tabs stay."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    # Whatever is printable holds no control character, and that is known ten times sooner.
    if text.isprintable():
        return text
    return _CONTROL.sub("�", text)


def one_line(text: str, *, limit: int = 400) -> str:
    """`clean` text folded onto one line."""
    text = text.strip()
    if text.isprintable():
        return clean(text, limit=limit)
    parts = (part.strip() for part in _BREAKS.split(text))
    return clean(" ".join(part for part in parts if part), limit=limit).replace("\t", " ")
