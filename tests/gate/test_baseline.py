from datetime import date
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from secdl.gate import baseline as base
from secdl.model import codec, sarif
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Origin, Outcome
from secdl.model.finding import AbsentCause, Finding, Level, Status
from secdl.model.fingerprint import identify
from secdl.model.plan import Exclusion
from secdl.model.policy import parse_policy
from secdl.model.verdict import Change, Word
from tests.gate.runs import POLICY_TEXT, STAGE, altered, evidence, finding, job, plan

ALL = tuple(evidence(tool) for tool in STAGE)
THEN = date(2026, 10, 1)


def of_run(*findings, known=ALL):
    lines = b"".join(codec.encode_line(each) for each in identify(findings))
    return base.of_run("then", lines, evidence=known, day=THEN)


def statuses(judgement):
    return [(each.status, each.absent_cause) for each in judgement.findings]


def test_moved_line_is_unchanged_and_keeps_the_day_it_was_first_seen(run):
    old = of_run(finding(line=10), msgspec.structs.replace(finding(rule="B2"), first_seen=date(2026, 1, 1)))
    judgement = run(finding(line=13), finding(rule="B2"), baseline=old)
    assert statuses(judgement) == [(Status.UNCHANGED, None)] * 2
    assert [each.first_seen for each in judgement.findings] == [THEN, date(2026, 1, 1)]


def test_only_what_is_new_blocks_in_merge_and_everything_does_in_release(run):
    old = of_run(finding())
    assert run(finding(), baseline=old, profile="merge").verdict.verdict is Word.PASS
    assert run(finding(), finding(rule="B9"), baseline=old, profile="merge").verdict.counts.blocking == 1
    assert run(finding(), baseline=old, profile="release").verdict.verdict is Word.FAIL


def test_another_of_the_same_kind_in_the_same_file_is_new(run):
    judgement = run(finding(line=1), finding(line=2), baseline=of_run(finding()))
    assert [each.status for each in judgement.findings] == [Status.UNCHANGED, Status.NEW]


def test_renamed_file_keeps_its_findings(run):
    old = of_run(finding(path="src/old.py"))
    judgement = run(finding(path="src/new.py"), baseline=old)
    assert statuses(judgement) == [(Status.UNCHANGED, None)]
    assert judgement.verdict.counts.absent == 0


def test_report_without_source_text_is_a_baseline_of_one_with_it(run):
    bare = [finding(snippet="", message=words) for words in ("one", "twice", "twice")]
    now = [finding(snippet=f"x = {n}", message=words) for n, words in enumerate(("one", "twice", "other"))]
    judgement = run(*now, baseline=of_run(*bare))
    seen = [(each.message, each.status) for each in judgement.findings if each.status is not Status.ABSENT]
    assert seen == [("one", Status.UNCHANGED), ("twice", Status.NEW), ("other", Status.NEW)]


def test_rename_is_not_guessed_where_it_is_not_unique(run):
    old = of_run(finding(path="src/old.py"))
    judgement = run(finding(path="src/a.py"), finding(path="src/b.py"), baseline=old)
    assert [each.status for each in judgement.findings] == [Status.NEW, Status.NEW, Status.ABSENT]


@pytest.mark.parametrize(
    ("removed", "status"), [([], Status.NEW), (["src/other.py"], Status.NEW), (["src/old.py"], Status.UNCHANGED)]
)
def test_narrowed_run_takes_a_copy_for_new_and_a_renamed_file_for_moved(run, removed, status):
    settings = {"planned": ["src/new.py"], "removed": removed}
    narrowed = replace(job("bandit", narrowed=True), sources=("src/new.py",), settings=settings)
    judgement = run(
        finding(path="src/new.py"),
        baseline=of_run(finding(path="src/old.py")),
        plan=plan(narrowed, *(job(tool) for tool in STAGE if tool != "bandit"), scope="since main"),
        evidence=altered(ALL, "bandit", subjects=("src/new.py",)),
        profile="merge",
    )
    assert judgement.findings[0].status is status
    assert judgement.findings[0].blocking is (status is Status.NEW)


def test_copy_from_a_file_that_the_tool_no_longer_reads_is_new(run):
    judgement = run(finding(path="src/new.py"), baseline=of_run(finding(path="lib/old.py")))
    assert statuses(judgement) == [(Status.NEW, None), (Status.ABSENT, AbsentCause.NOT_SCANNED)]


