"""Waivers: which finding each covers, which of them do not hold, and the file's text with one more."""

import re
from collections import Counter
from datetime import date, timedelta

import msgspec

from secdl.gate.owners import glob
from secdl.model.finding import Finding, Level
from secdl.model.policy import Waiver, WaiverLimits, Waivers, parse_waivers
from secdl.model.text import one_line
from secdl.model.verdict import AcceptedWaiver, Reason, ReasonKind

_WILD = re.compile(r"[*?]")


class _Use(msgspec.Struct):
    """What one waiver met: findings it covers, of them those it was refused for, by cause."""

    waiver: Waiver
    fault: str
    met: int = 0
    applied: int = 0
    too_long: Counter[Level] = msgspec.field(default_factory=Counter)


class Desk:
    """Applies waivers to findings one after the other, then says what it found out about the waivers themselves."""

    def __init__(self, waivers: Waivers, *, limits: WaiverLimits, today: date) -> None:
        self._limits = limits
        self._today = today
        self._uses = [_Use(waiver, fault(waiver, limits=limits, today=today)) for waiver in waivers.waiver]
        self._by_fingerprint: dict[str, list[_Use]] = {}
        self._by_rule: dict[str, list[tuple[re.Pattern[str], _Use]]] = {}
        self._by_cve: dict[str, list[_Use]] = {}
        for use in self._uses:
            waiver = use.waiver
            if waiver.fingerprint:
                self._by_fingerprint.setdefault(waiver.fingerprint, []).append(use)
            elif waiver.cve:
                self._by_cve.setdefault(waiver.cve.upper(), []).append(use)
            else:
                matcher = re.compile(glob(waiver.path) + r"\Z", re.DOTALL)
                self._by_rule.setdefault(waiver.rule, []).append((matcher, use))

    def waive(self, finding: Finding) -> str | None:
        """Id of the first waiver that holds for `finding`; None where none does."""
        if not self._uses:
            return None
        chosen: _Use | None = None
        for use in self._covering(finding):
            use.met += 1
            if use.fault:
                continue
            life = (use.waiver.expires - use.waiver.created).days
            if life > self._limits.days(finding.level):
                use.too_long[finding.level] += 1
            elif chosen is None:
                chosen = use
                use.applied += 1
        return chosen.waiver.id if chosen else None

    def too_broad(self) -> frozenset[str]:
        """Ids of waivers that covered more findings than one may: none of these is waived by them."""
        return frozenset(use.waiver.id for use in self._uses if use.applied > self._limits.max_findings)

    def accepted(self) -> tuple[AcceptedWaiver, ...]:
        """The waivers that held for at least one finding, in file order."""
        broad = self.too_broad()
        return tuple(
            AcceptedWaiver(
                id=use.waiver.id,
                reason=one_line(use.waiver.reason),
                owner=one_line(use.waiver.owner),
                approver=one_line(use.waiver.approver),
                expires=use.waiver.expires,
                findings=use.applied,
            )
            for use in self._uses
            if use.applied and use.waiver.id not in broad
        )

    def reasons(self, *, whole: bool) -> tuple[Reason, ...]:
        """What is wrong with waivers. Only a `whole` run, where all was measured, can say that one is unused."""
        return tuple(reason for use in self._uses for reason in self._reasons(use, whole=whole))

    def _covering(self, finding: Finding) -> list[_Use]:
        covering = list(self._by_fingerprint.get(finding.fingerprint, ()))
        if self._by_rule:
            path = finding.path
            for matcher, use in self._by_rule.get(f"{finding.tool}:{finding.rule}", ()):
                if matcher.match(path):
                    covering.append(use)
        if self._by_cve and finding.purl:
            for name in dict.fromkeys(name.upper() for name in (finding.rule, *finding.aliases)):
                covering += [use for use in self._by_cve.get(name, ()) if _same_package(use.waiver.purl, finding.purl)]
        return covering

    def _reasons(self, use: _Use, *, whole: bool) -> list[Reason]:
        waiver, id_ = use.waiver, use.waiver.id
        if use.fault and (use.met or not _expired(waiver, self._today)):
            return [_invalid(id_, use.fault)]
        if not use.met:
            expired = f", and it expired on {waiver.expires}" if _expired(waiver, self._today) else ""
            unused = f"waiver {id_} covers no finding{expired}: remove it"
            return [Reason(kind=ReasonKind.WAIVER_UNUSED, message=unused)] if whole else []
        found: list[Reason] = []
        for level in sorted(use.too_long):
            life, most = (waiver.expires - waiver.created).days, self._limits.days(level)
            found.append(_invalid(id_, f"runs {life} days; {most} is the most for a finding of level {level}"))
        if use.applied > self._limits.max_findings:
            most = self._limits.max_findings
            found.append(_invalid(id_, f"is too broad: it covers {use.applied} findings, {most} is the most"))
        elif use.applied and (days := (waiver.expires - self._today).days) <= self._limits.warn_days:
            due_text = f"waiver {id_} of {one_line(waiver.owner)} expires on {waiver.expires}, in {days} days"
            found.append(Reason(kind=ReasonKind.WAIVER_DUE, message=due_text))
        return found


