"""Whether one job's evidence counts, and what a profile makes of evidence that is missing."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from secdl.model.evidence import Evidence, Origin, Outcome
from secdl.model.plan import Plan
from secdl.model.policy import ProfilePolicy, Stale
from secdl.model.text import one_line
from secdl.model.tool import Job, Stage
from secdl.model.verdict import Reason, ReasonKind

IMPORT_STAGE = "import"
IMPORT_PREFIX = "import:"
"""Tool name prefix of foreign reports, whatever their driver calls itself: never a built-in tool."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One job's evidence and the gate's judgement of it: `fault` says why it does not count, None where it does.

    Skipped evidence has no fault and is not `valid` either: nothing was measured, and nothing was to be.
    """

    evidence: Evidence
    fault: Reason | None

    @property
    def valid(self) -> bool:
        """Whether this evidence measured something and counts."""
        return self.fault is None and not self.skipped

    @property
    def skipped(self) -> bool:
        """Whether configuration names nothing for this job to read."""
        return self.evidence.outcome is Outcome.SKIPPED and self.fault is None


def standings(
    plan: Plan, evidence: tuple[Evidence, ...], *, profile: ProfilePolicy, altered: Mapping[str, str]
) -> tuple[Standing, ...]:
    """The standing of each planned job in plan order, then of imports beside the plan.

    `altered` gives, by job, why its files cannot be trusted or read. A planned job without evidence is MISSING.
    Evidence that nobody planned and that is no import voids itself.
    """
    left = {one.job: one for one in evidence}
    found: list[Standing] = []
    for job in plan.jobs:
        one = left.pop(job.name, None) or _missing(job)
        found.append(Standing(evidence=one, fault=_fault(one, job, plan=plan, profile=profile, altered=altered)))
    for one in evidence:
        if one.job in left:
            fault = _fault(one, None, plan=plan, profile=profile, altered=altered)
            found.append(Standing(evidence=one, fault=fault))
    return tuple(found)


def evidence_fault(
    evidence: Evidence, *, profile: ProfilePolicy, today: date, has_canary: bool = False
) -> Reason | None:
    """Why `evidence` does not count under `profile` on the day `today`; None where it does, or where it was skipped."""
    if evidence.outcome is Outcome.SKIPPED:
        return None
    if fault := _canary_fault(evidence, has_canary=has_canary):
        return _reason(ReasonKind.CANARY_MISSED, evidence, fault)
    if evidence.outcome is not Outcome.OK:
        why = one_line(evidence.reason) or evidence.outcome.value.replace("_", " ")
        return _reason(ReasonKind.NOT_MEASURED, evidence, why)
    if evidence.work.unread:
        named = ", ".join(one_line(name, limit=100) for name in evidence.work.unread[:3])
        more = f" and {len(evidence.work.unread) - 3} more" if len(evidence.work.unread) > 3 else ""
        return _reason(ReasonKind.NOT_MEASURED, evidence, f"could not read {named}{more}")
    if not any(count > 0 for count in evidence.work.read.values()):
        return _reason(ReasonKind.NOT_MEASURED, evidence, "read nothing")
    if fault := _origin_fault(evidence, profile):
        return _reason(ReasonKind.OVERRIDE_REFUSED, evidence, fault)
    if profile.advisory_stale is Stale.REFUSE and (stale := stale_advisories(evidence, profile=profile, today=today)):
        return _reason(ReasonKind.ADVISORIES_STALE, evidence, stale)
    return None


def stale_advisories(evidence: Evidence, *, profile: ProfilePolicy, today: date) -> str:
    """Which advisory data is older than the profile allows, and how old; empty where none is. Unknown is stale."""
    found: list[str] = []
    for ecosystem, data_date in sorted(evidence.advisories.items()):
        # A date after tomorrow is no date that data can have: a clock or a manifest is wrong.
        if data_date is None or data_date > today + timedelta(days=1):
            found.append(f"{ecosystem} of unknown date" if data_date is None else f"{ecosystem} dated {data_date}")
        elif (age := (today - data_date).days) > profile.advisory_max_days:
            found.append(f"{ecosystem} {age} days old")
    if not found:
        return ""
    limit = profile.advisory_max_days
    return f"advisories: {', '.join(found)}; {limit} days is the most: `secdl db import` takes newer ones"


def missing_reasons(standings: tuple[Standing, ...], *, plan: Plan, profile: ProfilePolicy) -> Iterator[Reason]:
    """What the verdict says of evidence that does not count, of tools never planned, and of stages left out."""
    required = {tool for tools in profile.requires.values() for tool in tools}
    strict = not profile.tolerates_missing
    for standing in standings:
        if standing.fault is not None:
            must = _must(standing.evidence, required, plan=plan, strict=strict)
            yield from _weighed(standing.fault, must=must)
    for _, tool in unplanned(standings, plan=plan, profile=profile):
        kind = ReasonKind.REQUIRED_MISSING if strict else ReasonKind.NOT_MEASURED
        yield Reason(kind=kind, tool=tool, message=f"{tool}: required by the policy, and the plan has no job for it")
    if strict:
        yield from _unproven(standings, required, plan=plan)
        yield from _unmeasured_stages(standings)
        yield from _subjects(standings, plan=plan, profile=profile)


def unplanned(standings: tuple[Standing, ...], *, plan: Plan, profile: ProfilePolicy) -> tuple[tuple[Stage, str], ...]:
    """Tools, with their stages, that the profile requires and that have no job, but for stages that were left out.

    A stage that the configuration takes out of its own profile is not left out: the policy decides what is required.
    A run of imports answers for no stage: a profile that tolerates missing evidence says so by `partial`, a strict one
    still requires its tools.
    """
    if plan.imports and profile.tolerates_missing:
        return ()
    return tuple(
        (stage, tool)
        for stage in Stage
        if stage not in plan.left_out or plan.imports
        for tool in profile.requires.get(stage, ())
        if not any(satisfies(standing, tool) for standing in standings)
    )


def satisfies(standing: Standing, tool: str) -> bool:
    """Whether this is `tool`'s own evidence: an import never is, whatever its driver calls itself."""
    evidence = standing.evidence
    return evidence.tool == tool and evidence.origin is not Origin.IMPORT


