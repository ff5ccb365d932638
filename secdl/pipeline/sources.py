"""Which files configuration means: by source, language and `exclude`; and what of them no scanner reads."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from secdl.model.config import Config, Language, Source
from secdl.model.errors import ConfigError
from secdl.model.plan import Exclusion, PassedOver, Unread
from secdl.model.scope import excluded, within
from secdl.model.tool import Subject
from secdl.run.checkout import ENVIRONMENTS, NEVER

SUFFIXES = {Language.PYTHON: (".py", ".pyw"), Language.C: (".c", ".h")}
_SUFFIXES = tuple(suffix for ends in SUFFIXES.values() for suffix in ends)
_SCRIPT = re.compile(rb"#!.*python", re.IGNORECASE)
_FIRST_LINE_BYTES = 128
# Nobody declares a cache of compiled code, but a source file in it can be run.
_CLOSED = NEVER - {"__pycache__"}


def planned_files(root: Path, config: Config, subject: Subject) -> Iterator[str]:
    """Files below the subject's sources that configuration means by language and `exclude`, sorted."""
    yield from sorted({name for source in chosen(config, subject) for name in _files(root, source)})


def chosen(config: Config, subject: Subject) -> tuple[Source, ...]:
    """The `[[source]]` entries that the subject reads."""
    return tuple(source for source in config.source if source.path in subject.sources)


def suffixes(source: Source) -> tuple[str, ...]:
    """How the names of files in the source's languages end."""
    return tuple(suffix for language in source.languages for suffix in SUFFIXES[language])


def exclusions(root: Path, config: Config) -> Iterator[Exclusion]:
    """What each source's `exclude` hides, counted: a gap that the report must own up to."""
    for source in config.source:
        if source.exclude:
            whole = sum(1 for _ in _files(root, msgspec.structs.replace(source, exclude=())))
            read = sum(1 for _ in _files(root, source))
            yield Exclusion(source=source.path, patterns=source.exclude, files=whole - read, of=whole)


def nothing_read(config: Config, read: set[str]) -> Iterator[Unread]:
    """Each source of which no scanner reads anything, or none of its C, and why."""
    why = "no scanner reads C that is not guest_facing"
    for source in config.source:
        languages = [one for one in source.languages if one is not Language.C or source.guest_facing]
        below = {path.endswith(SUFFIXES[Language.C]) for path in read if within(path, (source.path,))}
        if not languages:
            yield Unread(source=source.path, reason=why)
        elif not below.intersection(one is Language.C for one in languages):
            yield Unread(source=source.path, reason=f"no file of {' or '.join(languages)} in it")
        elif True in below and languages != list(source.languages):
            yield Unread(source=source.path, reason=f"as to C: {why}")


def _files(root: Path, source: Source) -> Iterator[str]:
    named = suffixes(source)
    scripts = Language.PYTHON in source.languages
    for name in _walk(root, source):
        if name.endswith(named) or (scripts and not name.endswith(_SUFFIXES) and _is_script(root / name)):
            # A name that is not UTF-8 is planned as it can be shown: no tool can have read that, so it is missed.
            yield shown(name)


def _is_script(path: Path) -> bool:
    """Whether a file begins as a Python script does; one that cannot be read may be one. One whose name has an ending
    must be executable, too: to look into all others of a large tree takes long."""
    try:
        if "." in path.name and not path.stat().st_mode & 0o111:
            return False
        with path.open("rb") as file:
            return _SCRIPT.match(file.read(_FIRST_LINE_BYTES)) is not None
    except OSError:
        return True


def shown(name: str) -> str:
    """`name` as text that every format holds: what is not UTF-8 in it becomes U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def passed_over(root: Path, config: Config) -> Iterator[PassedOver]:
    """What no scanner looks into below each source: environments, by name, and links to code that is not read."""
    for source in config.source:
        folders, links = [], []
        for path, entry in _entries(root, source):
            if entry.name in ENVIRONMENTS and _is_folder(entry):
                folders.append(shown(path))
            elif entry.is_symlink() and _leads_away(root, path, source, config):
                links.append(shown(path))
        if folders or links:
            yield PassedOver(source=source.path, folders=tuple(sorted(folders)), links=tuple(sorted(links)))


def _leads_away(root: Path, path: str, source: Source, config: Config) -> bool:
    """Whether the link `path` leads to a folder, or under a name of the source's languages to a file, that no source
    reads under such a name; or to where nobody may look."""
    target = Path(os.path.realpath(root / path))
    try:
        mode = target.stat().st_mode
    except OSError as error:
        return isinstance(error, PermissionError)
    folder = stat.S_ISDIR(mode)
    if not folder and not (path.endswith(suffixes(source)) and stat.S_ISREG(mode)):
        return False
    inside = os.path.relpath(target, os.path.realpath(root))
    if not _CLOSED.isdisjoint(inside.split("/")):
        return True
    return not any(
        within(inside, (os.path.normpath(one.path),))
        and not excluded(inside, one.exclude)
        and (set(source.languages) <= set(one.languages) if folder else inside.endswith(suffixes(one)))
        for one in config.source
    )


def _walk(root: Path, source: Source) -> Iterator[str]:
    """Repo-relative POSIX paths of the regular files in `source` that it does not exclude; links are not followed."""
    start = os.path.normpath(source.path)
    if (root / start).is_file():
        yield start
        return
    for path, entry in _entries(root, source):
        if entry.is_file(follow_symlinks=False):
            yield path


def _entries(root: Path, source: Source) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All that lies in the folder `source` and is not excluded, by path; environments and the like are not entered.

    Raises `ConfigError` where a folder cannot be listed: what nobody could look into is not clean.
    """
    start = os.path.normpath(source.path)
    folders = ["" if start == "." else f"{start}/"] if (root / start).is_dir() else []
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                inside = list(entries)
        except OSError as error:
            hint = "give access to it, or name it in `exclude` of its [[source]]"
            raise ConfigError(f"cannot be read: {error.strerror}", where=folder or ".", hint=hint) from error
        for entry in inside:
            path = folder + entry.name
            if excluded(path, source.exclude):
                continue
            if entry.name not in _CLOSED and _is_folder(entry):
                folders.append(f"{path}/")
            yield path, entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
