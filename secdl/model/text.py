"""Hostile text made safe to show: what a tool prints may hold anything."""

import re
from collections.abc import Container

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


def free(name: str, used: Container[str]) -> str:
    """`name`, numbered from 2 where it is `used`."""
    number, found = 1, name
    while found in used:
        number += 1
        found = f"{name}-{number}"
    return found


def foreign_encoding(raw: bytes) -> tuple[str, str]:
    """What a file that begins with `raw` is where it is no UTF-8 text, and what to do; both empty where it may be."""
    if raw.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "is UTF-32", "save it as UTF-8"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(raw) > 1 and not min(raw[:2]) and 8 < max(raw[:2]) < 127):
        return "is UTF-16", "save it as UTF-8"
    if raw.startswith(b"\x1f\x8b"):
        return "is gzip", "unpack it first"
    return ("is a zip archive", "unpack it first") if raw.startswith(b"PK\3\4") else ("", "")
