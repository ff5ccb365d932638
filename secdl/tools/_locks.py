"""Lock files of Python dependencies, read into pins: what scanners are given in place of the file as it is.

Scanners fail open on locks: syft sees only names that match `*requirements*.txt`, pip-audit leaves out a pin whose
environment marker does not hold where it runs, and ends on a lock of which a part has hashes.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from secdl.model.errors import MalformedOutput
from secdl.model.text import one_line
from secdl.model.tool import Checkout, Job

LAID = "target"
"""Folder below the evidence folder that holds what a scanner of dependencies reads."""
_KNOWN = "requirements.txt"
_REQUIREMENTS = re.compile(r"^[\w.-]*requirements[\w.-]*\.(txt|lock|in)$")
_TOML = re.compile(r"^(uv\.lock|poetry\.lock|pylock(\.[\w-]+)?\.toml)$")
OTHERS = frozenset(
    (
        "Cargo.lock",
        "Gemfile.lock",
        "Pipfile.lock",
        "composer.lock",
        "conan.lock",
        "go.mod",
        "gradle.lockfile",
        "package-lock.json",
        "pnpm-lock.yaml",
        "pom.xml",
        "yarn.lock",
    )
)
"""Lock files of other ecosystems that syft reads by these names."""
_HASH = re.compile(r"\s--hash[= ]\S+")
_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDES = ("-r", "--requirement")
_EDITABLE = ("-e", "--editable")


class Pin(msgspec.Struct, frozen=True):
    """One locked dependency and the line that names it; `version` is empty and `url` set where it has no version."""

    name: str
    version: str
    url: str = ""
    line: int = 0


def python_locks(path: str, checkout: Checkout) -> dict[str, tuple[Pin, ...]]:
    """Pins by lock file: `path` itself where it is a file, else every Python lock below it."""
    files = checkout.files(path)
    chosen = files if files == (path,) else tuple(file for file in files if is_python_lock(file))
    return {file: pins(checkout.read(file), file) for file in chosen}


def lay_locks(job: Job, checkout: Checkout) -> dict[str, bytes]:
    """Every lock file of the job's source under a name that scanners know; Python's as plain pins.

    Raises `MalformedOutput` where there is none, or one of them pins nothing.
    """
    path = job.sources[0]
    files = checkout.files(path)
    laid = {}
    for file in files:
        if PurePosixPath(file).name in OTHERS:
            laid[f"{LAID}/{file}"] = checkout.read(file)
        elif is_python_lock(file) or files == (path,):
            laid[f"{LAID}/{file}/{_KNOWN}"] = written(pins(checkout.read(file), file))
    if not laid:
        raise MalformedOutput("holds no lock file", where=path, hint="name a lock file, or a folder that holds some")
    return laid


def lock_of(laid: str) -> str:
    """The lock file that a file of `lay_locks` was made of."""
    return laid.removeprefix(f"{LAID}/").removesuffix(f"/{_KNOWN}")


def is_python_lock(path: str) -> bool:
    """Whether the file's name says that it locks Python dependencies."""
    name = PurePosixPath(path).name
    return bool(_REQUIREMENTS.match(name) or _TOML.match(name)) and not name.endswith(".in")


def pins(raw: bytes, where: str) -> tuple[Pin, ...]:
    """The pins in a lock file: requirements with `==`, or the TOML of uv, poetry and PEP 751.

    The project's own entries (editable, a local folder) are left out: no advisory speaks of them. Raises
    `MalformedOutput` naming the line that pins nothing.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedOutput("not UTF-8", where=where) from error
    found = _toml(text, where) if _TOML.match(PurePosixPath(where).name) else _requirements(text, where)
    kept: dict[tuple[str, str], Pin] = {}
    for pin in found:
        kept.setdefault((pin.name, pin.version or pin.url), pin)
    return tuple(kept.values())


def written(found: tuple[Pin, ...]) -> bytes:
    """`found` as requirements without markers and hashes, a line each."""
    lines = (f"{pin.name} @ {pin.url}" if pin.url else f"{pin.name}=={pin.version}" for pin in found)
    return "".join(f"{line}\n" for line in lines).encode()


def _requirements(text: str, where: str) -> Iterator[Pin]:
    for number, line in _logical(text):
        word = line.split(maxsplit=1)[0].partition("=")[0]
        if word in _INCLUDES:
            hint = "name that file as a [[dependencies]] of its own"
            raise MalformedOutput(
                f"includes another file: {one_line(line, limit=80)}", where=f"{where}:{number}", hint=hint
            )
        if word in _EDITABLE:
            line = line.split(maxsplit=1)[-1] if " " in line else line.partition("=")[2]
        elif word.startswith("-"):
            continue
        bare = _HASH.sub("", line).strip()
        if not bare.startswith((".", "/", "file:")):
            yield _pin(bare, number, where)


def _pin(text: str, number: int, where: str) -> Pin:
    place = f"{where}:{number}"
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        what = f"not a requirement: {one_line(text, limit=80)}"
        raise MalformedOutput(what, where=place, hint="a lock names every dependency as NAME==VERSION") from error
    name = canonicalize_name(requirement.name)
    if requirement.url:
        return Pin(name, "", requirement.url, number)
    exact = [part.version for part in requirement.specifier if part.operator == "=="]
    if len(requirement.specifier) != 1 or not exact or exact[0].endswith(".*"):
        raise MalformedOutput(f"{name} is not pinned", where=place, hint="lock it to one version with ==")
    return Pin(name, exact[0], "", number)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined at a backslash, comments and blanks left out, each with the number of its first."""
    pending, begun = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        begun = begun if pending else number
        line = "" if raw.lstrip().startswith("#") else raw
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", pending + line).strip()
        pending = ""
        if whole:
            yield begun, whole


def _toml(text: str, where: str) -> Iterator[Pin]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MalformedOutput(one_line(f"not TOML: {error}"), where=where) from error
    packages = document.get("package", document.get("packages"))
    if not isinstance(packages, list):
        raise MalformedOutput("no list of packages", where=where, hint="uv.lock, poetry.lock and pylock.toml are read")
    for entry in packages:
        if pin := _entry(entry, where):
            yield pin


def _entry(entry: Any, where: str) -> Pin | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        raise MalformedOutput("a package without name", where=where)
    source = entry.get("source")
    local = {"editable", "virtual", "directory"}
    if local & (entry.keys() | (source.keys() if isinstance(source, dict) else set())):
        return None
    version = entry.get("version")
    if not isinstance(version, str):
        raise MalformedOutput(f"{one_line(name, limit=80)} has no version", where=where, hint="lock it to one version")
    return _pin(f"{name}=={version}", 0, where)
