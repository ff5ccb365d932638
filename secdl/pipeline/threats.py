"""How the answers of each threat model fared in a run, once every tool had ended: read from the run alone."""

from collections.abc import Iterable, Mapping

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Evidence
from secdl.model.finding import Finding
from secdl.model.plan import Plan
from secdl.model.policy import Policy
from secdl.model.threat import TOOL_NAME, ThreatReport
from secdl.run.store import RunFolder
from secdl.threats.coverage import Coverage, Measured, coverage

THREATS = "threats.json"


def threat_coverage(
    run: RunFolder,
    plan: Plan,
    evidence: Iterable[Evidence],
    *,
    findings: tuple[Finding, ...],
    policy: Policy,
    profile: str,
) -> Mapping[str, Coverage]:
    """By job of the threat-model tool, the state of each threat's evidence; nothing for a job that left no model."""
    measured = Measured(
        jobs=plan.jobs,
        evidence=tuple(evidence),
        findings=findings,
        today=plan.as_of.date(),
        advisory_max_days=policy.profile(profile).advisory_max_days,
    )
    found = {}
    for job in plan.jobs:
        raw = run.read(f"evidence/{job.name}/{THREATS}") if job.tool == TOOL_NAME else None
        if raw:
            try:
                found[job.name] = coverage(codec.decode(raw, ThreatReport, where=THREATS), measured)
            except MalformedOutput:
                continue
    return found
