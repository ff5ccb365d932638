"""Lock files of Python dependencies, read into pins: what scanners are given in place of the file as it is.

Scanners fail open on locks: syft sees only names that match `*requirements*.txt`, pip-audit leaves out a pin whose
environment marker does not hold where it runs, and ends on a lock of which a part has hashes.
"""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.text import foreign_encoding, one_line
from secdl.model.tool import Checkout, Job

LAID = "target"
"""Folder below the evidence folder that holds what a scanner of dependencies reads."""
_KNOWN = "requirements.txt"
_REQUIREMENTS = re.compile(r"^[\w.-]*requirements[\w.-]*\.(txt|lock|in)$")
_FOLDER = re.compile(r"(^|/)requirements/[^/]+\.(txt|lock)$")
"""The other custom: a folder `requirements` that holds a file for each purpose."""
_PINNED = re.compile(rb"^[ \t]*\w[\w.-]*[ \t]*(?:\[[^]\n]*\])?[ \t]*={2,3}[ \t]*[\w*]", re.MULTILINE)
_TOML = re.compile(r"^(uv\.lock|poetry\.lock|pdm\.lock|pylock(\.[\w-]+)?\.toml)$")
_PIPFILE = "Pipfile.lock"
OTHERS = frozenset(
    (
        "Cargo.lock",
        "Gemfile.lock",
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
_EDITABLE = re.compile(r"^(?:-e|--editable(?=[=\s]))[=\s]*")
_FLAGS = frozenset(("--no-index", "--no-require-hashes", "--pre", "--prefer-binary", "--require-hashes"))
_VALUED = frozenset(
    (
        "-C",
        "-c",
        "-f",
        "-i",
        "--all-releases",
        "--build-option",
        "--config-settings",
        "--constraint",
        "--extra-index-url",
        "--find-links",
        "--global-option",
        "--hash",
        "--index-url",
        "--install-option",
        "--no-binary",
        "--only-binary",
        "--only-final",
        "--trusted-host",
        "--use-feature",
    )
)
"""Options of a requirements file that bring no package in; of all others pip may read more than is judged here."""
_LOCAL = (".", "/", "file:")
_ARCHIVE = re.compile(r"\.(whl|egg|zip|tgz|tbz|txz|tlz|tar(\.\w+)?)(?=$|[\s;#\[?])", re.IGNORECASE)


class Pin(msgspec.Struct, frozen=True):
    """One locked dependency; `version` is empty and `url` set where it has no version."""

    name: str
    version: str
    url: str = ""


def python_locks(path: str, checkout: Checkout) -> dict[str, tuple[Pin, ...]]:
    """Pins by lock file: `path` itself where it is a file, else every Python lock below it."""
    files = checkout.files(path)
    chosen = files if files == (path,) else tuple(file for file in files if is_python_lock(file, checkout.read))
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
        elif files == (path,) or is_python_lock(file, checkout.read):
            laid[f"{LAID}/{file}/{_KNOWN}"] = written(pins(checkout.read(file), file))
    if not laid:
        raise MalformedOutput("holds no lock file", where=path, hint="name a lock file, or a folder that holds some")
    return laid


def lock_of(laid: str) -> str:
    """The lock file that a file of `lay_locks` was made of."""
    return laid.removeprefix(f"{LAID}/").removesuffix(f"/{_KNOWN}")


def is_python_lock(path: str, read: Callable[[str], bytes]) -> bool:
    """Whether a file's name says that it locks Python dependencies; what `read` gives of `path` must say so, too, where
    only its folder is called so: that may hold another kind of requirements."""
    name = PurePosixPath(path).name
    if name == _PIPFILE or _REQUIREMENTS.match(name) or _TOML.match(name):
        return not name.endswith(".in")
    if not _FOLDER.search(path):
        return False
    raw = read(path)
    # What is in another encoding may lock something: it is refused by name, and not passed over.
    return bool(_PINNED.search(raw) or foreign_encoding(raw[:4])[0])


def pins(raw: bytes, where: str) -> tuple[Pin, ...]:
    """The pins in a lock file: requirements with `==`, Pipfile.lock, or the TOML of uv, poetry, pdm and PEP 751.

    The project's own entries (editable, a local folder) are left out: no advisory speaks of them. Raises
    `MalformedOutput` naming the line that pins nothing.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedOutput("not UTF-8", where=where) from error
    name = PurePosixPath(where).name
    if name == _PIPFILE:
        found = _pipfile(raw, where)
    else:
        found = _toml(text, where) if _TOML.match(name) else _requirements(text, where)
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
        place = f"{where}:{number}"
        if (option := _EDITABLE.match(line)) is not None:
            line = line[option.end() :]
        elif line.startswith("-"):
            _check_options(line, place)
            continue
        bare = _HASH.sub("", line).strip()
        if not _own(bare, place):
            yield _pin(bare, place)


def _check_options(line: str, place: str) -> None:
    """Raises `MalformedOutput` unless each option in `line` is known to bring no package in."""
    try:
        words = iter(shlex.split(line))
    except ValueError:
        # An open quote: nobody can say what follows it.
        words = iter(("",))
    for word in words:
        name, equals, _ = word.partition("=")
        if name in _VALUED:
            if not equals:
                next(words, "")
        elif not (word in _FLAGS or (not word.startswith("--") and word[:2] in _VALUED)):
            what = f"may include other packages: {one_line(line, limit=80)}"
            raise MalformedOutput(what, where=place, hint="name an included file as a [[dependencies]] of its own")


def _own(text: str, place: str) -> bool:
    """Whether `text` is a folder of the project, which no advisory speaks of. Raises for a package in a file."""
    local = text.startswith(_LOCAL)
    if local and _ARCHIVE.search(text):
        what = f"a package in a file: {one_line(text, limit=80)}"
        raise MalformedOutput(what, where=place, hint="a lock names every dependency as NAME==VERSION")
    return local


def _pin(text: str, place: str) -> Pin:
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as error:
        what = f"not a requirement: {one_line(text, limit=80)}"
        raise MalformedOutput(what, where=place, hint="a lock names every dependency as NAME==VERSION") from error
    name = canonicalize_name(requirement.name)
    if requirement.url:
        return Pin(name, "", requirement.url)
    exact = [part.version for part in requirement.specifier if part.operator == "=="]
    if len(requirement.specifier) != 1 or not exact or exact[0].endswith(".*"):
        raise MalformedOutput(f"{name} is not pinned", where=place, hint="lock it to one version with ==")
    return Pin(name, exact[0])


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
    except (ValueError, RecursionError) as error:
        # Not of TOML alone: Python reads no number of more than 4,300 digits.
        raise MalformedOutput(one_line(f"not TOML: {error}"), where=where) from error
    lists = [document[key] for key in ("package", "packages") if key in document]
    if not lists or not all(isinstance(packages, list) for packages in lists):
        raise MalformedOutput("no list of packages", where=where, hint="uv.lock, poetry.lock and pylock.toml are read")
    for entry in chain.from_iterable(lists):
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
    return _pin(f"{name}=={version}", where)


class _Locked(msgspec.Struct, frozen=True):
    """An entry of a Pipfile.lock."""

    version: str = ""
    path: str = ""


def _pipfile(raw: bytes, where: str) -> Iterator[Pin]:
    """The pins of every category of a Pipfile.lock: `default`, `develop` and those that its Pipfile adds."""
    categories = codec.decode(raw, dict[str, msgspec.Raw], where=where)
    if "_meta" not in categories or "default" not in categories:
        raise MalformedOutput("not a Pipfile.lock: no `_meta` or no `default`", where=where)
    for category, content in categories.items():
        entries = (
            {}
            if category == "_meta"
            else codec.decode(bytes(content), dict[str, _Locked], where=f"{where}: {category}")
        )
        for name, entry in entries.items():
            if entry.version or not entry.path or not _own(f"./{entry.path}", where):
                yield _pin(name + entry.version, where)
