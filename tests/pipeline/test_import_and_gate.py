"""Import and gate on a real run folder: what the folder holds, and that judging it again gives the same bytes."""

import json
from datetime import UTC, datetime

import pytest

from secdl.model.errors import ConfigError, MalformedOutput, SecdlError
from secdl.model.evidence import Outcome
from secdl.model.verdict import ReasonKind, Word
from secdl.pipeline import baselines
from secdl.pipeline.imports import import_files
from secdl.pipeline.steps import judge_run

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def report(path, *texts, driver="bandit", **more):
    results = [
        {
            "ruleId": "R",
            "level": "error",
            "message": {"text": text},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a.c"}, "region": {"startLine": n + 1}}}],
        }
        for n, text in enumerate(texts)
    ]
    run = {"tool": {"driver": {"name": driver, "version": "1"}}, "results": results} | more
    path.write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
    return path


@pytest.fixture
def imported(tmp_path):
    def take(*files, into=None):
        return import_files(files, into, root=tmp_path, now=NOW, token="t")

    return take


def state(run):
    return {
        str(path.relative_to(run.path)): path.read_bytes() for path in sorted(run.path.rglob("*")) if path.is_file()
    }


def test_clean_import_is_partial_and_never_clean(imported, tmp_path):
    verdict = judge_run(imported(report(tmp_path / "x.sarif")))
    assert (verdict.verdict, verdict.partial, verdict.profile) == (Word.PARTIAL, ("import",), "dev")


def test_judging_again_gives_the_same_bytes(imported, tmp_path):
    run = imported(report(tmp_path / "x.sarif", "one", "two"))
    old = report(tmp_path / "old.sarif", "two", "three")
    assert judge_run(run, baseline=str(old)).verdict is Word.FAIL
    first = state(run)
    judge_run(run)
    assert state(run) == first
    assert [json.loads(line)["status"] for line in first["findings.jsonl"].splitlines()] == [
        "new",
        "unchanged",
        "absent",
    ]


def test_baseline_of_a_driver_that_is_called_as_a_tool_of_secdl_matches_the_import(imported, tmp_path):
    run = imported(report(tmp_path / "x.sarif", "one"))
    assert judge_run(run, baseline=str(report(tmp_path / "old.sarif", "one"))).verdict is Word.PARTIAL


