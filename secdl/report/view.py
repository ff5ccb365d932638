"""What every report says, computed once from a record: facts, sentence, blockers, gaps, what signing accepts."""

from collections import Counter
from datetime import date

import msgspec

from secdl.model import words
from secdl.model.finding import LEVELS, Finding, Status
from secdl.model.record import Record
from secdl.model.verdict import WORD_OF_KIND, Reason, ReasonKind, Verdict, Word
from secdl.model.words import number, some
from secdl.report import rows
from secdl.report.rows import Accepted, Ran, Row

RELEASE = "release"
"""The one profile that a release may be signed by."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the first screen shows it; `present` and `blockers` are worst first, `absent` in report order."""

    record: Record
    word: Word
    sentence: str
    arithmetic: tuple[str, ...]
    ran: tuple[Ran, ...]
    present: tuple[Finding, ...]
    absent: tuple[Finding, ...]
    blockers: tuple[Finding, ...]
    coverage: str
    gaps: tuple[Row, ...]
    since: tuple[Row, ...]
    accepted: tuple[Accepted, ...]
    also: str

    @property
    def today(self) -> date:
        """The day that ages are counted to."""
        return self.record.plan.as_of.date()

    @property
    def verdict(self) -> Verdict:
        """The gate's decision."""
        return self.record.verdict

    @property
    def draft(self) -> str:
        """What keeps a release from being signed by this run: the profile of the judgement, else of the scan."""
        if self.verdict.profile != RELEASE:
            return f"profile {self.verdict.profile or 'unnamed'}"
        scanned = self.record.plan.profile
        return "" if scanned == RELEASE else f"scanned under profile {scanned or 'unnamed'}"


def view(record: Record) -> View:
    """The words and figures of `record` that all formats share."""
    present = sorted((f for f in record.findings if f.status is not Status.ABSENT), key=words.worst_first)
    ran = rows.jobs(record)
    return View(
        record=record,
        word=record.verdict.verdict,
        sentence=sentence(record, ran),
        arithmetic=arithmetic(record),
        ran=ran,
        present=tuple(present),
        absent=tuple(f for f in record.findings if f.status is Status.ABSENT),
        blockers=tuple(f for f in present if f.blocking),
        coverage=rows.coverage(ran),
        gaps=tuple(rows.gaps(record, ran)),
        since=tuple(rows.since(record)),
        accepted=tuple(rows.accepted(record, ran)),
        also=_also(present),
    )


def _also(present: list[Finding]) -> str:
    levels = Counter(f.level for f in present if not f.blocking and f.waiver is None)
    told = ", ".join(f"{number(levels[level])} {level.value}" for level in LEVELS if levels[level])
    findings = some(levels.total(), "advising finding") + (f" ({told})" if told else "")
    return f"Signing also accepts {findings} and all that is not measured."


def effect(reason: Reason) -> str:
    """The verdict that `reason` leads to, or `note` where it changes nothing."""
    word = WORD_OF_KIND.get(reason.kind)
    return word.value if word else "note"


def sentence(record: Record, ran: tuple[Ran, ...]) -> str:
    """The verdict in one sentence, without its word."""
    verdict, counts = record.verdict, record.verdict.counts
    judged = words.share(counts.blocking, counts.total, "finding")
    evidence = words.share(sum(r.valid for r in ran), sum(not r.skipped for r in ran), "planned job")
    evidence += " left valid evidence"
    if verdict.verdict is Word.PASS:
        return f"Clean: {evidence}, and {judged} block."
    missing = sum(WORD_OF_KIND.get(reason.kind) is Word.INCOMPLETE for reason in verdict.reasons)
    tolerated = sum(WORD_OF_KIND.get(reason.kind) is Word.PARTIAL for reason in verdict.reasons)
    if verdict.verdict is Word.PARTIAL:
        return (
            f"{evidence}, and in what they read {judged} block; "
            f"{some(tolerated, 'part')} {'was' if tolerated == 1 else 'were'} not measured."
        )
    if verdict.verdict is Word.INCOMPLETE:
        return f"{_unmet(missing, verdict.profile)}; {evidence}, and in what they read {judged} block."
    parts = []
    if counts.blocking:
        parts.append(f"{judged} block")
    invalid = sum(reason.kind is ReasonKind.WAIVER_INVALID for reason in verdict.reasons)
    if invalid:
        parts.append(f"{some(invalid, 'waiver')} {'is' if invalid == 1 else 'are'} not valid")
    if missing:
        parts.append(_unmet(missing, verdict.profile))
    if tolerated:
        parts.append(f"{some(tolerated, 'part')} {'was' if tolerated == 1 else 'were'} not measured")
    text = "; ".join(parts) or "see the reasons"
    return text[:1].upper() + text[1:] + "."


def _unmet(missing: int, profile: str) -> str:
    return f"{some(missing, 'requirement')} of profile {profile} {'is' if missing == 1 else 'are'} not met"


def arithmetic(record: Record) -> tuple[str, ...]:
    """The counts as sums that hold."""
    c = record.verdict.counts
    return (
        f"{number(c.total)} findings = {number(c.blocking)} blocking + {number(c.waived)} waived "
        f"+ {number(c.advising)} advising",
        f"{number(c.total)} = {number(c.new)} new + {number(c.unchanged)} unchanged",
        f"not in the total: {number(c.absent)} absent, {number(c.suppressed)} suppressed",
    )


def facts(record: Record, images: tuple[tuple[str, str], ...]) -> tuple[Row, ...]:
    """What was judged, when, by which rules; `images` are names with digests."""
    plan, verdict = record.plan, record.verdict
    policy = verdict.policy or "packaged policy"
    told = [
        Row(what="Product", figure=plan.product.name),
        Row(what="Version", figure=plan.product.version or "not stated"),
        Row(what="Commit", why=plan.product.commit or "not from git"),
    ]
    told += [Row(what="Image", figure=name, why=digest) for name, digest in images]
    if not images:
        told.append(Row(what="Image", figure="none measured"))
    return (
        *told,
        Row(what="Profile", figure=verdict.profile),
        Row(what="Policy", figure=policy, why=verdict.policy_digest or "digest not recorded"),
        Row(what="Base run", figure=verdict.baseline or "none"),
        Row(what="Time", figure=words.moment(plan.as_of)),
        Row(what="Run", figure=plan.run, why=record.digest),
    )
