from datetime import date, timedelta

import pytest

from secdl.model import codec
from secdl.model.errors import PolicyError
from secdl.model.evidence import CanaryResult, Origin, Outcome, Program, Work
from secdl.model.finding import Level, Status
from secdl.model.plan import Unread
from secdl.model.verdict import WORD_OF_KIND, ReasonKind, Word
from tests.gate.runs import DAY, STAGE, altered, evidence, finding, job, plan, without

ALL = tuple(evidence(tool) for tool in STAGE)
PROFILES = ("dev", "merge", "release")


def kinds(judgement):
    return {reason.kind for reason in judgement.verdict.reasons}


@pytest.mark.parametrize("profile", PROFILES)
def test_clean_whole_run_passes(run, profile):
    verdict = run(profile=profile).verdict
    assert (verdict.verdict, verdict.partial, verdict.reasons) == (Word.PASS, (), ())
    assert all(one.valid for one in verdict.evidence)


def test_new_finding_of_a_blocking_level_fails_and_says_which(run):
    judgement = run(finding(), finding(level=Level.LOW, rule="B1"))
    assert judgement.verdict.verdict is Word.FAIL
    assert [one.blocking for one in judgement.findings] == [True, False]
    (reason,) = [one for one in judgement.verdict.reasons if one.kind is ReasonKind.BLOCKING_FINDING]
    assert reason.fingerprints == (judgement.findings[0].fingerprint,)
    assert reason.message == "bandit: B602: 1 finding of level high blocks: src/a.py:1"


def test_a_reason_names_one_place_and_how_many_more_there_are(run):
    same = [finding(path="z.py", context=str(n)) for n in range(3)]
    (reason,) = run(*same).verdict.reasons
    assert reason.message == "bandit: B602: 3 findings of level high block: z.py:1 and 2 more"
    (reason,) = run(finding(path="a\nb\x1b[31m" + "c" * 999)).verdict.reasons
    assert len(reason.message) < 300
    assert reason.message.isprintable()


def test_reasons_stand_in_the_order_of_what_they_lead_to(run):
    ran = altered(without(ALL, "semgrep"), "pip-audit", advisories={"PyPI": DAY - timedelta(days=400)})
    reasons = run(finding(), finding("fuzz", "crash"), evidence=ran, interrupted=True).verdict.reasons
    words = [WORD_OF_KIND.get(reason.kind, Word.PASS) for reason in reasons]
    assert words == [Word.FAIL, Word.INCOMPLETE, Word.PARTIAL, Word.PASS, Word.PASS]


@pytest.mark.parametrize("profile", PROFILES)
def test_unknown_level_never_passes_silently(run, profile):
    assert run(finding(level=Level.UNKNOWN), profile=profile).verdict.verdict is Word.FAIL


def test_stage_that_only_advises_does_not_block_but_is_named(run):
    judgement = run(finding("fuzz", "crash"))
    assert judgement.verdict.verdict is Word.PASS
    assert kinds(judgement) == {ReasonKind.ADVISORY}
    assert judgement.verdict.counts.advising == 1


def test_rule_at_advise_does_not_block_and_rule_at_block_does_whatever_its_stage_and_level(run):
    assert run(finding(rule="B101")).verdict.verdict is Word.PASS
    assert run(finding("fuzz", "hang-tx", Level.INFO)).verdict.verdict is Word.FAIL


BROKEN = {
    "failed": {"outcome": Outcome.FAILED, "reason": "exit status 139"},
    "timed out": {"outcome": Outcome.TIMED_OUT},
    "missing": {"outcome": Outcome.MISSING},
    "read nothing": {"work": Work(read={"files": 0})},
    "no work": {"work": Work()},
    "unread": {"work": Work(read={"files": 3}, unread=("src/b.py",))},
}


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_required_tool_without_valid_evidence_is_incomplete_but_dev_tolerates_it_as_partial(run, fault):
    broken = altered(ALL, "semgrep", **BROKEN[fault])
    dev, merge = run(evidence=broken), run(evidence=broken, profile="merge")
    assert (dev.verdict.verdict, dev.verdict.partial, kinds(dev)) == (
        Word.PARTIAL,
        ("sast",),
        {ReasonKind.NOT_MEASURED},
    )
    assert merge.verdict.verdict is Word.INCOMPLETE
    assert kinds(merge) == {ReasonKind.REQUIRED_MISSING}
    assert [one.valid for one in merge.verdict.evidence] == [True, False, True, True]


