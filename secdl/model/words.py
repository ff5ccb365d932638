"""How people are told numbers, dates and levels: one wording for the terminal and every report."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from math import ceil

from secdl.model.finding import Finding

_HEX = re.compile(r"\b[0-9a-f]{20,}\b")
_NAMES = {"elf": "ELF", "sbom": "SBOM"}
# Policies count what a tool did not rate as high or worse: it must not stand behind the medium ones.
_ORDER = {name: position for position, name in enumerate(("critical", "high", "unknown", "medium", "low", "info"))}


def number(value: int) -> str:
    """`value` with thin groups: 12,000."""
    return f"{value:,}"


def some(value: int, noun: str, plural: str = "") -> str:
    """`1 finding`, `3 findings`, `no findings`."""
    word = noun if value == 1 else plural or noun + "s"
    return f"{number(value) if value else 'no'} {word}"


def share(part: int, whole: int, noun: str) -> str:
    """`1 of 1 findings`, `0 of 9 jobs`: always with its denominator."""
    return f"{number(part)} of {number(whole)} {noun}s"


def short(digest: str) -> str:
    """`digest` with long hexadecimal numbers cut to twelve digits: enough for the eye."""
    return _HEX.sub(lambda run: run[0][:12] + "…", digest)


def listed(parts: tuple[str, ...] | list[str], *, last: str = "and") -> str:
    """`a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + f" {last} {parts[-1]}"


def moment(value: datetime) -> str:
    """An instant as people compare it: `2026-11-24 21:05 UTC`."""
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M UTC")


def age(since: date | None, today: date) -> str:
    """How long ago `since` was, in days; a date ahead of `today` is said to be so."""
    if since is None:
        return "age unknown"
    days = (today - since).days
    if days < 0:
        return f"dated {since.isoformat()}, in the future"
    return "today" if days == 0 else some(days, "day")


def left(until: date, today: date) -> str:
    """How long until `until`."""
    days = (until - today).days
    return f"expired {some(-days, 'day')} ago" if days < 0 else "last day" if days == 0 else f"{some(days, 'day')} left"


def duration(seconds: float) -> str:
    """`0.4 s`, `58 s`, `6 min 5 s`: rounded up, so that work never reads as none."""
    if seconds <= 0:
        return "0 s"
    if seconds < 10:
        return f"{ceil(seconds * 10) / 10:.1f} s"
    whole = ceil(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def size(size_bytes: int) -> str:
    """Bytes as `640 kB`, `61 MB` or `1.2 GB`."""
    if size_bytes >= 10**9:
        return f"{size_bytes / 10**9:.1f} GB"
    if size_bytes >= 10**6:
        return f"{size_bytes / 10**6:.0f} MB"
    return f"{ceil(size_bytes / 1000)} kB" if size_bytes else "0 kB"


def read(work: Mapping[str, int]) -> str:
    """Proof of work in words, without what is none: `42 files, 9,000 lines`."""
    return ", ".join(_read(unit, count) for unit, count in work.items() if count) or "nothing"


def _read(unit: str, count: int) -> str:
    return size(count) if unit == "bytes" else f"{number(count)} {_unit(unit, count)}"


def _unit(unit: str, count: int) -> str:
    words = [_NAMES.get(word, word) for word in unit.split("_")]
    # `files_read_in_part` are files; `settings_files` are files, too.
    noun = 0 if len(words) > 2 else -1
    if count == 1:
        words[noun] = words[noun].removesuffix("s")
    return " ".join(words)


def severity(finding: Finding) -> int:
    """Sort key of a level, worst first."""
    return _ORDER[finding.level.value]


def worst_first(finding: Finding) -> tuple[bool, bool, int, str, str, int, str]:
    """Sort key: blocking, then not waived, then level, path, rule and line."""
    line = finding.locations[0].line or 0 if finding.locations else 0
    return (
        not finding.blocking,
        finding.waiver is not None,
        severity(finding),
        finding.path,
        finding.rule,
        line,
        finding.fingerprint,
    )


def where(finding: Finding) -> str:
    """First location as `path:line`; the package for a finding without one."""
    if not finding.locations:
        return finding.purl or "no location given"
    place = finding.locations[0]
    more = f" and {some(len(finding.locations) - 1, 'further place')}" if len(finding.locations) > 1 else ""
    return (f"{place.path}:{place.line}" if place.line else place.path) + more


def gain(finding: Finding) -> str:
    """What a guest or attacker gains; says so where no rule states it."""
    return finding.gain or "Gain not stated by the rule: judge it before release."


def action(finding: Finding) -> str:
    """The one next action."""
    if finding.fix:
        return finding.fix
    if finding.purl:
        return "No fixed version is known: replace or remove the package, or record a waiver."
    return "Correct the code at this place, or record a waiver."


def owner(finding: Finding) -> str:
    """Who answers for the place."""
    return finding.owner or "no owner"


def first_seen(finding: Finding, today: date) -> str:
    """How old the finding is, as far as runs tell."""
    if finding.first_seen is None:
        return "new in this run" if finding.status.value == "new" else "age unknown"
    return age(finding.first_seen, today)
