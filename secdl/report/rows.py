"""The lines of the first screen: what was not measured, what changed, what signing accepts."""

from datetime import date

import msgspec

from secdl.model import words
from secdl.model.evidence import Evidence, Origin, Outcome
from secdl.model.finding import AbsentCause
from secdl.model.plan import Plan
from secdl.model.record import Record
from secdl.model.verdict import WORD_OF_KIND, ReasonKind, Verdict, Word
from secdl.model.words import number, some
from secdl.report import engines

_FEW = 5


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a table: what it is about, its figure with a denominator, and a remark."""

    what: str
    figure: str = ""
    why: str = ""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
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


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a signature accepts; `owner`, `approver` and `expires` are phrases."""

    what: str
    reason: str
    findings: int | None
    owner: str
    approver: str
    expires: str


def jobs(record: Record) -> tuple[Ran, ...]:
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


def by_cause(record: Record) -> tuple[tuple[str, int], ...]:
    """Absent findings by cause; only `code changed` is fixed."""
    given = record.verdict.counts.absent_by_cause
    names = [cause.value for cause in AbsentCause]
    return tuple((cause, given[cause]) for cause in sorted(given, key=lambda c: (c not in names, c)) if given[cause])


def coverage(ran: tuple[Ran, ...]) -> str:
    """How many of the planned jobs left evidence that counts, as a sentence."""
    planned = sum(not r.skipped for r in ran)
    valid = sum(r.valid for r in ran)
    reused = sum(r.valid and bool(r.evidence.reused_from) for r in ran)
    text = words.share(valid, planned, "planned job") + " left valid evidence"
    if reused:
        text += f", {reused} of them reused from an earlier run"
    return text + "."


def gaps(record: Record, ran: tuple[Ran, ...]) -> list[Row]:
    """What was not measured, or not now, or only in part: each with its denominator, age or reason."""
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
    rows += _unplanned(plan)
    for run in ran:
        read = run.evidence.work.read
        if run.valid and (part := read.get("files_read_in_part")):
            figure = f"{number(part)} of {some(read.get('files', part), 'file')}"
            why = f"{some(read.get('lines_not_parsed', 0), 'line')} that its parser stepped over"
            rows.append(Row(what=f"{run.evidence.job} read in part", figure=figure, why=why))
    rows += _engines(record)
    rows += _advisories(record, ran)
    rows += _reused(ran)
    return rows + _skipped(record, ran)


def _unplanned(plan: Plan) -> list[Row]:
    """What the plan itself leaves out, by option or configuration."""
    rows: list[Row] = []
    if plan.left_out:
        what = "stage" if len(plan.left_out) == 1 else "stages"
        rows.append(Row(what=f"{what} {words.listed(plan.left_out)}", figure="left out", why="not asked for"))
    if plan.scope:
        rows.append(Row(what="scope", figure="changes only", why=plan.scope))
    rows += [
        Row(
            what=f"excluded below {one.source}",
            figure=f"{number(one.files)} of {some(one.of, 'file')}",
            why=f"configuration leaves out {words.listed(one.patterns)}",
        )
        for one in plan.excluded
    ]
    rows += [
        Row(
            what=f"passed over below {one.source}",
            figure=some(len(names), kind),
            why=f"{why}: {words.listed(_few(names))}",
        )
        for one in plan.passed_over
        for names, kind, why in (
            (one.folders, "folder", "environments are not looked into"),
            (one.links, "link", "links are not followed, and lead to what is not read"),
        )
        if names
    ]
    return rows + [Row(what=f"source {one.source}", figure="nothing read", why=one.reason) for one in plan.unread]


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) <= _FEW else (*names[: _FEW - 1], f"{number(len(names) - _FEW + 1)} more")


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


def _skipped(record: Record, ran: tuple[Ran, ...]) -> list[Row]:
    """Jobs that had nothing to read, by why."""
    by_reason: dict[str, list[str]] = {}
    for run in ran:
        if run.skipped:
            named = run.evidence.subjects or record.plan.scope
            why = run.evidence.reason if named else "configuration names no subject"
            by_reason.setdefault(why or "no reason recorded", []).append(run.evidence.job)
    return [Row(what=words.listed(jobs), figure="nothing to read", why=why) for why, jobs in by_reason.items()]


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
    reused = [run.evidence.reused_from for run in ran if run.valid and run.evidence.reused_from]
    if not reused:
        return []
    runs = sorted(set(reused), reverse=True)
    named = words.listed(runs[:3] + ([some(len(runs) - 3, "earlier one")] if len(runs) > 3 else []))
    figure = f"{len(reused)} of {sum(run.valid for run in ran)}"
    why = f"measured by run{'' if len(runs) == 1 else 's'} {named}, inputs unchanged"
    return [Row(what="reused evidence", figure=figure, why=why)]


def since(record: Record) -> list[Row]:
    """What is new, fixed, absent and otherwise changed; nothing without a baseline."""
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


def accepted(record: Record, ran: tuple[Ran, ...]) -> list[Accepted]:
    """Waivers, overrides and suppressions: what a signature takes on."""
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
