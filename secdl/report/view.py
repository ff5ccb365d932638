"""What every report says, computed once from a record: facts, sentence, blockers, gaps, what signing accepts."""

from collections import Counter
from dataclasses import dataclass
from datetime import date

from secdl.model.evidence import Evidence, Origin, Outcome
from secdl.model.finding import AbsentCause, Finding, Status
from secdl.model.record import Record
from secdl.model.verdict import WORD_OF_KIND, Reason, ReasonKind, Verdict, Word
from secdl.report import engines, words
from secdl.report.words import number, some

RELEASE = "release"
"""The one profile that a release may be signed by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table: what it is about, its figure with a denominator, and a remark."""

    what: str
    figure: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A job with the gate's judgement of its evidence."""

    evidence: Evidence
    valid: bool
    reason: str

    @property
    def skipped(self) -> bool:
        """Whether configuration names nothing for it to read."""
        return self.evidence.outcome is Outcome.SKIPPED

    @property
    def state(self) -> str:
        """`valid`, `reused`, `nothing to read`, or how it failed."""
        if self.skipped:
            return "nothing to read"
        if self.valid:
            return "valid, reused" if self.evidence.reused_from else "valid"
        outcome = self.evidence.outcome
        return "not valid" if outcome is Outcome.OK else outcome.value.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One thing that a signature accepts; `owner`, `approver` and `expires` are phrases."""

    what: str
    reason: str
    findings: int | None
    owner: str
    approver: str
    expires: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
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

    @property
    def today(self) -> date:
        """The day that ages are counted to."""
        return self.record.plan.as_of.date()

    @property
    def verdict(self) -> Verdict:
        """The gate's decision."""
        return self.record.verdict

    @property
    def released(self) -> bool:
        """Whether the profile is the one that a release may be signed by."""
        return self.record.plan.profile == RELEASE and self.verdict.profile == RELEASE


def view(record: Record) -> View:
    """The words and figures of `record` that all formats share."""
    present = sorted((f for f in record.findings if f.status is not Status.ABSENT), key=words.worst_first)
    ran = _ran(record)
    return View(
        record=record,
        word=record.verdict.verdict,
        sentence=sentence(record, ran),
        arithmetic=arithmetic(record),
        ran=ran,
        present=tuple(present),
        absent=tuple(f for f in record.findings if f.status is Status.ABSENT),
        blockers=tuple(f for f in present if f.blocking),
        coverage=_coverage(ran),
        gaps=tuple(_gaps(record, ran)),
        since=tuple(_since(record)),
        accepted=tuple(_accepted(record, ran)),
    )


def _ran(record: Record) -> tuple[Ran, ...]:
    """Each job with its judgement; a job that left no evidence stands as the verdict knows it."""
    left = {evidence.job: evidence for evidence in record.evidence}
    ran = []
    for summary in record.verdict.evidence:
        evidence = left.pop(summary.job, None)
        if evidence is None:
            outcome = Outcome(summary.outcome) if summary.outcome in set(Outcome) else Outcome.MISSING
            evidence = Evidence(job=summary.job, tool=summary.tool, stage=summary.stage, outcome=outcome)
        valid = summary.valid and evidence.outcome is not Outcome.SKIPPED
        ran.append(Ran(evidence=evidence, valid=valid, reason=summary.reason or evidence.reason))
    ran += [Ran(evidence=evidence, valid=False, reason="not judged by the gate") for evidence in left.values()]
    return tuple(ran)


def effect(reason: Reason) -> str:
    """The verdict that `reason` leads to, or `remark` where it changes nothing."""
    word = WORD_OF_KIND.get(reason.kind)
    return word.value if word else "remark"


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
    rows = [
        Row(what="Product", figure=plan.product.name),
        Row(what="Version", figure=plan.product.version),
        Row(what="Commit", why=plan.product.commit or "not from git"),
    ]
    rows += [Row(what="Image", figure=name, why=digest) for name, digest in images]
    if not images:
        rows.append(Row(what="Image", figure="none measured"))
    return (
        *rows,
        Row(what="Profile", figure=verdict.profile),
        Row(what="Policy", figure=policy, why=verdict.policy_digest or "digest not recorded"),
        Row(what="Base run", figure=verdict.baseline or "none"),
        Row(what="Time", figure=words.moment(plan.as_of)),
        Row(what="Run", figure=plan.run, why=record.digest),
    )


