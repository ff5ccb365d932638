"""Which threats have live evidence behind them in a run: asked after all tools have run, from values alone."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date

import msgspec

from secdl.model.evidence import Evidence, Outcome
from secdl.model.finding import Finding, Level, Location, Status
from secdl.model.text import one_line
from secdl.model.threat import (
    CROSSING,
    EVIDENCE,
    NO_CHECK,
    RULES,
    TOOL_NAME,
    WAIVER,
    Control,
    CoverageRow,
    Disposition,
    EvidenceLine,
    EvidenceRef,
    EvidenceState,
    Instance,
    Threat,
    ThreatReport,
)
from secdl.model.tool import Job

_WORST_FIRST = tuple(EvidenceState)
_RULES = {rule.id: rule for rule in RULES}
_LEVELS = tuple(Level)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` are one per threat instance, `lines` one per piece of evidence of a control, `findings` what is wrong."""

    rows: tuple[CoverageRow, ...]
    lines: tuple[EvidenceLine, ...]
    findings: tuple[Finding, ...]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a run measured: its jobs, their evidence, the findings that are open or waived, and the day ages are judged
    by.

    `advisory_max_days` is None where no age is too old.
    """

    jobs: tuple[Job, ...]
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    today: date
    advisory_max_days: int | None = None


def coverage(threats: ThreatReport, measured: Measured) -> Coverage:
    """The state of every threat's evidence in `measured`.

    Gives findings of the tool `threatmodel`: one per piece of evidence that is missing, failed or stale while a threat
    rests on it (of another rule where the configuration has no such check at all), and one per accepted threat, which
    a waiver has to cover as it would any other finding.
    """
    facts = _Facts(measured)
    lines = {control.id: tuple(facts.line(control, ref) for ref in control.evidence) for control in threats.controls}
    known = {threat.id: threat for threat in threats.threats}
    waived = {
        f.context
        for f in measured.findings
        if (f.tool, f.rule, f.path) == (TOOL_NAME, WAIVER, threats.path) and f.waiver is not None
    }
    rows = tuple(_row(instance, known.get(instance.threat), lines, waived) for instance in threats.instances)
    return Coverage(
        rows=rows,
        lines=tuple(line for control in threats.controls for line in lines[control.id]),
        findings=(*_dead_controls(threats, lines, rows), *_accepted(threats, rows)),
    )


class _State(msgspec.Struct, frozen=True, kw_only=True):
    state: EvidenceState = EvidenceState.MISSING
    reason: str = ""
    planned: bool = False


class _Facts:
    """The evidence of a run, found by what a control names."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._jobs: dict[str, list[tuple[Job, Evidence | None]]] = {}
        evidence = {one.job: one for one in measured.evidence}
        for job in measured.jobs:
            self._jobs.setdefault(job.tool, []).append((job, evidence.get(job.name)))

    def line(self, control: Control, ref: EvidenceRef) -> EvidenceLine:
        """The state of one piece of evidence: live only where every job it means is."""
        jobs = [pair for pair in self._jobs.get(ref.tool, ()) if ref.subject in ("", pair[0].subject)]
        if ref.target:
            jobs = [pair for pair in jobs if ref.target in _targets(pair[0])]
        found = [self._state(job, evidence) for job, evidence in jobs]
        if ref.rule and not any(evidence and _proved(evidence, ref.rule) for _, evidence in jobs):
            why = f"nothing proves that rule {ref.rule} ran: no planted defect was found by it"
            found = [one if one.state is not EvidenceState.LIVE else _State(reason=why) for one in found]
        worst = min(found, key=lambda one: _WORST_FIRST.index(one.state), default=_State(reason=self._absent(ref)))
        return EvidenceLine(
            control=control.id,
            evidence=str(ref),
            state=worst.state,
            reason=worst.reason,
            planned=worst.planned,
            open_findings=self._open(ref),
        )

    def _absent(self, ref: EvidenceRef) -> str:
        if ref.tool not in self._jobs:
            return f"{ref.tool} was not planned in this run"
        if ref.target:
            return f"no job of {ref.tool} worked on {ref.target}"
        return f"{ref.tool} has no job for {ref.subject}"

    def _state(self, job: Job, evidence: Evidence | None) -> _State:
        if evidence is not None and evidence.outcome is Outcome.SKIPPED:
            return _State(reason=one_line(evidence.reason) or f"{job.name} had nothing to read")
        state, reason = self._ran(job, evidence)
        return _State(state=state, reason=reason, planned=True)

    def _ran(self, job: Job, evidence: Evidence | None) -> tuple[EvidenceState, str]:
        if evidence is None or evidence.outcome is Outcome.MISSING:
            return EvidenceState.MISSING, one_line(
                evidence.reason if evidence else ""
            ) or f"{job.name} left no evidence"
        if evidence.outcome is not Outcome.OK:
            return EvidenceState.FAILED, one_line(evidence.reason) or f"{job.name} {evidence.outcome.value}"
        if evidence.work.unread or not any(evidence.work.read.values()):
            return EvidenceState.FAILED, f"{job.name} did not read all that was planned"
        if evidence.canary is not None and evidence.canary.missed:
            return EvidenceState.FAILED, f"{job.name} missed its canary: {', '.join(evidence.canary.missed[:3])}"
        if old := self._old(evidence):
            return EvidenceState.STALE, old
        return EvidenceState.LIVE, ""

    def _old(self, evidence: Evidence) -> str:
        most = self._measured.advisory_max_days
        for ecosystem, data_date in sorted(evidence.advisories.items()):
            if most is None:
                continue
            if data_date is None:
                return f"{evidence.job}: advisories for {ecosystem} have no date"
            if (age := (self._measured.today - data_date).days) < -1:
                return f"{evidence.job}: advisories for {ecosystem} are dated {data_date}, which has not come yet"
            if age > most:
                return f"{evidence.job}: advisories for {ecosystem} are {age} days old; {most} is the most"
        return ""

    def _open(self, ref: EvidenceRef) -> int:
        return sum(
            1
            for finding in self._measured.findings
            if finding.tool == ref.tool
            and finding.status is not Status.ABSENT
            and ref.rule in ("", finding.rule)
            and (not ref.target or _about(finding, ref.target))
        )


