"""How the answers of each threat model fared in a run: read from the run alone."""

from collections.abc import Mapping

from secdl.model import codec
from secdl.model.errors import MalformedOutput, PolicyError
from secdl.model.evidence import Evidence
from secdl.model.finding import Finding
from secdl.model.plan import Plan
from secdl.model.policy import parse_policy
from secdl.model.threat import TOOL_NAME, ThreatCoverage, ThreatReport
from secdl.model.verdict import Verdict
from secdl.pipeline.inputs import POLICY
from secdl.run.store import RunFolder

THREATS = "threats.json"


def threat_coverage(
    run: RunFolder, plan: Plan, evidence: tuple[Evidence, ...], *, findings: tuple[Finding, ...], verdict: Verdict
) -> Mapping[str, ThreatCoverage]:
    """By job of the threat-model tool, the state of each threat's evidence; nothing for a job that left no model."""
    from secdl.threats.coverage import Measured, coverage

    jobs = [job.name for job in plan.jobs if job.tool == TOOL_NAME]
    if not jobs:
        return {}
    measured = Measured(
        jobs=plan.jobs,
        evidence=evidence,
        findings=findings,
        today=plan.as_of.date(),
        advisory_max_days=_max_days(run, verdict.profile),
        waivers=frozenset(waiver.id for waiver in verdict.waivers),
    )
    found = {}
    for job in jobs:
        if raw := run.read(f"evidence/{job}/{THREATS}"):
            try:
                judged = coverage(codec.decode(raw, ThreatReport, where=THREATS), measured)
            except MalformedOutput:
                continue
            found[job] = ThreatCoverage(rows=judged.rows, lines=judged.lines)
    return found


def _max_days(run: RunFolder, profile: str) -> int | None:
    try:
        policy = parse_policy((run.read(POLICY) or b"").decode("utf-8", "replace"), where=POLICY)
        return policy.profile(profile).advisory_max_days
    except PolicyError:
        return None
