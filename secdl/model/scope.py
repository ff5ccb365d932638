"""Which files of a source are meant, and what `exclude` hides."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from posixpath import normpath


def excluded(path: str, patterns: Iterable[str]) -> bool:
    """Whether repo-relative `path` is hidden by one of `patterns`.

    A pattern is a repo-relative file, folder (which hides all below it) or glob, where `*` also crosses slashes.
    """
    return any(path == name or path.startswith(name + "/") or fnmatchcase(path, name) for name in map(_plain, patterns))


def within(path: str, sources: Iterable[str]) -> bool:
    """Whether `path`, relative to the repository, is one of `sources` or lies below one; what begins `..` does not."""
    outside = path == ".." or path.startswith("../")
    return not outside and any(
        source == "." or path == source or path.startswith(source + "/") for source in map(_plain, sources)
    )


def _plain(path: str) -> str:
    return normpath(path.strip("/") or ".")