def test_tool_that_is_not_required_and_fails_is_partial_in_merge_unless_its_whole_stage_is_gone(run):
    two = plan(job("bandit"), job("semgrep"), job("pip-audit"), job("fuzz", subject="a"))
    broken = altered(ALL, "fuzz", outcome=Outcome.FAILED)
    judgement = run(evidence=broken, plan=two, profile="merge")
    assert judgement.verdict.verdict is Word.INCOMPLETE
    assert "stage fuzz: none of its tools left valid evidence" in [r.message for r in judgement.verdict.reasons]


def test_planned_job_without_its_mark_is_missing(run):
    judgement = run(evidence=without(ALL, "bandit"), profile="merge")
    assert judgement.verdict.verdict is Word.INCOMPLETE
    assert judgement.verdict.evidence[0].outcome == "missing"


@pytest.mark.parametrize("profile", PROFILES)
def test_missed_canary_is_incomplete_everywhere(run, profile):
    canary = CanaryResult(expected={"B602": 2}, found={"B602": 1})
    judgement = run(evidence=altered(ALL, "bandit", canary=canary), profile=profile)
    assert judgement.verdict.verdict is Word.INCOMPLETE
    assert ReasonKind.CANARY_MISSED in kinds(judgement)


@pytest.mark.parametrize("profile", PROFILES)
def test_canary_that_nobody_looked_for_counts_as_missed(run, profile):
    assert ReasonKind.CANARY_MISSED in kinds(run(evidence=altered(ALL, "bandit", canary=None), profile=profile))


def test_tool_without_a_canary_cannot_be_required(run):
    bare = plan(job("bandit", has_canary=False), *(job(tool) for tool in STAGE if tool != "bandit"))
    judgement = run(plan=bare, evidence=altered(ALL, "bandit", canary=None), profile="merge")
    assert (judgement.verdict.verdict, kinds(judgement)) == (Word.INCOMPLETE, {ReasonKind.REQUIRED_MISSING})
    assert run(plan=bare, evidence=altered(ALL, "bandit", canary=None)).verdict.verdict is Word.PASS


def test_configuration_cannot_take_a_required_stage_out_of_a_profile(run):
    cut = plan(job("bandit"), job("semgrep"), stages=("sast",))
    assert run(plan=cut, evidence=ALL[:2], profile="merge").verdict.verdict is Word.INCOMPLETE
    release = kinds(run(plan=cut, evidence=ALL[:2], profile="release"))
    assert {ReasonKind.REQUIRED_MISSING, ReasonKind.REQUIRED_SUBJECT} <= release


@pytest.mark.parametrize("profile", PROFILES)
def test_altered_evidence_is_incomplete_everywhere(run, profile):
    judgement = run(altered={"bandit": "stdout is not what was recorded"}, profile=profile)
    assert judgement.verdict.verdict is Word.INCOMPLETE
    assert ReasonKind.EVIDENCE_INVALID in kinds(judgement)
    assert not judgement.verdict.evidence[0].valid


def test_interrupted_run_is_incomplete(run):
    judgement = run(interrupted=True)
    assert (judgement.verdict.verdict, kinds(judgement)) == (Word.INCOMPLETE, {ReasonKind.INTERRUPTED})


def test_fail_wins_over_incomplete_and_every_reason_is_kept(run):
    judgement = run(finding(), interrupted=True, evidence=altered(ALL, "fuzz", outcome=Outcome.FAILED))
    assert judgement.verdict.verdict is Word.FAIL
    assert {ReasonKind.BLOCKING_FINDING, ReasonKind.INTERRUPTED, ReasonKind.NOT_MEASURED} <= kinds(judgement)


def test_nothing_valid_at_all_is_incomplete_even_in_dev(run):
    nothing = tuple(evidence(tool, outcome=Outcome.MISSING) for tool in STAGE)
    assert ReasonKind.NOTHING_JUDGED in kinds(run(evidence=nothing))
    assert run(evidence=nothing).verdict.verdict is Word.INCOMPLETE
    assert run(plan=plan(jobs=()), evidence=()).verdict.verdict is Word.INCOMPLETE