def test_run_is_a_baseline_for_the_next(imported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = imported(report(tmp_path / "x.sarif", "one"))
    judge_run(first)
    first.finish()
    second = import_files([report(tmp_path / "y.sarif", "one")], None, root=tmp_path, now=NOW, token="u")
    verdict = judge_run(second, baseline=first.id)
    assert (verdict.verdict, verdict.counts.unchanged) == (Word.PARTIAL, 1)


def test_import_that_failed_is_incomplete(imported, tmp_path):
    verdict = judge_run(imported(report(tmp_path / "x.sarif", invocations=[{"executionSuccessful": False}])))
    assert verdict.verdict is Word.INCOMPLETE
    assert ReasonKind.REQUIRED_MISSING in {reason.kind for reason in verdict.reasons}


def test_findings_of_an_import_that_failed_are_judged(imported, tmp_path):
    failed = report(tmp_path / "x.sarif", "one", invocations=[{"executionSuccessful": False}])
    verdict = judge_run(imported(failed))
    assert (verdict.verdict, verdict.counts.blocking) == (Word.FAIL, 1)
    assert [(one.outcome, one.valid) for one in verdict.evidence] == [(Outcome.FAILED, False)]
    assert ReasonKind.REQUIRED_MISSING in {reason.kind for reason in verdict.reasons}


def test_import_does_not_stand_in_for_the_tool_it_is_called_as(imported, tmp_path):
    verdict = judge_run(imported(report(tmp_path / "x.sarif")), profile="merge")
    assert verdict.verdict is Word.INCOMPLETE
    assert any(reason.tool == "bandit" for reason in verdict.reasons)


def test_altered_report_is_void(imported, tmp_path):
    run = imported(report(tmp_path / "x.sarif", "one"))
    target = run.path / "evidence" / "import-bandit" / "out.sarif"
    target.write_bytes(target.read_bytes().replace(b'"error"', b'"none" '))
    verdict = judge_run(run)
    assert verdict.verdict is Word.INCOMPLETE
    assert ReasonKind.EVIDENCE_INVALID in {reason.kind for reason in verdict.reasons}


def test_one_bad_file_makes_no_run(imported, tmp_path):
    good = report(tmp_path / "good.sarif", "one")
    (tmp_path / "bad.sarif").write_text('{"version": "2.1.0", "runs": [{"tool": {}}]}')
    with pytest.raises(MalformedOutput, match=r"bad\.sarif"):
        imported(good, tmp_path / "bad.sarif")
    assert not (tmp_path / ".secdl").exists()


def test_bad_file_changes_nothing_in_the_run_it_was_meant_for(imported, tmp_path):
    run = imported(report(tmp_path / "good.sarif", "one"))
    judge_run(run)
    before = state(run)
    (tmp_path / "bad.sarif").write_bytes(b"")
    with pytest.raises(MalformedOutput):
        imported(tmp_path / "bad.sarif", into=run)
    assert state(run) == before


def test_second_import_into_a_run_is_judged_with_it(imported, tmp_path):
    run = imported(report(tmp_path / "a.sarif", "one"))
    imported(report(tmp_path / "b.sarif", "two"), report(tmp_path / "c.sarif", driver="other"), into=run)
    verdict = judge_run(run)
    assert verdict.counts.total == 2
    assert sorted(one.job for one in verdict.evidence) == ["import-bandit", "import-bandit-2", "import-other"]


def test_equal_findings_of_two_imports_are_told_apart_and_match_a_baseline_of_both(imported, tmp_path):
    file = report(tmp_path / "a.sarif", "one")
    run = imported(file, file)
    document = json.loads(file.read_text())
    (tmp_path / "old.sarif").write_text(json.dumps(document | {"runs": document["runs"] * 2}))
    counts = judge_run(run, baseline=str(tmp_path / "old.sarif")).counts
    assert (counts.total, counts.unchanged, counts.absent) == (2, 2, 0)
    lines = (run.path / "findings.jsonl").read_bytes().splitlines()
    assert len({json.loads(line)["fingerprint"] for line in lines}) == 2


WRONG = {
    "policy": ("name = 'x'\n[profiles.dev]\nblok = 'new'\n", r"f\.toml:3: profiles\.dev\.blok"),
    "waivers": ("[[waiver]]\nid = 3\n", r"f\.toml:2: waiver\[1\]\.id"),
    "baseline": (
        '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [3]}]}',
        r"f\.toml: runs\[0\]: results\[0\]",
    ),
    "profile": ("", "no profile"),
}


@pytest.mark.parametrize("option", sorted(WRONG))
def test_what_cannot_be_judged_by_leaves_the_run_as_it_was(imported, tmp_path, option):
    run = imported(report(tmp_path / "x.sarif", "one"))
    old = report(tmp_path / "old.sarif", "one")
    assert judge_run(run, baseline=str(old)).verdict is Word.PARTIAL
    before = state(run)
    text, why = WRONG[option]
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(SecdlError, match=why):
        judge_run(run, **{option: "nope" if option == "profile" else str(tmp_path / "f.toml")})
    assert state(run) == before
    assert judge_run(run).verdict is Word.PARTIAL


@pytest.mark.parametrize("artifacts", [False, True])
def test_findings_of_an_import_follow_a_renamed_file_and_moved_lines(imported, tmp_path, artifacts):
    def sarif(name, uri, line):
        region = {"startLine": line, "snippet": {"text": "strcpy(to, from);"}}
        place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
        more = {"artifacts": [{"location": {"uri": uri}}]} if artifacts else {}
        raw = {"tool": {"driver": {"name": "t", "version": "1"}}} | more
        raw["results"] = [{"ruleId": "R", "level": "error", "message": {"text": "m"}, "locations": [place]}]
        (tmp_path / name).write_text(json.dumps({"version": "2.1.0", "runs": [raw]}))
        return tmp_path / name

    run = imported(sarif("new.sarif", "src/renamed.c", 40))
    judge_run(run, baseline=str(sarif("old.sarif", "src/old.c", 4)))
    (found,) = map(json.loads, (run.path / "findings.jsonl").read_text().splitlines())
    assert (found["status"], found["locations"][0]["path"]) == ("unchanged", "src/renamed.c")


def test_a_baseline_that_is_gone_once_it_was_looked_at_is_named_and_changes_nothing(imported, tmp_path, monkeypatch):
    run = imported(report(tmp_path / "new.sarif", "one"))
    judge_run(run, baseline=str(report(tmp_path / "kept.sarif", "one")))
    before = state(run)
    gone, find = report(tmp_path / "gone.sarif", "one"), baselines.find

    def look_and_lose(*arguments, **options):
        found = find(*arguments, **options)
        gone.unlink()
        return found

    monkeypatch.setattr(baselines, "find", look_and_lose)
    with pytest.raises(ConfigError, match=r"gone\.sarif: gone since it was looked at; name a run"):
        judge_run(run, baseline=str(gone))
    assert state(run) == before
