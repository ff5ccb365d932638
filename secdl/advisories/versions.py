"""Orders of version strings, one per ecosystem: a key to sort by, and where a string has no place, the nearest one."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Key = Any
"""Comparable with keys of the same ecosystem only; None where the string has no place in their order."""
Order = Callable[[str], Key]
"""Gives the key of a version."""

_RELEASE = re.compile(r"\d{1,18}(?:\.\d{1,18}){0,20}")
_SEMVER = re.compile(r"(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:\.\d{1,18}){0,20}-?([0-9A-Za-z.-]*)")
_GO_RC = re.compile(r"^(\d+(?:\.\d+)*)(rc|beta|alpha)(\d+)$")
_PAIR = re.compile(r"(\D*)(\d*)")


def base(ecosystem: str) -> str:
    """The ecosystem without its release: `Debian` of `Debian:12`."""
    return ecosystem.partition(":")[0]


def normal_name(ecosystem: str, package: str) -> str:
    """The one spelling of a package's name that the ecosystem compares by."""
    return str(canonicalize_name(package)) if base(ecosystem) == "PyPI" else package


def key_of(ecosystem: str) -> Order:
    """The order of an ecosystem's versions."""
    return _KEYS[base(ecosystem)]


@lru_cache(maxsize=4096)
def pypi_key(version: str) -> Key:
    """PEP 440 without the local part, which no advisory means: `2.6.0+cu124` is 2.6.0 built by somebody.

    A string outside it, as advisories hold (`2.9.0-NA`), is taken by its leading release number.
    """
    try:
        return Version(Version(version).public)
    except (InvalidVersion, ValueError):
        release = _RELEASE.match(version.strip().lstrip("vV"))
        return Version(release.group()) if release else None


def semver_key(version: str) -> Key:
    """Semantic versions as Go and crates use them: a leading `v` or `go` and build metadata do not count."""
    text = version.strip().removeprefix("go").removeprefix("v").partition("+")[0]
    if candidate := _GO_RC.match(text):
        text = f"{candidate[1]}-{candidate[2]}.{candidate[3]}"
    parts = _SEMVER.fullmatch(text)
    if parts is None:
        return None
    numbers = tuple(int(part or 0) for part in parts.group(1, 2, 3))
    labels = tuple(_label(label) for label in parts[4].split(".")) if parts[4] else ()
    # A release sorts after all of its pre-releases.
    return numbers, not labels, labels


def debian_key(version: str) -> Key:
    """The order of deb-version(7), as `dpkg --compare-versions` has it: `[epoch:]upstream[-revision]`."""
    text = version.strip()
    if not text:
        return None
    epoch, colon, rest = text.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", text
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return _number(epoch), _part(upstream), _part(revision)


def _label(label: str) -> tuple[int, tuple[int, str], str]:
    # Numbers sort below words (semver.org, 11.4).
    return (0, _number(label), "") if label.isdecimal() else (1, (0, ""), label)


def _number(digits: str) -> tuple[int, str]:
    """A number of any length as a key: Python refuses to read more than 4300 digits."""
    digits = digits.lstrip("0")
    return len(digits), digits


def _part(text: str) -> tuple[Any, ...]:
    pairs = [((*map(_order, word), 0), _number(digits)) for word, digits in _PAIR.findall(text)]
    while pairs and pairs[-1] == ((0,), (0, "")):
        pairs.pop()
    # The end of the text sorts as an empty word: after "~", before all else.
    return (*(item for pair in pairs for item in pair), (0,))


def _order(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 0x110000


_KEYS: dict[str, Order] = {
    "PyPI": pypi_key,
    "Debian": debian_key,
    "Go": semver_key,
    "crates.io": semver_key,
}

ECOSYSTEMS = tuple(_KEYS)
"""Ecosystems whose order of versions is known; advisories of others cannot be matched and are not taken in."""