def test_everything_skipped_is_nothing_judged_unless_a_scope_says_why(run):
    jobs = tuple(job(tool, skip="nothing configured") for tool in STAGE)
    skipped = tuple(evidence(tool, outcome=Outcome.SKIPPED) for tool in STAGE)
    assert run(plan=plan(*jobs), evidence=skipped).verdict.verdict is Word.INCOMPLETE
    assert run(plan=plan(*jobs, scope="since main"), evidence=skipped).verdict.verdict is Word.PARTIAL


def test_skipped_satisfies_required_unless_the_profile_requires_the_subject(run):
    jobs = [job(tool, skip="none" if tool == "fuzz" else "") for tool in STAGE]
    skipped = altered(ALL, "fuzz", outcome=Outcome.SKIPPED)
    assert run(plan=plan(*jobs), evidence=skipped, profile="merge").verdict.verdict is Word.PASS
    release = run(plan=plan(*jobs), evidence=skipped, profile="release")
    assert (release.verdict.verdict, kinds(release)) == (Word.INCOMPLETE, {ReasonKind.REQUIRED_SUBJECT})


def test_evidence_that_calls_itself_skipped_against_the_plan_is_void(run):
    judgement = run(evidence=altered(ALL, "bandit", outcome=Outcome.SKIPPED))
    assert (judgement.verdict.verdict, kinds(judgement)) == (Word.INCOMPLETE, {ReasonKind.EVIDENCE_INVALID})


def test_stages_left_out_make_partial_and_are_named_in_every_profile(run):
    only = plan(job("bandit"), job("semgrep"), stages=("sast",), left_out=("deps", "fuzz"))
    for profile in ("dev", "merge"):
        verdict = run(plan=only, evidence=ALL[:2], profile=profile).verdict
        assert (verdict.verdict, verdict.partial) == (Word.PARTIAL, ("deps", "fuzz"))


def test_required_tool_that_the_plan_forgot_in_a_stage_that_was_asked_for_is_incomplete(run):
    forgot = plan(job("bandit"), job("pip-audit"))
    judgement = run(plan=forgot, evidence=(ALL[0], ALL[2]), profile="merge")
    assert judgement.verdict.verdict is Word.INCOMPLETE
    dev = run(plan=forgot, evidence=(ALL[0], ALL[2]))
    assert (dev.verdict.verdict, dev.verdict.partial) == (Word.PARTIAL, ("sast",))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_source_that_nothing_reads_is_no_pass(run, profile):
    nothing = Unread(source="hw", reason="no scanner reads C that is not guest_facing")
    verdict = run(profile=profile, plan=plan(unread=(nothing,))).verdict
    assert (verdict.verdict, verdict.partial) == (Word.PARTIAL, ("sast",))
    (reason,) = verdict.reasons
    assert (reason.kind, reason.message) == (
        ReasonKind.NOT_PLANNED,
        "source hw: nothing read, no scanner reads C that is not guest_facing",
    )


def test_scope_makes_partial_of_the_stages_that_were_cut_down(run):
    jobs = (job("bandit", narrowed=True), *(job(tool) for tool in STAGE if tool != "bandit"))
    verdict = run(plan=plan(*jobs, scope="changed since main")).verdict
    assert (verdict.verdict, verdict.partial, verdict.scope) == (Word.PARTIAL, ("sast",), "changed since main")


@pytest.mark.parametrize("age", [31, None, -2])
def test_stale_unknown_or_future_advisories_warn_in_dev_and_void_the_evidence_in_release(run, age):
    data = {"PyPI": None if age is None else DAY - timedelta(days=age)}
    old = altered(ALL, "pip-audit", advisories=data)
    dev, release = run(evidence=old), run(evidence=old, profile="release")
    assert (dev.verdict.verdict, kinds(dev)) == (Word.PASS, {ReasonKind.ADVISORIES_STALE})
    assert release.verdict.verdict is Word.INCOMPLETE
    assert kinds(release) == {ReasonKind.ADVISORIES_STALE, ReasonKind.REQUIRED_MISSING}