def test_bare_message_follows_a_file_to_another_folder_but_not_to_another_name(run):
    old = of_run(finding(path="src/a.py", snippet=""))
    assert run(finding(path="src/deep/a.py", snippet=""), baseline=old).findings[0].status is Status.UNCHANGED
    assert run(finding(path="src/b.py", snippet=""), baseline=old).findings[0].status is Status.NEW


def test_absent_never_blocks_and_says_fixed_only_where_the_tool_looked(run):
    gone = run(baseline=of_run(finding()), profile="release")
    assert statuses(gone) == [(Status.ABSENT, AbsentCause.FIXED)]
    assert (gone.verdict.verdict, gone.verdict.counts.absent, gone.verdict.counts.total) == (Word.PASS, 1, 0)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.MISSING, Outcome.TIMED_OUT])
def test_tool_that_did_not_run_validly_cannot_say_fixed(run, outcome):
    judgement = run(baseline=of_run(finding()), evidence=altered(ALL, "bandit", outcome=outcome))
    assert statuses(judgement) == [(Status.ABSENT, AbsentCause.NOT_SCANNED)]


def test_file_outside_what_was_read_is_not_scanned(run):
    judgement = run(baseline=of_run(finding(path="lib/a.py"), finding(path="srcx/a.py")))
    assert statuses(judgement) == [(Status.ABSENT, AbsentCause.NOT_SCANNED)] * 2


def test_file_that_configuration_excludes_now_is_not_fixed(run):
    hidden = (
        Exclusion(source="src", patterns=("src/old",), files=1, of=2),
        Exclusion(source="src", patterns=("*.gen.py",), files=0, of=2),
    )
    every = replace(plan(), excluded=hidden)
    judgement = run(
        baseline=of_run(finding(path="src/old/a.py"), finding(path="src/b.gen.py"), finding(path="src/c.py")),
        plan=every,
    )
    causes = {one.path: one.absent_cause for one in judgement.findings}
    assert causes == {
        "src/old/a.py": AbsentCause.NOT_SCANNED,
        "src/b.gen.py": AbsentCause.NOT_SCANNED,
        "src/c.py": AbsentCause.FIXED,
    }


def test_narrowed_run_says_fixed_only_of_files_it_read(run):
    narrowed = replace(job("bandit", narrowed=True), sources=("src/a.py",))
    scoped = plan(narrowed, *(job(tool) for tool in STAGE if tool != "bandit"), scope="since main")
    judgement = run(
        baseline=of_run(finding(path="src/a.py"), finding(path="src/b.py")),
        plan=scoped,
        evidence=altered(ALL, "bandit", subjects=("src/a.py",)),
    )
    assert [each.absent_cause for each in judgement.findings] == [AbsentCause.FIXED, AbsentCause.NOT_SCANNED]


@pytest.mark.parametrize("changed", [{"version": "2.0"}, {"digest": "sha256:11"}, {"rules_digest": "sha256:22"}])
def test_changed_tool_or_rules_are_the_cause(run, changed):
    known = altered(ALL, "bandit", rules_digest="sha256:21")
    judgement = run(baseline=of_run(finding(), known=known), evidence=altered(known, "bandit", **changed))
    assert statuses(judgement) == [(Status.ABSENT, AbsentCause.RULE_CHANGED)]
    (change,) = judgement.verdict.changes
    assert (change.name, change.what) == ("bandit", "rule" if "rules_digest" in changed else "tool")


def test_advisory_is_withdrawn_where_the_package_is_still_there_and_fixed_where_it_is_not(run):
    old = of_run(finding("pip-audit", "CVE-1", purl="pkg:pypi/a@1"), finding("pip-audit", "CVE-1", purl="pkg:pypi/b@1"))
    judgement = run(baseline=old, packages=frozenset({"pkg:pypi/a@1?x=y", "pkg:pypi/b@2"}))
    causes = {each.purl: each.absent_cause for each in judgement.findings}
    assert causes == {"pkg:pypi/a@1": AbsentCause.ADVISORY_WITHDRAWN, "pkg:pypi/b@1": AbsentCause.FIXED}