def fault(waiver: Waiver, *, limits: WaiverLimits, today: date) -> str:
    """Why `waiver` cannot hold for any finding; empty where it can."""
    if _expired(waiver, today):
        return f"expired on {waiver.expires}"
    if waiver.created > today:
        return f"is dated {waiver.created}, which has not come yet"
    if limits.require_approver and not waiver.approver.strip():
        return "names no approver"
    if waiver.approver and _person(waiver.approver) == _person(waiver.owner):
        return "is approved by its owner; it takes two people"
    if (life := (waiver.expires - waiver.created).days) > (most := max(limits.days(level) for level in Level)):
        return f"lives {life} days; {most} is the most for any level"
    if waiver.path and (broad := _too_broad(waiver.path)):
        return broad
    if "*" in waiver.rule:
        return "names its rule with `*`; name one rule"
    return ""


def due(waivers: Waivers, *, as_of: date, days: int = 21) -> tuple[Waiver, ...]:
    """Waivers that expired before `as_of` or expire within `days` of it, the soonest first."""
    soon = [waiver for waiver in waivers.waiver if waiver.expires <= as_of + timedelta(days=days)]
    return tuple(sorted(soon, key=lambda waiver: (waiver.expires, waiver.id)))


def add(text: str, waiver: Waiver) -> str:
    """Waiver file `text` with `waiver` appended; all that was there, comments too, stays as it was.

    Raises `PolicyError` where the text is wrong or its ids would clash.
    """
    lines = ["[[waiver]]"]
    for key in waiver.__struct_fields__:
        value = getattr(waiver, key)
        if isinstance(value, date):
            lines.append(f"{key} = {value.isoformat()}")
        elif value:
            lines.append(f"{key} = {_quoted(value)}")
    head = text if not text or text.endswith("\n") else text + "\n"
    result = head + ("\n" if head else "") + "\n".join(lines) + "\n"
    parse_waivers(result, where="waivers.toml")
    return result


def next_id(waivers: Waivers, *, today: date) -> str:
    """The first free id of the form `W-2026-7`."""
    used = {waiver.id for waiver in waivers.waiver}
    number = 1
    while (name := f"W-{today.year}-{number}") in used:
        number += 1
    return name


def _invalid(id_: str, why: str) -> Reason:
    return Reason(kind=ReasonKind.WAIVER_INVALID, message=f"waiver {id_} {why}")


def _expired(waiver: Waiver, today: date) -> bool:
    return waiver.expires < today


def _person(name: str) -> str:
    return " ".join(name.casefold().split())


def _too_broad(path: str) -> str:
    segments = path.split("/")
    literal = next((n for n, segment in enumerate(segments) if _WILD.search(segment)), len(segments))
    if literal == 0:
        return f"is too broad: path {one_line(path, limit=80)!r} names no folder or file"
    if "**" in path and literal < 2:
        return f"is too broad: path {one_line(path, limit=80)!r} covers a whole top folder; name one two levels down"
    return ""


def _same_package(waived: str, found: str) -> bool:
    bare = waived.partition("?")[0]
    name = found if "?" in waived else found.partition("?")[0]
    return name == waived or ("@" not in bare and "?" not in waived and name.partition("@")[0] == bare)


def _quoted(value: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in value) + '"'
