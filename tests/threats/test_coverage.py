"""The state of a threat's evidence: only a check that ran, read, found its canary and is fresh counts as live."""

from datetime import date

import pytest
from msgspec import structs
from msgspec.structs import replace

from secdl.model.evidence import CanaryResult, Evidence, Outcome, Work
from secdl.model.finding import Finding, Level, Location, Status
from secdl.model.threat import (
    FORMAT,
    Control,
    Disposition,
    EvidenceRef,
    EvidenceState,
    Instance,
    Threat,
    ThreatReport,
)
from secdl.model.tool import Job, Stage
from secdl.threats.coverage import Measured, coverage

TODAY = date(2026, 11, 24)


def replace_path(finding: Finding, path: str) -> Finding:
    return structs.replace(finding, locations=(Location(path=path),))


def report(*refs: EvidenceRef, disposition: Disposition = Disposition.MITIGATED, note: str = "") -> ThreatReport:
    return ThreatReport(
        format=FORMAT,
        name="m",
        title="M",
        description="",
        path="m/model.py",
        pytm="1.4.0",
        threats=(Threat(id="HV-01", title="Escape", description="d", gain="g", level=Level.CRITICAL),),
        controls=(Control(id="c", title="Fuzzed", covers="x", not_covered="y", evidence=refs),) if refs else (),
        instances=(
            Instance(
                threat="HV-01",
                target="Device",
                kind="pci-device",
                disposition=disposition,
                controls=("c",) if refs else (),
                note=note,
            ),
        ),
    )


def measured(evidence: Evidence | None = None, *findings: Finding, job: Job | None = None, **more: object) -> Measured:
    job = job or Job(name="fuzz@qemu", tool="fuzz", stage=Stage.FUZZ, subject="qemu", settings={"devices": ["e1000"]})
    return Measured(
        jobs=(job,), evidence=(evidence,) if evidence else (), findings=findings, today=TODAY, **more  # type: ignore[arg-type]
    )  # fmt: skip


GOOD = Evidence(
    job="fuzz@qemu",
    tool="fuzz",
    stage="fuzz",
    outcome=Outcome.OK,
    work=Work(read={"devices": 1}),
    canary=CanaryResult(expected={"fuzz.crash": 1}, found={"fuzz.crash": 1}),
    advisories={"Debian": date(2026, 11, 20)},
)
FUZZ = EvidenceRef(tool="fuzz")


@pytest.mark.parametrize(
    ("evidence", "ref", "state", "why"),
    [
        (GOOD, FUZZ, EvidenceState.LIVE, ""),
        (GOOD, EvidenceRef(tool="fuzz", subject="qemu"), EvidenceState.LIVE, ""),
        (GOOD, EvidenceRef(tool="fuzz", target="e1000"), EvidenceState.LIVE, ""),
        (GOOD, EvidenceRef(tool="fuzz", rule="fuzz.crash"), EvidenceState.LIVE, ""),
        (None, FUZZ, EvidenceState.MISSING, "left no evidence"),
        (GOOD, EvidenceRef(tool="semgrep"), EvidenceState.MISSING, "semgrep was not planned"),
        (GOOD, EvidenceRef(tool="fuzz", subject="other"), EvidenceState.MISSING, "no job for other"),
        (GOOD, EvidenceRef(tool="fuzz", target="rtl8139"), EvidenceState.MISSING, "no job of fuzz worked on rtl8139"),
        (
            GOOD,
            EvidenceRef(tool="fuzz", rule="fuzz.exit"),
            EvidenceState.MISSING,
            "nothing proves that rule fuzz.exit ran",
        ),
        (replace(GOOD, outcome=Outcome.SKIPPED), FUZZ, EvidenceState.MISSING, "nothing to read"),
        (replace(GOOD, outcome=Outcome.MISSING, reason="not installed"), FUZZ, EvidenceState.MISSING, "not installed"),
        (replace(GOOD, outcome=Outcome.FAILED, reason="exit status 1"), FUZZ, EvidenceState.FAILED, "exit status 1"),
        (replace(GOOD, outcome=Outcome.TIMED_OUT), FUZZ, EvidenceState.FAILED, "timed_out"),
        (replace(GOOD, work=Work(read={"devices": 0})), FUZZ, EvidenceState.FAILED, "did not read"),
        (replace(GOOD, work=Work(read={"devices": 1}, unread=("x",))), FUZZ, EvidenceState.FAILED, "did not read"),
        (
            replace(GOOD, canary=CanaryResult(expected={"fuzz.crash": 1}, found={})),
            FUZZ,
            EvidenceState.FAILED,
            "missed its canary",
        ),
    ],
)
def test_evidence_is_live_only_where_the_check_counts(evidence, ref, state, why):
    result = coverage(report(ref), measured(evidence))
    assert (result.lines[0].state, result.rows[0].state) == (state, state)
    assert why in result.lines[0].reason
    assert len(result.findings) == (state is not EvidenceState.LIVE)