def test_without_a_package_list_newer_advisories_leave_the_cause_open(run):
    known = altered(ALL, "pip-audit", advisories={"PyPI": date(2026, 11, 1)})
    newer = altered(ALL, "pip-audit", advisories={"PyPI": date(2026, 11, 20)})
    old = of_run(finding("pip-audit", "CVE-1", purl="pkg:pypi/a@1"), known=known)
    assert run(baseline=old, evidence=known).findings[0].absent_cause is AbsentCause.FIXED
    assert run(baseline=old, evidence=newer).findings[0].absent_cause is AbsentCause.RULE_CHANGED


def test_what_was_not_scanned_then_is_still_known_and_what_was_fixed_is_new_when_it_returns(run):
    (one,) = identify([finding()])
    for cause, status in ((AbsentCause.NOT_SCANNED, Status.UNCHANGED), (AbsentCause.FIXED, Status.NEW)):
        line = codec.encode_line(msgspec.structs.replace(one, status=Status.ABSENT, absent_cause=cause))
        old = base.of_run("then", line, evidence=ALL, day=THEN)
        assert run(finding(), baseline=old).findings[0].status is status


def test_broken_line_in_a_baseline_names_its_number(run):
    lines = codec.encode_line(finding()) + b'{"tool": 3}\n'
    with pytest.raises(MalformedOutput, match=r"findings\.jsonl:2"):
        run(baseline=base.of_run("then", lines, evidence=(), day=THEN))


def test_byte_order_mark_before_a_baseline_is_skipped_and_within_it_said(run):
    mark, line = b"\xef\xbb\xbf", codec.encode_line(next(identify([finding()])))
    old = base.of_run("then", mark + line, evidence=(), day=THEN)
    assert run(finding(), baseline=old).findings[0].status is Status.UNCHANGED
    with pytest.raises(MalformedOutput, match=r"findings\.jsonl:2"):
        run(baseline=base.of_run("then", line + mark + line, evidence=(), day=THEN))


def test_policy_that_changed_is_named(run):
    old = replace(of_run(), policy_digest="sha256:old")
    digest = parse_policy(POLICY_TEXT, where="x").digest
    assert run(baseline=old).verdict.changes == (
        Change(what="policy", name="policy", before="sha256:old", after=digest),
    )


def document(tool, findings, **more):
    return sarif.document([sarif.run_of(tool, "1.0", findings, **more)])


def imported(**more):
    return evidence("import:scan", job="import-scan", stage="import", origin=Origin.IMPORT, **more)


def test_foreign_file_is_a_baseline_for_the_import_of_the_same_driver(run):
    raw = document("Scan", [finding("x", line=1), finding("x", rule="gone", path="src/a.py")])
    old = base.of_sarif("old.sarif", raw, tools={"import:scan", *STAGE})
    judgement = run(finding("import:scan", line=7), baseline=old, evidence=(*ALL, imported()))
    assert statuses(judgement) == [(Status.UNCHANGED, None), (Status.ABSENT, AbsentCause.FIXED)]
    assert judgement.verdict.baseline == "old.sarif"


def test_import_says_fixed_only_of_files_that_it_shows_it_read(run):
    raw = document("Scan", [finding("x", path="src/seen.py"), finding("x", path="src/other.py")])
    old = base.of_sarif("old.sarif", raw, tools={"import:scan"})
    judgement = run(baseline=old, evidence=(*ALL, imported(subjects=("src/seen.py",))))
    assert {each.path: each.absent_cause for each in judgement.findings} == {
        "src/seen.py": AbsentCause.FIXED,
        "src/other.py": AbsentCause.NOT_SCANNED,
    }


@pytest.mark.parametrize("path", ["", "image:x/a", "src/deep/a.py", "outside:/etc/x"])
def test_import_says_fixed_of_no_place_and_of_no_folder(run, path):
    raw = document("Scan", [finding("x", path=path)] if path else [finding("x", locations=())])
    old = base.of_sarif("old.sarif", raw, tools={"import:scan"})
    assert statuses(run(baseline=old, evidence=(*ALL, imported(subjects=("src", "src/a.py"))))) == [
        (Status.ABSENT, AbsentCause.NOT_SCANNED)
    ]


@pytest.mark.parametrize(("before", "after"), [("", "1.0"), ("1.0", ""), ("", "")])
def test_import_says_fixed_only_where_both_versions_are_known(run, before, after):
    raw = sarif.document([sarif.run_of("Scan", before, [finding("x", path="src/seen.py")])])
    old = base.of_sarif("old.sarif", raw, tools={"import:scan"})
    judgement = run(baseline=old, evidence=(*ALL, imported(subjects=("src/seen.py",), version=after)))
    assert statuses(judgement) == [(Status.ABSENT, AbsentCause.NOT_SCANNED)]
    assert judgement.verdict.changes == ()