def _proved(evidence: Evidence, rule: str) -> bool:
    return evidence.canary is not None and evidence.canary.found.get(rule, 0) > 0


def _about(finding: Finding, target: str) -> bool:
    return any(target in place.path.replace(":", "/").split("/") for place in finding.locations)


def _targets(job: Job) -> frozenset[str]:
    devices = job.settings.get("devices", ())
    named = [str(name) for name in devices] if isinstance(devices, list | tuple) else []
    return frozenset((*named, *job.sources, job.subject))


def _row(
    instance: Instance,
    threat: Threat | None,
    lines: Mapping[str, Sequence[EvidenceLine]],
    waived: Set[str],
) -> CoverageRow:
    mine = [line for control in instance.controls for line in lines.get(control, ())]
    state = min((line.state for line in mine), key=_WORST_FIRST.index, default=EvidenceState.NOT_COVERED)
    if instance.disposition is Disposition.ACCEPTED and _identity(instance) not in waived:
        state = EvidenceState.MISSING
    title = threat.title if threat else "A data flow crosses a trust boundary"
    return CoverageRow(
        threat=instance.threat,
        title=title,
        level=threat.level if threat else Level.HIGH,
        target=instance.target,
        disposition=instance.disposition,
        controls=instance.controls,
        state=state,
        open_findings=sum({(line.control, line.evidence): line.open_findings for line in mine}.values()),
        note=instance.note,
        residual=instance.residual,
    )


def _dead_controls(
    threats: ThreatReport, lines: Mapping[str, Sequence[EvidenceLine]], rows: Iterable[CoverageRow]
) -> Iterable[Finding]:
    resting: dict[str, list[CoverageRow]] = {}
    for row in rows:
        for name in row.controls:
            resting.setdefault(name, []).append(row)
    for control in threats.controls:
        waiting = resting.get(control.id, [])
        for line in lines[control.id]:
            if waiting and line.state is not EvidenceState.LIVE:
                worst = min((row.level for row in waiting), key=_LEVELS.index)
                some = ", ".join(f"{row.threat} on {row.target}" for row in waiting[:3])
                more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
                yield _finding(
                    threats,
                    EVIDENCE if line.planned else NO_CHECK,
                    worst,
                    f"Control “{control.title}”: {line.evidence} is {line.state.value}: {line.reason}. "
                    f"On it rest {some}{more}.",
                    f"{control.id} {line.evidence}",
                )


def _accepted(threats: ThreatReport, rows: Iterable[CoverageRow]) -> Iterable[Finding]:
    for row in rows:
        if row.disposition is Disposition.ACCEPTED:
            what = "A crossing" if row.threat == CROSSING else row.threat
            message = f"{what} on “{row.target}” is accepted by waiver “{row.note}”, which has to cover this finding."
            yield _finding(threats, WAIVER, row.level, message, _identity(row))


def _identity(answered: Instance | CoverageRow) -> str:
    return f"{answered.threat} {answered.target} {answered.note}"


def _finding(threats: ThreatReport, rule: str, level: Level, message: str, context: str) -> Finding:
    known = _RULES[rule]
    return Finding(
        tool=TOOL_NAME,
        rule=rule,
        level=level,
        message=one_line(message, limit=1500),
        locations=(Location(path=threats.path), Location(path=f"model:{threats.name}/controls")),
        context=context,
        gain=known.gain,
        fix=known.fix,
    )