@pytest.mark.parametrize(
    ("data_date", "most", "state"),
    [
        (date(2026, 10, 1), 30, EvidenceState.STALE),
        (None, 30, EvidenceState.STALE),
        (date(2026, 12, 24), 30, EvidenceState.STALE),
        (date(2026, 11, 25), 30, EvidenceState.LIVE),
        (date(2026, 10, 1), None, EvidenceState.LIVE),
        (date(2026, 10, 26), 30, EvidenceState.LIVE),
    ],
)
def test_old_advisories_make_evidence_stale(data_date, most, state):
    evidence = replace(GOOD, advisories={"Debian": data_date})
    result = coverage(report(FUZZ), measured(evidence, advisory_max_days=most))
    assert result.rows[0].state is state


def test_a_dead_control_is_one_finding_that_names_what_rests_on_it():
    result = coverage(report(FUZZ), measured(replace(GOOD, outcome=Outcome.FAILED, reason="exit status 1")))
    (finding,) = result.findings
    assert (finding.tool, finding.rule, finding.level) == ("threatmodel", "control-evidence", "critical")
    assert finding.message == "Control “Fuzzed”: fuzz is failed: exit status 1. On it rest HV-01 on Device."
    assert finding.path == "m/model.py"


def test_a_control_that_nothing_rests_on_is_no_finding():
    resting = report(FUZZ, disposition=Disposition.OUT_OF_SCOPE)
    nobody = ThreatReport(**{**{f: getattr(resting, f) for f in resting.__struct_fields__}, "instances": ()})
    assert coverage(nobody, measured(None)).findings == ()


def test_one_dead_job_of_two_is_dead():
    jobs = tuple(Job(name=f"fuzz@{n}", tool="fuzz", stage=Stage.FUZZ, subject=n) for n in ("a", "b"))
    evidence = (replace(GOOD, job="fuzz@a"), replace(GOOD, job="fuzz@b", outcome=Outcome.FAILED, reason="hung"))
    for order in (slice(None), slice(None, None, -1)):
        facts = Measured(jobs=jobs[order], evidence=evidence, findings=(), today=TODAY)
        assert coverage(report(FUZZ), facts).rows[0].state is EvidenceState.FAILED


def test_open_findings_of_the_evidence_are_counted_beside_live():
    crash = Finding(
        tool="fuzz", rule="fuzz.crash", level=Level.HIGH, message="m", locations=(Location(path="device:e1000"),)
    )
    gone = Finding(tool="fuzz", rule="fuzz.crash", level=Level.HIGH, message="m", status=Status.ABSENT)
    other = Finding(
        tool="fuzz", rule="fuzz.crash", level=Level.HIGH, message="m", locations=(Location(path="device:x"),)
    )
    ref = EvidenceRef(tool="fuzz", target="e1000")
    result = coverage(report(ref), measured(GOOD, crash, gone, other))
    assert (result.rows[0].state, result.rows[0].open_findings) == (EvidenceState.LIVE, 1)


@pytest.mark.parametrize("disposition", [Disposition.TRANSFERRED, Disposition.OUT_OF_SCOPE, Disposition.NONE])
def test_a_threat_without_controls_is_covered_by_no_check(disposition):
    result = coverage(report(disposition=disposition, note="n"), measured(GOOD))
    assert result.rows[0].state is EvidenceState.NOT_COVERED
    assert result.findings == ()


def test_an_accepted_threat_is_a_finding_that_a_waiver_has_to_cover():
    """A waiver that was approved for something else accepts no threat, though its id is right."""
    accepted = report(disposition=Disposition.ACCEPTED, note="W-1")
    result = coverage(accepted, measured(GOOD))
    (finding,) = result.findings
    assert (finding.rule, finding.level) == ("accepted-without-waiver", Level.CRITICAL)
    assert result.rows[0].state is EvidenceState.MISSING
    covered = structs.replace(finding, waiver="W-1")
    assert coverage(accepted, measured(GOOD, covered)).rows[0].state is EvidenceState.NOT_COVERED
    elsewhere = (structs.replace(covered.locations[0], path="threatmodels/other/controls.toml"),)
    for other in ({"context": "HV-02 Device W-1"}, {"locations": elsewhere}):
        facts = measured(GOOD, structs.replace(covered, **other), finding)
        assert coverage(accepted, facts).rows[0].state is EvidenceState.MISSING


@pytest.mark.parametrize(
    ("evidence", "ref", "rule"),
    [
        (None, FUZZ, "control-evidence"),
        (replace(GOOD, outcome=Outcome.FAILED), FUZZ, "control-evidence"),
        (replace(GOOD, outcome=Outcome.SKIPPED), FUZZ, "control-without-check"),
        (GOOD, EvidenceRef(tool="semgrep"), "control-without-check"),
        (GOOD, EvidenceRef(tool="fuzz", target="rtl8139"), "control-without-check"),
        (GOOD, EvidenceRef(tool="fuzz", rule="fuzz.exit"), "control-without-check"),
    ],
)
def test_a_check_that_does_not_exist_is_told_from_one_that_did_not_end_well(evidence, ref, rule):
    assert [finding.rule for finding in coverage(report(ref), measured(evidence)).findings] == [rule]
