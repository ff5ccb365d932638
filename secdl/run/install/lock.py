"""`tools.lock.toml`: every external program, its version, and the ordered ways to have it."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from secdl.model.errors import ConfigError
from secdl.model.toml import load_toml, nearest

LOCK_FILE = "tools.lock.toml"
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ShippedPath = Annotated[str, msgspec.Meta(pattern=r"^locks/[A-Za-z0-9._/-]+$")]
AbsolutePath = Annotated[str, msgspec.Meta(pattern=r"^/")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class PythonWay(_Table, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """An environment of the tool's own, from a hash lock.

    `program` is relative to it, `site-packages/` standing for the interpreter's own folder of that name. `digests` pins
    what is installed, by interpreter (`cp311`); for one that is not listed the digest is taken when it is installed.
    `beyond_registries` names a host that the package's build must reach beside the registry.
    """

    requirement: str
    lock: ShippedPath
    launch: Literal["script", "python", "binary"]
    program: str
    build_lock: ShippedPath | None = None
    beyond_registries: str = ""
    digests: dict[str, Digest] = {}


class GoWay(_Table, frozen=True, kw_only=True, tag_field="kind", tag="go"):
    """A Go module built here: `folder` holds go.mod and go.sum, `sum` is the hash that the built binary must name."""

    folder: ShippedPath
    module: str
    package: str
    sum: Annotated[str, msgspec.Meta(pattern=r"^h1:[A-Za-z0-9+/=]{44}$")]


class DebianWay(_Table, frozen=True, kw_only=True, tag_field="kind", tag="debian"):
    """A Debian package of at least version `minimum` that brings `program`."""

    package: str
    minimum: str
    program: AbsolutePath


class PathWay(_Table, frozen=True, kw_only=True, tag_field="kind", tag="path"):
    """`command` wherever PATH has it, if its `--version` is at least `minimum`."""

    command: str
    minimum: str


Way = PythonWay | GoWay | DebianWay | PathWay


class Entry(_Table, frozen=True, kw_only=True):
    """One program. `version` is exact for what secdl installs itself, empty where a way carries a minimum.

    Without an `optional` one nothing of what secdl promises by default is missing.
    """

    name: Name
    version: str = ""
    optional: bool = False
    way: tuple[Way, ...]

    def __post_init__(self) -> None:
        if not self.way:
            raise ValueError(f"{self.name}: give at least one [[tool.way]]")
        if not self.version and any(isinstance(way, PythonWay | GoWay) for way in self.way):
            raise ValueError(f"{self.name}: a python or go way needs an exact `version`")

    @property
    def debian(self) -> DebianWay | None:
        """The Debian way, where there is one."""
        return next((way for way in self.way if isinstance(way, DebianWay)), None)


class Deny(_Table, frozen=True, kw_only=True):
    """Versions of a tool that must never run."""

    tool: Name
    versions: tuple[str, ...]
    why: str


class Trap(_Table, frozen=True, kw_only=True):
    """A name on the package index that is not what it seems."""

    name: Name
    why: str


class Lock(_Table, frozen=True, kw_only=True):
    """A whole `tools.lock.toml`."""

    schema: Literal[1]
    tool: tuple[Entry, ...]
    deny: tuple[Deny, ...] = ()
    trap: tuple[Trap, ...] = ()

    def entry(self, name: str) -> Entry:
        """The entry called `name`, or the one whose Debian package is. Raises `ConfigError`."""
        for entry in self.tool:
            if name == entry.name:
                return entry
        for entry in self.tool:
            if entry.debian is not None and entry.debian.package == name:
                return entry
        known = tuple(entry.name for entry in self.tool)
        raise ConfigError(f"no tool is called {name!r}", where=LOCK_FILE, hint=nearest(name, known))

    def denied(self, name: str, version: str) -> str:
        """Why `version` of `name` must not run; empty where it may."""
        release = version_in(version)
        for deny in self.deny:
            if deny.tool == name and (version in deny.versions or release in deny.versions):
                return f"{name} {release} is on the deny list: {deny.why}"
        return ""


def load_lock(path: Path) -> Lock:
    """The lock at `path`. Raises `ConfigError`."""
    lock = load_toml(path, Lock)
    names = [entry.name for entry in lock.tool]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"tool {twice[0]!r} stands here twice", where=str(path), hint="one [[tool]] for each name")
    return lock


_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[a-z]+\d+)?")


def version_in(text: str) -> str:
    """The first version number in `text` (`git version 2.39.5` gives `2.39.5`); `text` itself where it has none."""
    match = _VERSION.search(text)
    return match[0] if match else text


def interpreter_tag() -> str:
    """The interpreter that tool environments are built for, as wheels name it: `cp311`."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def entry_digest(entry: Entry, files: dict[str, bytes]) -> str:
    """What an installed tool depends on, as 16 hexadecimal digits: its entry, its hash locks, the interpreter."""
    digest = hashlib.sha256(msgspec.json.encode(entry, order="sorted"))
    for name in sorted(files):
        digest.update(f"\0{name}\0{len(files[name])}\0".encode() + files[name])
    digest.update(f"\0{interpreter_tag()}".encode())
    return digest.hexdigest()[:16]


def lock_files(entry: Entry, root: Path) -> dict[str, bytes]:
    """Content of each lock file below `root` that `entry` names. Raises `ConfigError` where one is absent."""
    names: list[str] = []
    for way in entry.way:
        if isinstance(way, PythonWay):
            names += [way.lock, *([way.build_lock] if way.build_lock else [])]
        elif isinstance(way, GoWay):
            names += [f"{way.folder}/go.mod", f"{way.folder}/go.sum"]
    found: dict[str, bytes] = {}
    for name in names:
        try:
            found[name] = (root / name).read_bytes()
        except OSError as error:
            raise ConfigError(
                error.strerror or "unreadable", where=str(root / name), hint="`nox -s locks` writes it"
            ) from error
    return found
