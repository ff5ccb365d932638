"""Which files of a source are meant: what `exclude` hides, and the fewest targets that name the rest."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def excluded(path: str, patterns: Iterable[str]) -> bool:
    """Whether repo-relative `path` is hidden by one of `patterns`.

    A pattern is a repo-relative file, folder (which hides all below it) or glob, where `*` also crosses slashes.
    """
    return any(
        path == name or path.startswith(name + "/") or fnmatchcase(path, name)
        for name in (_plain(pattern) for pattern in patterns)
        if name
    )


def within(path: str, sources: Iterable[str]) -> bool:
    """Whether repo-relative `path` is one of `sources` or lies below one."""
    return any(source == "." or path == source or path.startswith(source + "/") for source in map(_plain, sources))


def cover(sources: Sequence[str], planned: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The fewest files and folders that hold every planned file below `sources` and nothing excluded, sorted.

    Scanners disagree on what an exclude pattern means (gitignore rules from the root of the git repository, or
    substrings of a path), so they are told what to read and never what to leave out. The root folder itself is never
    given whole: secdl's own run folders lie in it.
    """
    names = tuple(_plain(pattern) for pattern in patterns)
    targets: set[str] = set()
    for source in map(_plain, sources):
        below = [path for path in planned if within(path, (source,))]
        targets.update(_cover("" if source == "." else source, below, names))
    return tuple(sorted(targets))


def _cover(folder: str, files: list[str], names: tuple[str, ...]) -> Iterable[str]:
    if files == [folder]:
        yield folder
        return
    if folder and not any(_may_hide(name, folder) for name in names):
        if files:
            yield folder
        return
    prefix = folder + "/" if folder else ""
    children: dict[str, list[str]] = {}
    for path in files:
        children.setdefault(prefix + path[len(prefix) :].partition("/")[0], []).append(path)
    for child, below in children.items():
        yield from _cover(child, below, names)


def _may_hide(name: str, folder: str) -> bool:
    """Whether the pattern `name` could hide something below `folder`."""
    fixed = name
    for wildcard in "*?[":
        fixed = fixed.partition(wildcard)[0]
    if fixed == name:
        return name.startswith(folder + "/")
    return fixed.startswith(folder + "/") or (folder + "/").startswith(fixed)


def _plain(path: str) -> str:
    plain = path.strip("/")
    while plain.startswith("./"):
        plain = plain[2:]
    return plain or "."