def by_cause(record: Record) -> tuple[tuple[str, int], ...]:
    """Absent findings by cause; only `code changed` is fixed."""
    given = record.verdict.counts.absent_by_cause
    names = [cause.value for cause in AbsentCause]
    return tuple((cause, given[cause]) for cause in sorted(given, key=lambda c: (c not in names, c)) if given[cause])


def _coverage(ran: tuple[Ran, ...]) -> str:
    jobs = sum(not r.skipped for r in ran)
    valid = sum(r.valid for r in ran)
    reused = sum(r.valid and bool(r.evidence.reused_from) for r in ran)
    text = words.share(valid, jobs, "planned job") + " left valid evidence"
    if reused:
        text += f", {reused} of them reused from an earlier run"
    return text + "."


def _gaps(record: Record, ran: tuple[Ran, ...]) -> list[Row]:
    plan, rows = record.plan, []
    for run in ran:
        if not run.valid and not run.skipped:
            rows.append(Row(what=run.evidence.job, figure=run.state, why=_plain(run) or "no reason recorded"))
    told = {run.evidence.tool for run in ran if not run.valid and not run.skipped}
    for reason in record.verdict.reasons:
        # Left-out stages and a narrowed scope have lines of their own, from the plan.
        planned = reason.kind is not ReasonKind.NOT_PLANNED or plan.imports
        matters = planned and WORD_OF_KIND.get(reason.kind) in (Word.INCOMPLETE, Word.PARTIAL)
        if matters and not (reason.tool and reason.tool in told):
            what = reason.tool or reason.kind.value.replace("_", " ")
            why = reason.message.removeprefix(f"{what}: ")
            rows.append(Row(what=what, figure=reason.kind.value.replace("_", " "), why=why))
    if plan.left_out:
        what = "stage" if len(plan.left_out) == 1 else "stages"
        rows.append(Row(what=f"{what} {words.listed(plan.left_out)}", figure="left out", why="not asked for"))
    if plan.scope:
        rows.append(Row(what="scope", figure="changes only", why=plan.scope))
    rows += _engines(record)
    rows += _advisories(record, ran)
    rows += _reused(ran)
    skipped = [run.evidence.job for run in ran if run.skipped]
    if skipped:
        rows.append(Row(what=words.listed(skipped), figure="nothing to read", why="configuration names no subject"))
    return rows


def _engines(record: Record) -> list[Row]:
    rows = [
        Row(
            what="devices fuzzed",
            figure=f"{number(fuzz.done)} of {number(fuzz.total)}",
            why=f"device types that a guest reaches in {fuzz.binary.version or fuzz.binary.path}",
        )
        for _, fuzz in engines.fuzzing(record)
    ]
    for threats in engines.threats(record):
        rows.append(
            Row(
                what="threats mitigated",
                figure=f"{number(threats.live)} of {number(threats.total)}",
                why=f"by controls whose evidence counts in this run, model {threats.report.name}",
            )
        )
        if threats.report.uncovered:
            names = "; ".join(area.what for area in threats.report.uncovered)
            rows.append(Row(what="no check covers", figure=some(len(threats.report.uncovered), "area"), why=names))
    return rows


def _plain(run: Ran) -> str:
    return run.reason.removeprefix(f"{run.evidence.job}: ").removeprefix(f"{run.evidence.tool}: ")


