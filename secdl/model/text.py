"""Hostile text made safe to show: what a tool prints may hold anything."""

import re

# Terminal escapes and Trojan Source: C0 but tab and newline, DEL, C1, bidirectional overrides, zero-width, separators.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_ANY_BREAK = re.compile(r"\s*[\r\n]+\s*")


def clean(text: str, *, limit: int = 4000) -> str:
    """`text` without control characters, at most `limit` characters; newlines and tabs stay."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _CONTROL.sub("�", text) if _CONTROL.search(text) else text


def one_line(text: str, *, limit: int = 400) -> str:
    """`clean` text folded onto one line."""
    return clean(_ANY_BREAK.sub(" ", text.strip()), limit=limit).replace("\t", " ")
