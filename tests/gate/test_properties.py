"""What holds of every judgement, whatever the run left."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from secdl.gate import baseline as base
from secdl.gate.decide import judge
from secdl.gate.owners import codeowners
from secdl.model import codec
from secdl.model.evidence import CanaryResult, Origin, Outcome, Work
from secdl.model.finding import Level, Status
from secdl.model.fingerprint import identify
from secdl.model.policy import Waiver, Waivers, parse_policy
from secdl.model.verdict import WORD_OF_KIND, ReasonKind, Word
from tests.gate.runs import DAY, POLICY_TEXT, STAGE, evidence, finding, job, plan

POLICY = parse_policy(POLICY_TEXT, where="gate.toml")
CANARIES = [None, *(CanaryResult(expected={"r": 1}, found={"r": n}) for n in (0, 1, 1, 1))]
ORDER = [Word.PASS, Word.PARTIAL, Word.INCOMPLETE, Word.FAIL]


@st.composite
def findings(draw):
    return draw(
        st.lists(
            st.builds(
                finding,
                tool=st.sampled_from([*STAGE, "ghost"]),
                rule=st.sampled_from(["B602", "B101", "hang-x", "CVE-1"]),
                level=st.sampled_from(Level),
                path=st.sampled_from(["src/a.py", "src/b.py", "lib/c.py"]),
                snippet=st.sampled_from(["x", "y", ""]),
            ),
            max_size=8,
        )
    )


@st.composite
def runs(draw):
    jobs, left = [], []
    for tool in STAGE:
        skip = draw(st.sampled_from(["", "", "nothing declared"]))
        if draw(st.booleans()) or not skip:
            jobs.append(job(tool, skip=skip, narrowed=draw(st.booleans())))
        if draw(st.integers(0, 5)):
            left.append(
                evidence(
                    tool,
                    outcome=Outcome.SKIPPED if skip else draw(st.sampled_from([Outcome.OK] * 5 + list(Outcome))),
                    origin=draw(st.sampled_from([Origin.PYPI, Origin.PYPI, *Origin])),
                    work=Work(read={"files": draw(st.integers(0, 3))}, unread=draw(st.sampled_from([(), (), ("f",)]))),
                    canary=draw(
                        st.sampled_from(
                            [None, *[CanaryResult(expected={"r": 1}, found={"r": n}) for n in (0, 1, 1, 1)]]
                        )
                    ),
                    advisories={"PyPI": draw(st.sampled_from([None, DAY, DAY - timedelta(days=40)]))},
                )
            )
    waived = Waiver(
        id="W",
        rule="bandit:B602",
        path="src/a.py",
        reason="r",
        owner="o",
        approver=draw(st.sampled_from(["p", "o"])),
        created=DAY,
        expires=DAY + timedelta(days=draw(st.integers(0, 200))),
    )
    old = b"".join(codec.encode_line(one) for one in identify(draw(findings())))
    return {
        "plan": plan(
            jobs=tuple(jobs),
            left_out=draw(st.sampled_from([(), (), ("fuzz",)])),
            scope=draw(st.sampled_from(["", "", "since main"])),
        ),
        "evidence": tuple(left),
        "findings": list(identify(draw(findings()))),
        "policy": POLICY,
        "waivers": Waivers(waiver=(waived,) if draw(st.booleans()) else ()),
        "baseline": base.of_run("then", old, evidence=left, day=DAY) if draw(st.booleans()) else None,
        "owners": codeowners("* @all\nlib/ @lib"),
        "profile": draw(st.sampled_from(["dev", "merge", "release"])),
        "interrupted": draw(st.sampled_from([False, False, False, True])),
    }


MANY = settings(max_examples=60)


@MANY
@given(runs())
def test_pass_means_that_everything_planned_was_measured_and_nothing_blocks(run):
    verdict = judge(**run).verdict
    if verdict.verdict is Word.PASS:
        assert verdict.partial == ()
        assert verdict.counts.blocking == 0
        assert not run["interrupted"]
        assert any(one.valid for one in verdict.evidence)
        assert all(one.valid or one.outcome == "skipped" for one in verdict.evidence)
        planned = {each.name for each in run["plan"].jobs}
        assert planned == {one.job for one in verdict.evidence}


@MANY
@given(runs())
def test_word_is_the_worst_of_its_reasons_and_every_fault_has_one(run):
    verdict = judge(**run).verdict
    words = [WORD_OF_KIND.get(reason.kind, Word.PASS) for reason in verdict.reasons] or [Word.PASS]
    assert verdict.verdict is max(words, key=ORDER.index)
    named = {reason.message.partition(":")[0] for reason in verdict.reasons}
    assert {one.job for one in verdict.evidence if not one.valid and one.outcome != "skipped"} <= named
    assert (verdict.counts.blocking > 0) is any(r.kind is ReasonKind.BLOCKING_FINDING for r in verdict.reasons)
    if run["profile"] != "dev" and any(not one.valid and one.tool == "bandit" for one in verdict.evidence):
        skipped = any(one.outcome == "skipped" and one.tool == "bandit" for one in verdict.evidence)
        assert skipped or verdict.verdict in (Word.INCOMPLETE, Word.FAIL)


@MANY
@given(runs())
def test_counts_add_up(run):
    judgement = judge(**run)
    counts, present = judgement.verdict.counts, [f for f in judgement.findings if f.status is not Status.ABSENT]
    assert counts.total == len(run["findings"]) == len(present) == counts.new + counts.unchanged
    assert counts.total == counts.blocking + counts.waived + counts.advising
    assert counts.total == sum(counts.by_level.values()) == sum(counts.by_tool.values())
    assert counts.absent == len(judgement.findings) - len(present) == sum(counts.absent_by_cause.values())
    assert counts.waived == sum(waiver.findings for waiver in judgement.verdict.waivers)
    blocking = {one.fingerprint for one in present if one.blocking}
    reasons = [r for r in judgement.verdict.reasons if r.kind is ReasonKind.BLOCKING_FINDING]
    assert {print_ for reason in reasons for print_ in reason.fingerprints} == blocking
    assert not any(one.blocking and one.waiver for one in present)


@MANY
@given(runs())
def test_same_run_gives_the_same_bytes(run):
    one, other = judge(**run), judge(**run)
    assert codec.encode(one.verdict) == codec.encode(other.verdict)
    assert [codec.encode_line(f) for f in one.findings] == [codec.encode_line(f) for f in other.findings]
