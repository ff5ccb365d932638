import json
from datetime import date

import pytest

from secdl.gate.evidence import evidence_fault
from secdl.gate.imports import OUTPUT, imported, job_of, tool_name
from secdl.model import sarif
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Origin, Outcome
from secdl.model.policy import ProfilePolicy
from secdl.model.verdict import ReasonKind
from tests.gate.runs import finding


def result(**more):
    place = {"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 3}}}
    return {"ruleId": "R1", "message": {"text": "bad"}, "locations": [place]} | more


def run(name="Scan It", results=None, **more):
    rules = [{"id": "R1"}]
    return {"tool": {"driver": {"name": name, "version": "2", "rules": rules}}, "results": results or []} | more


def raw(*runs, version="2.1.0"):
    return json.dumps({"version": version, "runs": runs}).encode()


def test_run_of_a_foreign_file_is_evidence_that_parses_again():
    (one,) = imported("x.sarif", raw(run(results=[result(), result(kind="pass")])), root="/r")
    evidence = one.evidence
    assert (evidence.tool, evidence.job, evidence.stage) == ("import:scan-it", "import-scan-it", "import")
    assert (evidence.origin, evidence.outcome, evidence.version) == (Origin.IMPORT, Outcome.OK, "2")
    assert evidence.work.read == {"runs": 1, "artifacts": 0, "results": 2}
    job = job_of(evidence)
    assert (job.output, job.name) == (OUTPUT, evidence.job)
    (found,) = sarif.parse(one.content, job)
    assert (found.tool, found.rule, found.path) == ("import:scan-it", "R1", "src/a.c")


def test_file_without_results_is_evidence_that_read_something():
    (one,) = imported("x", raw(run()), root="/r")
    assert (one.evidence.outcome, one.evidence.work.read["runs"]) == (Outcome.OK, 1)


def test_runs_of_one_file_come_apart_and_same_names_do_not_collide():
    parts = imported("x", raw(run(results=[result()]), run("other"), run()), root="/r", taken=("import-other",))
    assert [part.evidence.job for part in parts] == ["import-scan-it", "import-other-2", "import-scan-it-2"]
    assert [len(list(sarif.parse(part.content, job_of(part.evidence)))) for part in parts] == [1, 0, 0]


@pytest.mark.parametrize(
    ("driver", "tool"),
    [
        ("bandit", "import:bandit"),
        ("import:bandit", "import:bandit"),
        ("../../etc", "import:etc"),
        ("Semgrep OSS", "import:semgrep-oss"),
        ("\x1b[31m", "import:31m"),
        ("ü", "import:unnamed"),
        ("a" * 500, "import:" + "a" * 60),
    ],
)
def test_driver_never_names_itself_as_a_tool_of_secdl(driver, tool):
    assert tool_name(driver) == tool


@pytest.mark.parametrize(
    "changed",
    [{"invocations": [{"executionSuccessful": False}]}, {"results": None}],
)
def test_run_that_says_it_failed_is_failed_evidence(changed):
    (one,) = imported("x", raw(run() | changed), root="/r")
    assert one.evidence.outcome is Outcome.FAILED
    assert "scan it" in one.evidence.reason.lower()


def test_suppressed_results_are_counted_and_are_no_findings():
    suppressed = result(suppressions=[{"kind": "inSource"}])
    rejected = result(suppressions=[{"kind": "inSource", "status": "rejected"}])
    (one,) = imported("x", raw(run(results=[suppressed, rejected])), root="/r")
    assert one.evidence.work.read["suppressed"] == 1
    assert len(list(sarif.parse(one.content, job_of(one.evidence)))) == 1


def test_what_the_tool_could_not_read_is_no_evidence():
    note = {"level": "error", "message": {"text": "could not parse b.c: skipped"}}
    skipped = run(invocations=[{"executionSuccessful": True, "toolExecutionNotifications": [note]}])
    (one,) = imported("x", raw(skipped), root="/r")
    assert one.evidence.work.unread == ("could not parse b.c: skipped",)
    fault = evidence_fault(one.evidence, profile=ProfilePolicy(), today=date(2026, 1, 1))
    assert fault is not None
    assert fault.kind is ReasonKind.NOT_MEASURED


def test_artifacts_are_what_it_shows_it_read():
    (one,) = imported("x", raw(run(artifacts=[{"location": {"uri": "file:///r/src/b.c"}}])), root="/r")
    assert one.evidence.subjects == ("src/b.c",)


DEEP = b'{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"message":{"text":"m"},"properties":'
BAD = {
    "empty": b"",
    "not JSON": b"<sarif/>",
    "cut off": raw(run(results=[result()]))[:-9],
    "another tool's JSON": b'{"results": [], "errors": []}',
    "another version": raw(run(), version="2.0.0"),
    "no runs": raw(),
    "no name": raw(run("")),
    "blank name": raw(run(" ")),
    "wrong type deep inside": raw(run(results=[result(), result(ruleId=7)])),
    "invalid UTF-8": raw(run(results=[result(ruleId="@@")])).replace(b"@@", b"\xff\xfe"),
    "lone surrogate": raw(run(results=[result(ruleId="\ud800")])),
    "deep JSON": DEEP + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]}]}",
    "deep JSON that nobody reads": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"version":"2.1.0","runs":[]}',
}


@pytest.mark.parametrize("fault", sorted(BAD))
def test_bad_file_gives_one_clear_error_that_names_it(fault):
    with pytest.raises(MalformedOutput) as caught:
        imported("my.sarif", BAD[fault], root="/r")
    text = str(caught.value)
    assert text.startswith("my.sarif")
    assert "check the tool" not in text
    assert "\n" not in text
    assert len(text) < 700


def test_error_names_the_result_and_the_key():
    with pytest.raises(MalformedOutput, match=r"my\.sarif: runs\[0\]: results\[1\]: .*ruleId"):
        imported("my.sarif", BAD["wrong type deep inside"], root="/r")


def test_a_million_keys_and_huge_lines_are_taken():
    huge = result(
        partialFingerprints={"@": ""}, message={"text": "m" * 5_000_000}, properties={"secdl/gain": "g" * 10_000}
    )
    keys = b",".join(b'"k%d":""' % n for n in range(1_000_000))
    (one,) = imported("x", raw(run(results=[huge])).replace(b'"@": ""', keys), root="/r")
    (found,) = sarif.parse(one.content, job_of(one.evidence))
    assert (len(found.message), len(found.context)) == (4000, 71)
    assert len(found.gain) <= 400


def test_report_with_a_byte_order_mark_is_taken():
    for runs in ([run(results=[result()])], [run(results=[result()]), run("other")]):
        parts = imported("x", b"\xef\xbb\xbf" + raw(*runs), root="/r")
        assert [len(list(sarif.parse(one.content, job_of(one.evidence)))) for one in parts] == [1, 0][: len(runs)]


def test_own_report_reads_back_as_an_import():
    own = sarif.document([sarif.run_of("bandit", "1", [finding()])])
    (one,) = imported("x", own, root="/r")
    (found,) = sarif.parse(one.content, job_of(one.evidence))
    assert (found.tool, found.path, found.snippet) == ("import:bandit", "src/a.py", "call(x)")