def _fault(
    evidence: Evidence, job: Job | None, *, plan: Plan, profile: ProfilePolicy, altered: Mapping[str, str]
) -> Reason | None:
    if evidence.job in altered:
        return _reason(ReasonKind.EVIDENCE_INVALID, evidence, one_line(altered[evidence.job]))
    imported = evidence.origin is Origin.IMPORT
    if imported != evidence.tool.startswith(IMPORT_PREFIX) and evidence.outcome is Outcome.OK:
        return _reason(ReasonKind.EVIDENCE_INVALID, evidence, "an import that names itself as a tool of secdl's")
    if job is None and not imported:
        return _reason(ReasonKind.EVIDENCE_INVALID, evidence, "evidence of a job that was never planned")
    if job is not None and (evidence.tool, evidence.stage) != (job.tool, str(job.stage)) and not imported:
        return _reason(ReasonKind.EVIDENCE_INVALID, evidence, f"evidence of another tool in the folder of {job.name}")
    if job is not None and evidence.outcome is Outcome.SKIPPED and not job.skip:
        return _reason(ReasonKind.EVIDENCE_INVALID, evidence, "skipped, though the plan has something for it to read")
    has_canary = job is not None and job.has_canary
    return evidence_fault(evidence, profile=profile, today=plan.as_of.date(), has_canary=has_canary)


def _canary_fault(evidence: Evidence, *, has_canary: bool) -> str:
    if evidence.canary is None:
        lost = has_canary and evidence.outcome is Outcome.OK
        return "the planted defects were not looked for" if lost else ""
    if evidence.outcome in (Outcome.MISSING, Outcome.TIMED_OUT) or not evidence.canary.missed:
        return ""
    rules = ", ".join(one_line(rule, limit=80) for rule in evidence.canary.missed[:5])
    return f"missed planted defects of {rules}: what it did not report proves nothing"


def _origin_fault(evidence: Evidence, profile: ProfilePolicy) -> str:
    refused = profile.refuses_origins
    if not refused:
        return ""
    origins = {evidence.tool: evidence.origin} | {name: program.origin for name, program in evidence.programs.items()}
    for name, origin in sorted(origins.items()):
        # Nothing is known of an executable without origin: where a path is refused, so is that.
        if origin in refused or origin is Origin.NONE:
            return (
                f"{one_line(name, limit=80)} comes from {origin.value or 'nowhere known'}, which this profile refuses"
            )
    return ""


def _missing(job: Job) -> Evidence:
    reason = "left no evidence: the run ended before it"
    return Evidence(job=job.name, tool=job.tool, stage=job.stage, outcome=Outcome.MISSING, reason=reason)


def _reason(kind: ReasonKind, evidence: Evidence, why: str) -> Reason:
    return Reason(kind=kind, tool=evidence.tool, message=f"{evidence.job}: {why}")


def _must(evidence: Evidence, required: set[str], *, plan: Plan, strict: bool) -> bool:
    if plan.imports and evidence.tool.startswith(IMPORT_PREFIX):
        return True
    return strict and evidence.tool in required


def _weighed(fault: Reason, *, must: bool) -> Iterator[Reason]:
    if fault.kind in (ReasonKind.NOT_MEASURED, ReasonKind.ADVISORIES_STALE):
        if fault.kind is ReasonKind.ADVISORIES_STALE:
            yield fault
        yield replace(fault, kind=ReasonKind.REQUIRED_MISSING if must else ReasonKind.NOT_MEASURED)
    else:
        yield fault


def _unproven(standings: tuple[Standing, ...], required: set[str], *, plan: Plan) -> Iterator[Reason]:
    planted = {job.name for job in plan.jobs if job.has_canary}
    for standing in standings:
        evidence = standing.evidence
        if standing.valid and evidence.tool in required and evidence.job not in planted:
            message = f"{evidence.job}: required, and nothing is planted for it to find: give it a canary"
            yield Reason(kind=ReasonKind.REQUIRED_MISSING, tool=evidence.tool, message=message)


def _unmeasured_stages(standings: tuple[Standing, ...]) -> Iterator[Reason]:
    by_stage: dict[str, list[Standing]] = {}
    for standing in standings:
        if not standing.skipped:
            by_stage.setdefault(standing.evidence.stage, []).append(standing)
    for stage, members in sorted(by_stage.items()):
        if not any(standing.valid for standing in members):
            yield Reason(
                kind=ReasonKind.REQUIRED_MISSING, message=f"stage {stage}: none of its tools left valid evidence"
            )


def _subjects(standings: tuple[Standing, ...], *, plan: Plan, profile: ProfilePolicy) -> Iterator[Reason]:
    for stage in profile.requires_subjects:
        asked = stage not in plan.left_out or plan.imports
        if asked and all(standing.skipped for standing in standings if standing.evidence.stage == stage):
            message = f"stage {stage}: the profile requires something to check, and the configuration names nothing"
            yield Reason(kind=ReasonKind.REQUIRED_SUBJECT, message=message)