@pytest.mark.parametrize(("age", "word"), [(365, Word.PASS), (366, Word.INCOMPLETE)])
def test_merge_takes_advisories_of_a_year(run, age, word):
    old = altered(ALL, "pip-audit", advisories={"PyPI": DAY - timedelta(days=age)})
    assert run(evidence=old, profile="merge").verdict.verdict is word


@pytest.mark.parametrize("origin", [Origin.OVERRIDE, Origin.PATH, Origin.NONE])
def test_release_refuses_executables_from_elsewhere(run, origin):
    assert run(evidence=altered(ALL, "bandit", origin=origin)).verdict.verdict is Word.PASS
    release = run(evidence=altered(ALL, "bandit", origin=origin), profile="release")
    assert (release.verdict.verdict, ReasonKind.OVERRIDE_REFUSED in kinds(release)) == (Word.INCOMPLETE, True)


def test_release_refuses_a_further_program_from_elsewhere(run):
    dot = Program(argv=("/x/dot",), version="1", digest="", origin=Origin.OVERRIDE)
    judgement = run(evidence=altered(ALL, "fuzz", programs={"dot": dot}), profile="release")
    assert ReasonKind.OVERRIDE_REFUSED in kinds(judgement)


def test_finding_from_unlisted_tool_is_no_pass(run):
    assert run(finding("ghost", level=Level.INFO)).verdict.verdict is Word.INCOMPLETE


def test_evidence_nobody_planned_voids_itself(run):
    judgement = run(evidence=(*ALL, evidence("bandit", job="bandit@other")))
    assert ReasonKind.EVIDENCE_INVALID in kinds(judgement)


def imports(name="import:scan", **more):
    return evidence(name, job=name.replace(":", "-"), stage="import", origin=Origin.IMPORT, **more)


def test_run_of_imports_alone_needs_just_these_and_is_partial(run):
    alone = plan(jobs=(), stages=("import",), left_out=tuple(STAGE.values()), imports=True)
    verdict = run(plan=alone, evidence=(imports(),)).verdict
    assert (verdict.verdict, verdict.partial) == (Word.PARTIAL, ("import",))
    failed = run(plan=alone, evidence=(imports(), imports("import:b", outcome=Outcome.FAILED))).verdict
    assert (failed.verdict, failed.partial) == (Word.INCOMPLETE, ("import",))
    assert run(finding("import:scan"), plan=alone, evidence=(imports(),)).verdict.verdict is Word.FAIL


def test_import_never_satisfies_a_required_tool_whatever_it_calls_itself(run):
    alone = plan(jobs=(), stages=("import",), imports=True)
    strict = run(plan=alone, evidence=(imports("import:bandit"),), profile="merge")
    assert (strict.verdict.verdict, ReasonKind.REQUIRED_MISSING in kinds(strict)) == (Word.INCOMPLETE, True)
    posing = altered(ALL, "bandit", origin=Origin.IMPORT)
    assert run(evidence=posing, profile="merge").verdict.verdict is Word.INCOMPLETE


def test_import_beside_a_run_adds_its_findings_and_replaces_nothing(run):
    judgement = run(finding("import:scan"), evidence=(*ALL, imports()))
    assert judgement.verdict.verdict is Word.FAIL
    assert [one.tool for one in judgement.verdict.evidence] == [*STAGE, "import:scan"]


def test_counts_add_up(run):
    many = [finding(path=f"src/{n}.py", level=level) for n, level in enumerate(Level)] + [finding("fuzz")]
    counts = run(*many).verdict.counts
    assert counts.total == 7 == counts.blocking + counts.waived + counts.advising == counts.new + counts.unchanged
    assert sum(counts.by_level.values()) == sum(counts.by_tool.values()) == 7


def test_without_a_baseline_every_finding_is_new_and_first_seen_today(run):
    (only,) = run(finding()).findings
    assert (only.status, only.first_seen) == (Status.NEW, date(2026, 11, 24))


def test_same_values_give_the_same_bytes(run):
    found = [finding(path=f"src/{n}.py") for n in range(20)]
    assert codec.encode(run(*found).verdict) == codec.encode(run(*found).verdict)


def test_profile_that_the_policy_lacks_names_the_nearest(run):
    with pytest.raises(PolicyError, match='did you mean "release"'):
        run(profile="relase")
