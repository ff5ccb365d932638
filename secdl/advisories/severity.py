"""From the severities that an advisory carries to one level."""

from collections.abc import Iterable

from cvss import CVSS3, CVSS4  # type: ignore[import-untyped]  # ships no types
from cvss.exceptions import CVSSError  # type: ignore[import-untyped]  # ships no types

from secdl.model.finding import LEVELS, Level
from secdl.model.text import one_line

_WORDS = {
    "critical": Level.CRITICAL,
    "high": Level.HIGH,
    "important": Level.HIGH,
    "moderate": Level.MEDIUM,
    "medium": Level.MEDIUM,
    "low": Level.LOW,
    "unimportant": Level.LOW,
}
_PREFIXES = ("CVSS:4.0/", "CVSS:3.1/", "CVSS:3.0/")
MALICIOUS = "malicious package"
VENDOR = "vendor:"
"""Begins the word of the distribution that ships the package: it knows best what the vulnerability is there."""
EXPLOITED = "known exploited"
"""A word among the severities: somebody uses the vulnerability."""


def level_of(severities: Iterable[str], identifiers: Iterable[str] = ()) -> tuple[Level, str]:
    """Level and the word it rests on. `severities` are CVSS vectors and plain words.

    The vendor's word wins over CVSS 4.0, over 3.1, 3.0 and other words; of equals the worst. A vector that cannot be
    read, and no severity at all, is `UNKNOWN`: it never counts as harmless. What is known to be exploited, and a
    malicious package (an id `MAL-…`), is critical whatever else is said.
    """
    if any(identifier.startswith("MAL-") for identifier in identifiers):
        return Level.CRITICAL, MALICIOUS
    given = sorted(set(severities))
    if EXPLOITED in given:
        return Level.CRITICAL, EXPLOITED
    if vendor := _worst(word for word in given if word.startswith(VENDOR)):
        return vendor
    for prefix in _PREFIXES:
        scored = [(score, vector) for vector in given if vector.startswith(prefix) for score in _scores(vector)]
        if scored:
            score, vector = max(scored)
            return level_of_score(score), f"{score} {vector}"
    return _worst(given) or (Level.UNKNOWN, one_line(given[0], limit=120) if given else "")


def level_of_score(score: float) -> Level:
    """The band of a CVSS base score."""
    bands = ((9.0, Level.CRITICAL), (7.0, Level.HIGH), (4.0, Level.MEDIUM), (0.05, Level.LOW))
    return next((level for least, level in bands if score >= least), Level.INFO)


def _worst(words: Iterable[str]) -> tuple[Level, str] | None:
    known = [(level, word) for word in words if (level := _WORDS.get(word.removeprefix(VENDOR).lower()))]
    return min(known, key=lambda pair: LEVELS.index(pair[0]), default=None)


def _scores(vector: str) -> list[float]:
    try:
        return [float((CVSS4 if vector.startswith("CVSS:4") else CVSS3)(vector).base_score)]
    except (CVSSError, ValueError, KeyError):
        return []
