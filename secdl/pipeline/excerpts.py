"""Source around findings, captured when the tool ran: the report shows it, the fingerprint may need the line."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from secdl.model import codec
from secdl.model.finding import Finding
from secdl.model.record import Excerpt
from secdl.model.text import clean

EXCERPTS = "excerpts.jsonl"
_AROUND = 3
_FULL = 2000
_LINE_CHARACTERS = 300
_FILE_BYTES = 8 << 20
# Where scanners count a line; Python's splitlines() also breaks at form feeds, which C sources hold.
_BREAK = re.compile(r"\r\n|\r|\n")


def capture(findings: Iterable[Finding], root: Path, target: Path) -> None:
    """Writes an `Excerpt` for each place that `findings` name in regular files below `root`; none, no file.

    The first 2,000 carry three lines around, the others the line alone.
    """
    lines_of: dict[str, list[str]] = {}
    seen: set[tuple[str, int]] = set()
    with target.open("wb") as file:
        for finding in findings:
            for place in finding.locations:
                if not place.line or (place.path, place.line) in seen:
                    continue
                if place.path not in lines_of:
                    lines_of[place.path] = _lines(root, place.path)
                lines = lines_of[place.path]
                if place.line > len(lines):
                    continue
                seen.add((place.path, place.line))
                around = _AROUND if len(seen) <= _FULL else 0
                first = max(1, place.line - around)
                text = "\n".join(clean(line, limit=_LINE_CHARACTERS) for line in lines[first - 1 : place.line + around])
                excerpt = Excerpt(path=place.path, line=place.line, first=first, text=text)
                file.write(codec.encode_line(excerpt))
    if not seen:
        target.unlink()


def read_excerpts(raw: bytes) -> Iterator[Excerpt]:
    """The excerpts in a file that `capture` wrote."""
    for number, line in enumerate(raw.splitlines(), start=1):
        yield codec.decode(line, Excerpt, where=f"{EXCERPTS}:{number}")


def with_source(findings: Iterable[Finding], excerpts: Iterable[Excerpt]) -> Iterator[Finding]:
    """`findings`, those without a snippet given the captured line of their first location."""
    line_at = {(e.path, e.line): e.text.split("\n")[e.line - e.first] for e in excerpts}
    for finding in findings:
        place = finding.locations[0] if finding.locations else None
        line = line_at.get((place.path, place.line or 0)) if place and not finding.snippet else None
        yield msgspec.structs.replace(finding, snippet=line) if line else finding


def _lines(root: Path, name: str) -> list[str]:
    """Lines of the file `name` below `root`; none where it is no regular file there, is a link, or is large."""
    try:
        path = (root / name).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return []
    if not path.is_relative_to(root.resolve()):
        return []
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, checked before it is read
            state = os.fstat(descriptor)
            if stat.S_ISREG(state.st_mode) and state.st_size <= _FILE_BYTES:
                return _BREAK.split(file.read().decode("utf-8", "replace"))
    return []
