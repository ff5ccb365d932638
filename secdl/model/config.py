"""`secdl.toml`: what a repository declares to be checked, and how much effort each profile spends."""

from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from enum import StrEnum
from itertools import islice
from os.path import relpath
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from secdl.model.errors import ConfigError
from secdl.model.toml import KeyPath, load_toml, place, show
from secdl.model.tool import Stage

Name = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower-case letters, digits, . _ -")
]
T = TypeVar("T")

_MOST_BESIDE = 2000
_PLAIN = r"^[^\x00-\x1f\x7f]*$"
RelativePath = Annotated[
    str, msgspec.Meta(min_length=1, max_length=500, pattern=_PLAIN, description="path below the folder of secdl.toml")
]
Plain = Annotated[str, msgspec.Meta(max_length=500, pattern=_PLAIN, description="500 characters, none of control")]
Program = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=500,
        pattern=r"^[^~\x00-\x1f\x7f][^\x00-\x1f\x7f]*$",
        description="path of an executable, from / or from the folder of secdl.toml (`~` is not expanded)",
    ),
]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Language(StrEnum):
    """A language that some rule pack reads."""

    PYTHON = "python"
    C = "c"


class ToolTable(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every `[tools.NAME]` takes: an executable instead of the locked one, a deadline, a cap on output;
    what is left belongs to the tool's own `settings`."""

    path: Program = ""
    timeout_s: Seconds | None = None
    size_cap_mib: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 512


COMMON_SETTINGS = ToolTable.__struct_fields__
"""Keys under `[tools.NAME]` that every tool has."""


class ProductTable(_Table, frozen=True):
    """`[product]`: the name and version that the report speaks of."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    version: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class Source(_Table, frozen=True):
    """`[[source]]`: a folder or file of source code. `guest_facing` C is read by the device rules.

    `exclude` holds repo-relative files, folders and globs, as `secdl.model.scope.excluded` reads them."""

    name: Name
    path: RelativePath
    languages: Annotated[tuple[Language, ...], msgspec.Meta(min_length=1)]
    guest_facing: bool = False
    exclude: tuple[str, ...] = ()


class Dependencies(_Table, frozen=True):
    """`[[dependencies]]`: a lock file (requirements.txt style, hashed or not) or a folder that holds some."""

    name: Name
    path: RelativePath


class Image(_Table, frozen=True):
    """`[[image]]`: a root file system to check. Exactly one of `recipe` (built here by mmdebstrap) and `path` (tar or
    folder). `exposed` are the programs that guests or the network reach, as paths in the image."""

    name: Name
    recipe: Plain = ""
    path: Plain = ""
    exposed: tuple[Plain, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.recipe) == bool(self.path):
            raise ValueError("give exactly one of `recipe` and `path`")


class ThreatModel(_Table, frozen=True):
    """`[[threatmodel]]`: a pytm model and the table of controls that answers it."""

    name: Name
    path: RelativePath
    controls: RelativePath
    library: Plain = ""


class Fuzz(_Table, frozen=True):
    """`[[fuzz]]`: a QEMU binary and the devices to fuzz over qtest; `operations` per device, `seed` fixed."""

    name: Name
    devices: tuple[Plain, ...]
    binary: Plain = "qemu-system-x86_64"
    operations: Annotated[int, msgspec.Meta(ge=1, le=10_000_000_000)] = 100_000
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    machine: Plain = "q35"


class SarifCanary(_Table, frozen=True):
    """Planted defects for a configured tool: a folder that is scanned too, and the hits each rule must make in it."""

    path: RelativePath
    expects: Annotated[dict[str, Annotated[int, msgspec.Meta(ge=1)]], msgspec.Meta(min_length=1)]


class SarifTool(_Table, frozen=True):
    """`[[sarif_tool]]`: any program that writes SARIF. In `command`, `{source}`, `{out}`, `{canary}` are replaced."""

    name: Name
    stage: Stage
    command: Annotated[tuple[Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")], ...], msgspec.Meta(min_length=1)]
    completed: tuple[int, ...] = (0,)
    sources: tuple[RelativePath, ...] = (".",)
    canary: SarifCanary | None = None


class Gate(_Table, frozen=True):
    """`[gate]`: where policy and waivers lie (the packaged policy where `policy` is empty), and the findings that were
    there on the day of adoption: the baseline of every run that is given no other."""

    policy: Plain = ""
    waivers: Plain = ""
    debt: Plain = ""


class Profile(_Table, frozen=True):
    """`[profiles.NAME]`: how much a profile spends. What it requires and blocks stands in the gate policy."""

    fuzz_operations: Annotated[int, msgspec.Meta(ge=1)] | None = None
    timeout_factor: Annotated[float, msgspec.Meta(gt=0, le=100)] = 1.0
    stages: tuple[Stage, ...] = tuple(Stage)


class Config(_Table, frozen=True):
    """A whole `secdl.toml`. `tools` holds per-tool tables: `path`, `timeout_s`, and the tool's own settings."""

    product: ProductTable
    source: tuple[Source, ...] = ()
    dependencies: tuple[Dependencies, ...] = ()
    image: tuple[Image, ...] = ()
    threatmodel: tuple[ThreatModel, ...] = ()
    fuzz: tuple[Fuzz, ...] = ()
    sarif_tool: tuple[SarifTool, ...] = ()
    gate: Gate = Gate()
    tools: dict[str, dict[str, Any]] = {}
    profiles: dict[str, Profile] = {}

    def sources(self, language: Language, *, guest_facing: bool | None = None) -> tuple[Source, ...]:
        """Sources that hold `language`; with `guest_facing` only those that are so, or are not."""
        return tuple(
            source
            for source in self.source
            if language in source.languages and guest_facing in (None, source.guest_facing)
        )

    def settings(self, tool: str, kind: type[T]) -> T:
        """`[tools.NAME]` without the keys every tool has, as a `kind`. Raises `ConfigError`."""
        own = {key: value for key, value in self.tools.get(tool, {}).items() if key not in COMMON_SETTINGS}
        try:
            return msgspec.convert(own, kind)
        except msgspec.ValidationError as error:
            raise ConfigError(str(error), where=f"[tools.{tool}]", hint="docs/usage.md lists its keys") from error


def load_config(path: Path) -> Config:
    """The configuration at `path`. Raises `ConfigError` that names file, line and key."""
    # `exists` raises for some names that no file can have, and those have no place to be told of either.
    with suppress(OSError, ValueError):
        if not path.exists():
            raise ConfigError("No such file", where=str(path), hint=_instead(path))
    config = load_toml(path, Config)
    for kind in ("source", "dependencies", "image", "threatmodel", "fuzz", "sarif_tool"):
        names = [entry.name for entry in getattr(config, kind)]
        for index, name in enumerate(names):
            if name in names[:index]:
                at: KeyPath = (kind, index, "name")
                what = f"{show(at)}: {name!r} is used twice"
                raise ConfigError(what, where=place(str(path), at), hint="names tell jobs apart: choose another")
    root = path.resolve().parent
    for keys, name in _paths(config):
        if fault := _fault(root, name):
            what, hint = fault
            raise ConfigError(f"{show(keys)}: {what}", where=place(str(path), keys), hint=hint)
    for index, entry in enumerate(config.sarif_tool):
        if hidden := _hidden(root, entry):
            at = ("sarif_tool", index, "canary", "path")
            what = f"{show(at)}: holds the source {hidden!r}, whose findings would be taken for the planted ones"
            raise ConfigError(what, where=place(str(path), at), hint="give the planted defects a folder of their own")
    return config


def _hidden(root: Path, entry: SarifTool) -> str:
    """The source that the canary's folder is or holds; empty where there is none."""
    planted = (root / entry.canary.path).resolve() if entry.canary else None
    inside = (s for s in entry.sources if planted is not None and (root / s).resolve().is_relative_to(planted))
    return next(inside, "")


def _instead(path: Path) -> str:
    """What to do where there is no configuration at `path`: use the one of a folder above, or write one."""
    fresh = "`secdl init` writes a fresh one"
    if path.parent != Path():
        return f"mend the path; {fresh}"
    here = Path.cwd()
    for folder in here.parents:
        if (folder / path.name).is_file():
            return f"use `--config {relpath(folder / path.name, here)}`, or {fresh}"
    return fresh


def _paths(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Every path that must lie below the folder of the configuration, with its place in it."""
    for kind in ("source", "dependencies"):
        for index, entry in enumerate(getattr(config, kind)):
            yield (kind, index, "path"), entry.path
    for index, model in enumerate(config.threatmodel):
        yield ("threatmodel", index, "path"), model.path
        yield ("threatmodel", index, "controls"), model.controls
    for index, tool in enumerate(config.sarif_tool):
        for position, name in enumerate(tool.sources):
            yield ("sarif_tool", index, "sources", position), name
        if tool.canary:
            yield ("sarif_tool", index, "canary", "path"), tool.canary.path


def _fault(root: Path, name: str) -> tuple[str, str] | None:
    """What is wrong with the path `name` below `root`, and what to do; None where nothing is."""
    mend = "mend the path or remove the entry"
    try:
        target = (root / name).resolve()
        there = target.exists()
    # Python calls a loop of links a RuntimeError.
    except (OSError, RuntimeError) as error:
        return f"{name!r} cannot be followed: {getattr(error, 'strerror', None) or 'a loop of links'}", mend
    if not target.is_relative_to(root):
        return f"{name!r} leads out of {root}", "name a path below secdl.toml's folder"
    return None if there else (f"{name!r} does not exist", _similar(root, name) or mend)


def _similar(root: Path, name: str) -> str:
    """What lies beside the missing `name` and is nearly called so, as a question; empty where nothing is."""
    folder = (root / name).parent
    try:
        known = [path.relative_to(root).as_posix() for path in islice(folder.iterdir(), _MOST_BESIDE)]
    except (OSError, ValueError):
        return ""
    close = get_close_matches(name, sorted(known), n=1)
    return f'did you mean "{close[0]}"?' if close else ""
