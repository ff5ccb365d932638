import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec.structs import replace

from secdl.model.evidence import Outcome, Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.plan import Exclusion, PassedOver, Unread
from secdl.model.record import Record
from secdl.model.sarif import parse
from secdl.model.tool import Job, Stage
from secdl.model.verdict import Word
from secdl.report import sarif

from . import records

MULTITOOL = Path(__file__).parents[1] / "node/node_modules/@microsoft/sarif-multitool-linux"
installed = pytest.mark.skipif(not MULTITOOL.is_dir(), reason="tests/node is not installed (npm ci in tests/node)")


def read(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(sarif.render(record))
    return document


def runs(record: Record) -> dict[str, Any]:
    return {run["tool"]["driver"]["name"]: run for run in read(record)["runs"]}


def many_tools(number: int) -> Record:
    """A run of more tools than GitHub takes runs."""
    ran = tuple(records.evidence(f"tool{n}", "sast") for n in range(number))
    found = tuple(
        Finding(tool=f"tool{n}", rule="R", level=Level.HIGH if n == number - 1 else Level.LOW, message="m")
        for n in range(number)
    )
    return records.record(Word.PASS, ran=ran, findings=found, reasons=())


@installed
@pytest.mark.parametrize("make", [records.passing, records.incomplete, records.failing, records.hostile])
def test_valid_by_the_official_schema(make: Any) -> None:
    schema = json.loads((MULTITOOL / "sarif-2.1.0.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(read(make()))


@installed
def test_official_validator_and_githubs_rules_find_no_error(tmp_path: Path) -> None:
    program = MULTITOOL / "Sarif.Multitool"
    program.chmod(0o755)
    made = {"fail": records.failing(), "hostile": records.hostile("<b>\u202e\ud800 .. \n x"), "many": many_tools(30)}
    files = []
    for name, record in made.items():
        files.append(str(tmp_path / f"{name}.sarif"))
        Path(files[-1]).write_bytes(sarif.render(record))
    done = subprocess.run(
        [str(program), "validate", *files, "--rule-kind", "Sarif;Ghas", "--output", str(tmp_path / "said.sarif")],
        capture_output=True,
        env=os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
        timeout=120,
        check=False,
    )
    said = json.loads((tmp_path / "said.sarif").read_text(encoding="utf-8-sig"))
    errors = [
        (result["ruleId"], result["message"])
        for run in said["runs"]
        for result in run.get("results") or ()
        if result.get("level") == "error"
    ]
    assert errors == [], done.stdout.decode()
    assert b"Done. 3 files scanned." in done.stdout


def test_a_tool_that_never_ran_is_a_run_that_failed_with_its_reason() -> None:
    run = runs(records.partial())["trivy"]
    invocation = run["invocations"][0]
    assert run["results"] == []
    assert invocation["executionSuccessful"] is False
    assert "no release download here" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_stages_left_out_and_denominators_are_named_too() -> None:
    told = read(records.incomplete())["properties"]["secdl/notMeasured"]
    assert {"what": "stages threatmodel and fuzz", "figure": "left out", "why": "not asked for"} in told
    record = records.passing()
    hidden = Exclusion(source="hw", patterns=("hw/old", "*.inc.h"), files=3, of=1200)
    told = read(replace(record, plan=replace(record.plan, excluded=(hidden,))))["properties"]["secdl/notMeasured"]
    folders = tuple(f"src/{n}/node_modules" for n in range(7))
    over = read(replace(record, plan=replace(record.plan, passed_over=(PassedOver(source="src", folders=folders),))))
    assert {
        "what": "passed over below src",
        "figure": "7 folders",
        "why": f"environments are not looked into: {', '.join(folders[:4])} and 3 more",
    } in over["properties"]["secdl/notMeasured"]
    nothing = Unread(source="hw", reason="no file of c in it")
    unread = read(replace(record, plan=replace(record.plan, unread=(nothing,))))["properties"]["secdl/notMeasured"]
    assert {"what": "source hw", "figure": "nothing read", "why": "no file of c in it"} in unread
    work = Work(read={"files": 2128, "files_read_in_part": 313, "lines_not_parsed": 1440})
    ran = tuple(replace(e, work=work) if e.tool == "semgrep" else e for e in record.evidence)
    told_in_part = read(replace(record, evidence=ran))["properties"]["secdl/notMeasured"]
    why = "1,440 lines that its parser stepped over"
    assert {"what": "semgrep read in part", "figure": "313 of 2,128 files", "why": why} in told_in_part
    why = "configuration leaves out hw/old and *.inc.h"
    assert {"what": "excluded below hw", "figure": "3 of 1,200 files", "why": why} in told
    assert any(row["figure"] == "1 of 161" for row in read(records.failing())["properties"]["secdl/notMeasured"])


def test_a_job_that_no_change_concerns_says_so() -> None:
    record = records.incomplete()
    why = "nothing that it reads has changed"
    ran = tuple(replace(e, reason=why) if e.outcome is Outcome.SKIPPED else e for e in record.evidence)
    narrowed = replace(record, evidence=ran, plan=replace(record.plan, scope="1 file changed since main"))
    assert any(row["why"] == why for row in read(narrowed)["properties"]["secdl/notMeasured"])


def test_every_planned_tool_is_a_run() -> None:
    for make in (records.passing, records.partial, records.incomplete, records.failing):
        record = make()
        assert set(runs(record)) == {evidence.tool for evidence in record.evidence}


def test_jobs_of_one_tool_are_invocations_of_one_run() -> None:
    ran = (
        records.evidence("fuzz@a", "fuzz"),
        records.evidence("fuzz@b", "fuzz", outcome=Outcome.TIMED_OUT, reason="no end after 300 s"),
    )
    record = records.record(Word.INCOMPLETE, ran=ran, findings=(), reasons=())
    assert [i["executionSuccessful"] for i in runs(record)["fuzz"]["invocations"]] == [True, False]


def test_what_was_not_measured_whole_has_a_category_of_its_own() -> None:
    assert runs(records.partial())["bandit"]["automationDetails"]["id"].startswith("secdl/dev/bandit/")
    assert runs(records.partial())["trivy"]["automationDetails"]["id"].startswith("secdl/dev-partial/trivy/")
    for run in runs(records.incomplete()).values():
        assert run["automationDetails"]["id"].startswith("secdl/merge-partial/")


def test_waivers_are_external_suppressions_with_approver_and_expiry() -> None:
    waived = [r for r in runs(records.failing())["image-hardening"]["results"] if "suppressions" in r]
    assert waived[0]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "Rebuilt with full RELRO in 11.0.3",
            "properties": {
                "secdl/waiver": "sshd-relro",
                "secdl/owner": "@hv/image",
                "secdl/approver": "M. Okafor",
                "secdl/expires": "2026-12-03",
            },
        }
    ]


def test_results_keep_identity_and_state_against_the_baseline() -> None:
    record = records.failing()
    results = [result for run in read(record)["runs"] for result in run["results"]]
    given = {f.fingerprint: f.status.value for f in record.findings if f.status.value != "absent"}
    assert {r["partialFingerprints"]["secdl/v1"]: r["baselineState"] for r in results} == given


def test_absent_findings_are_counted_and_no_results() -> None:
    # GitHub would open an alert for each: it reads no baselineState.
    document = read(records.failing())
    states = {result["baselineState"] for run in document["runs"] for result in run["results"]}
    assert "absent" not in states
    assert document["properties"]["secdl/verdict"]["counts"]["absent"] == 3


def test_rules_have_names_that_differ_from_their_ids() -> None:
    for run in read(records.failing())["runs"]:
        for rule in run["tool"]["driver"]["rules"]:
            assert rule["name"] != rule["id"]
            assert rule["name"].isalnum()


def test_results_beyond_githubs_limit_are_left_out_worst_last_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "RESULTS_PER_RUN", 50)
    run = runs(records.large(120))["semgrep"]
    assert len(run["results"]) == 50
    assert all(result["properties"]["secdl/blocking"] for result in run["results"][:12])
    assert run["properties"]["secdl/omitted"] == 70
    said = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert said.startswith("70 of 120 results, the least severe, are not in this file")