def _advisories(record: Record, ran: tuple[Ran, ...]) -> list[Row]:
    dates: dict[str, date | None] = {}
    for run in ran:
        for ecosystem, day in run.evidence.advisories.items():
            known = dates.get(ecosystem, day)
            dates[ecosystem] = None if day is None or known is None else min(day, known)
    groups: dict[date | None, list[str]] = {}
    for ecosystem in sorted(dates):
        groups.setdefault(dates[ecosystem], []).append(ecosystem)
    today = record.plan.as_of.date()
    stale = [reason.message for reason in record.verdict.reasons if reason.kind is ReasonKind.ADVISORIES_STALE]
    rows = []
    for day, names in sorted(groups.items(), key=lambda item: (item[0] is not None, item[0] or date.min)):
        why = "date of the data unknown: counts as stale" if day is None else f"data of {day.isoformat()}"
        if any(name in message for name in names for message in stale):
            why += ", older than the policy wants"
        figure = "age unknown" if day is None else "of today" if day == today else f"{words.age(day, today)} old"
        rows.append(Row(what=f"advisories {words.listed(names)}", figure=figure, why=why))
    return rows


def _reused(ran: tuple[Ran, ...]) -> list[Row]:
    origin = Counter(run.evidence.reused_from for run in ran if run.valid and run.evidence.reused_from)
    valid = sum(run.valid for run in ran)
    return [
        Row(what="reused evidence", figure=f"{count} of {valid}", why=f"measured by run {run}, inputs unchanged")
        for run, count in sorted(origin.items())
    ]


def _since(record: Record) -> list[Row]:
    verdict, counts = record.verdict, record.verdict.counts
    if not verdict.baseline:
        return []
    rows = [Row(what="New", figure=number(counts.new), why=f"beside {number(counts.unchanged)} unchanged")]
    causes = by_cause(record)
    fixed = sum(count for cause, count in causes if cause == AbsentCause.FIXED.value)
    rows.append(Row(what="Fixed", figure=number(fixed), why=AbsentCause.FIXED.value if fixed else ""))
    others = [(cause, count) for cause, count in causes if cause != AbsentCause.FIXED.value]
    if others:
        why = words.listed([f"{cause} ({number(count)})" for cause, count in others])
        rows.append(Row(what="Absent, not fixed", figure=number(sum(count for _, count in others)), why=why))
    return rows + _changes(verdict)


def _changes(verdict: Verdict) -> list[Row]:
    """What else changed, things that changed alike on one line."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in verdict.changes:
        groups.setdefault((change.what, change.before, change.after), []).append(change.name)
    rows = []
    for (what, before, after), names in groups.items():
        plural = what if len(names) == 1 else what + "s"
        told = "" if names == [what] else " " + words.listed(names)
        rows.append(Row(what=plural + told, figure=f"{words.short(before) or 'none'} → {words.short(after) or 'none'}"))
    return rows


def _accepted(record: Record, ran: tuple[Ran, ...]) -> list[Accepted]:
    today = record.plan.as_of.date()
    rows = [
        Accepted(
            what=f"waiver {waiver.id}",
            reason=waiver.reason,
            findings=waiver.findings,
            owner=f"owner {waiver.owner}" if waiver.owner else "no owner",
            approver=f"approved by {waiver.approver}" if waiver.approver else "no approver",
            expires=f"expires {waiver.expires.isoformat()} ({words.left(waiver.expires, today)})",
        )
        for waiver in record.verdict.waivers
    ]
    for run in ran:
        if run.evidence.origin is Origin.OVERRIDE:
            rows.append(
                Accepted(
                    what=f"override {run.evidence.job}",
                    reason=f"runs {(*run.evidence.argv, 'a program')[0]} instead of the locked one",
                    findings=None,
                    owner="no owner",
                    approver="no approver",
                    expires="no expiry",
                )
            )
    if record.verdict.counts.suppressed:
        rows.append(
            Accepted(
                what="suppressions",
                reason="set aside by tools' own reports or comments in code",
                findings=record.verdict.counts.suppressed,
                owner="no owner",
                approver="no approver",
                expires="no expiry",
            )
        )
    return rows
