"""Python for scanners of folders: the planned files, laid out under names that any scanner takes for Python."""

import io
import re
import tokenize

from secdl.model.scope import within
from secdl.model.tool import LAID, SCRIPT, Checkout, Job

_C = (".c", ".h")
_BREAK = re.compile(r"\r\n?")
# Where Python looks for the name of a file's encoding: PEP 263.
_NAMED = re.compile(r"^([ \t\f]*#.*?coding[:=][ \t]*)[-\w.]+", re.ASCII)


def python_files(job: Job, sources: tuple[str, ...] | list[str] = (".",)) -> list[str]:
    """The planned files below `sources` that are Python: what is planned and no C was taken for it."""
    return [path for path in job.settings.get("planned", ()) if not path.endswith(_C) and within(path, sources)]


def lay_python(files: list[str], checkout: Checkout) -> dict[str, bytes]:
    """The content of `files` by the name to lay it under; `Job.path` gives the file's own name back."""
    return {
        f"{LAID}/{path}" if path.endswith(".py") else f"{LAID}/{path}{SCRIPT}": as_python_reads(checkout.read(path))
        for path in files
    }


def as_python_reads(raw: bytes) -> bytes:
    """`raw`, a Python file, as UTF-8 with line feeds: in another encoding, or behind a carriage return alone, a scanner
    may see a comment where Python sees code. What Python cannot decode stays, for the scanner to fail on."""
    plain = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(plain).readline)
        if encoding in ("utf-8", "utf-8-sig"):
            return plain
        first, *more = _BREAK.sub("\n", plain.decode(encoding)).split("\n", 2)
        # As long as either line names it, a scanner would decode a second time.
        return "\n".join((_renamed(first), *map(_renamed, more[:1]), *more[1:])).encode()
    except (SyntaxError, ValueError, LookupError):
        return raw


def _renamed(line: str) -> str:
    return _NAMED.sub(r"\1utf-8", line)