def test_a_file_too_large_for_github_is_shortened_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "GZIPPED_BYTES", 20_000)
    run = runs(records.large(4000))["semgrep"]
    assert 0 < len(run["results"]) < 4000
    assert run["properties"]["secdl/omitted"] == 4000 - len(run["results"])


def test_tools_beyond_twenty_runs_are_named_worst_kept() -> None:
    document = read(many_tools(30))
    names = [run["tool"]["driver"]["name"] for run in document["runs"]]
    assert len(names) == sarif.RUNS_PER_FILE
    assert "tool29" in names
    rest = document["runs"][-1]
    assert rest["properties"]["secdl/omitted"] == 11
    assert len(rest["invocations"][0]["toolExecutionNotifications"]) == 11


def test_named_places_are_relative_uris_that_read_back() -> None:
    finding = Finding(
        tool="t",
        rule="R",
        level=Level.HIGH,
        message="m.",
        locations=(Location(path="image:reference/usr/sbin/sshd"), Location(path="hw/a b#?%.c", line=3)),
    )
    record = records.record(Word.PASS, ran=(records.evidence("t", "sast"),), findings=(finding,), reasons=())
    raw = sarif.render(record)
    uri = json.loads(raw)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "image%3Areference/usr/sbin/sshd"
    job = Job(name="t", tool="t", stage=Stage.SAST, root="/src", folder="/src/.secdl/t")
    assert next(iter(parse(raw, job))).locations == finding.locations


def test_a_finding_without_a_place_gets_one_that_says_so() -> None:
    finding = Finding(tool="t", rule="R", level=Level.HIGH, message="m")
    packaged = msgspec.structs.replace(finding, purl="pkg:pypi/jinja2@3.1.2")
    record = records.record(Word.PASS, ran=(records.evidence("t", "sast"),), findings=(finding, packaged), reasons=())
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in runs(record)["t"]["results"]
    ]
    assert sorted(places) == ["outside%3Ano%20location%20given", "package%3Apypi/jinja2@3.1.2"]


def test_findings_of_a_tool_that_was_not_planned_are_not_lost() -> None:
    record = replace(records.failing(), evidence=())
    record = replace(record, verdict=replace(record.verdict, evidence=()))
    document = read(record)
    assert sum(len(run["results"]) for run in document["runs"]) == record.verdict.counts.total
    assert not any(i["executionSuccessful"] for run in document["runs"] for i in run["invocations"])