def test_tool_is_changed_only_where_both_sides_know_its_version(run):
    known = (*altered(ALL, "bandit", version="", digest=""), evidence("gone"))
    now = (*altered(ALL, "semgrep", version="", digest=""), evidence("here"))
    assert run(baseline=of_run(known=known), evidence=now).verdict.changes == ()
    never_ran = base.of_sarif("old", sarif.document([sarif.run_of("bandit", "", [])]), tools=set(STAGE))
    assert run(baseline=never_ran).verdict.changes == ()


def test_import_that_failed_says_nothing_of_the_files_that_its_findings_lie_in(run):
    raw = document("Scan", [finding("x", path="src/a.py", rule="old")])
    old = base.of_sarif("old.sarif", raw, tools={"import:scan"})
    failed = imported(subjects=(), outcome=Outcome.FAILED, reason="it says so")
    other = replace(imported(subjects=("src/b.py",)), job="import-scan-2")
    judgement = run(finding("import:scan", path="src/a.py"), baseline=old, evidence=(*ALL, failed, other))
    assert statuses(judgement)[-1] == (Status.ABSENT, AbsentCause.NOT_SCANNED)


def test_absolute_paths_in_a_baseline_are_read_from_the_checkout(run):
    paths = ("src/a.py", "src/b.py")
    raw = document("Scan", [finding("x", path=path) for path in paths]).replace(b'"src/', b'"file:///r/src/')
    now = [finding("import:scan", path=path) for path in paths]
    for root, unchanged in (("/r", 2), ("/elsewhere", 0)):
        old = base.of_sarif("old", raw, tools={"import:scan"}, root=root)
        assert run(*now, baseline=old, evidence=(*ALL, imported())).verdict.counts.unchanged == unchanged


def test_own_report_as_baseline_matches_by_the_fingerprint_it_carries(run):
    (known,) = identify([finding("bandit", line=1)])
    odd = msgspec.structs.replace(known, message="reworded", snippet="")
    judgement = run(finding(line=4), baseline=base.of_sarif("r", document("bandit", [odd]), tools=set(STAGE)))
    assert statuses(judgement) == [(Status.UNCHANGED, None)]


def test_what_an_own_report_lists_as_waived_is_known_and_can_be_gone(run):
    waived = list(identify([finding("bandit"), finding("bandit", path="src/gone.py")]))
    raw = document("bandit", waived).replace(b'"message"', b'"suppressions":[{"kind":"external"}],"message"')
    judgement = run(finding(line=4), baseline=base.of_sarif("r", raw, tools=set(STAGE)))
    assert statuses(judgement)[0] == (Status.UNCHANGED, None)
    assert [each.path for each in judgement.findings[1:]] == ["src/gone.py"]


def test_suppressed_results_of_a_foreign_file_are_not_known(run):
    raw = document("bandit", [finding()]).replace(b'"message"', b'"suppressions":[{"kind":"inSource"}],"message"')
    judgement = run(finding(), baseline=base.of_sarif("old", raw, tools=set(STAGE)))
    assert judgement.findings[0].status is Status.NEW


def test_run_that_failed_in_a_baseline_knows_what_it_lists(run):
    raw = document("bandit", [finding()], invocations=[{"executionSuccessful": False}])
    judgement = run(finding(), finding(rule="B9"), baseline=base.of_sarif("old", raw, tools=set(STAGE)))
    assert [each.status for each in judgement.findings] == [Status.UNCHANGED, Status.NEW]


def test_file_that_is_no_sarif_is_no_baseline():
    with pytest.raises(MalformedOutput, match="old"):
        base.of_sarif("old", b"{}")


def test_absent_findings_come_last_and_sorted(run):
    old = of_run(*(finding(path=f"src/{name}.py") for name in "cab"), finding("fuzz", "z"))
    gone = [each for each in run(finding(level=Level.LOW, rule="q"), baseline=old).findings if each.absent_cause]
    assert len(gone) == 4
    assert all((a.tool, a.rule, a.path) < (b.tool, b.rule, b.path) for a, b in pairwise(gone))
    assert isinstance(gone[0], Finding)
