from datetime import date, timedelta

import pytest

from secdl.gate import waivers as gate
from secdl.model.errors import PolicyError
from secdl.model.evidence import Outcome
from secdl.model.finding import Level
from secdl.model.fingerprint import identify
from secdl.model.policy import Waiver, WaiverLimits, Waivers, parse_waivers
from secdl.model.verdict import ReasonKind, Word
from tests.gate.runs import DAY, STAGE, altered, evidence, finding

ALL = tuple(evidence(tool) for tool in STAGE)


def waiver(**more):
    settled = {
        "id": "W-1",
        "reason": "the input is ours",
        "owner": "ann",
        "approver": "bob",
        "created": DAY - timedelta(days=10),
        "expires": DAY + timedelta(days=40),
    }
    if not {"fingerprint", "rule", "cve"} & set(more):
        more |= {"rule": "bandit:B602", "path": "src/a.py"}
    return Waiver(**(settled | more))


def judged(run, *findings, waivers=(), **more):
    judgement = run(*findings, waivers=Waivers(waiver=tuple(waivers)), **more)
    reasons = {reason.kind: reason.message for reason in judgement.verdict.reasons}
    return judgement, reasons


def test_waiver_by_rule_and_path_takes_the_finding_out_of_the_verdict_and_is_listed(run):
    judgement, reasons = judged(run, finding(), waivers=[waiver()])
    assert (judgement.verdict.verdict, reasons) == (Word.PASS, {})
    assert judgement.findings[0].waiver == "W-1"
    assert not judgement.findings[0].blocking
    (accepted,) = judgement.verdict.waivers
    assert (accepted.id, accepted.owner, accepted.approver, accepted.findings) == ("W-1", "ann", "bob", 1)
    assert judgement.verdict.counts.waived == 1


def test_waiver_by_fingerprint_covers_that_finding_alone(run):
    (known,) = identify([finding()])
    judgement, _ = judged(run, finding(), finding(rule="B9"), waivers=[waiver(fingerprint=known.fingerprint)])
    assert [one.waiver for one in judgement.findings] == ["W-1", None]


@pytest.mark.parametrize(
    ("waived", "found", "held"),
    [
        ("pkg:pypi/a@1", "pkg:pypi/a@1", True),
        ("pkg:pypi/a", "pkg:pypi/a@1", True),
        ("pkg:pypi/a@1", "pkg:pypi/a@1?arch=all", True),
        ("pkg:pypi/a@1", "pkg:pypi/a@2", False),
        ("pkg:pypi/a", "pkg:pypi/ab@1", False),
        ("pkg:pypi/a@1?arch=x", "pkg:pypi/a@1?arch=y", False),
    ],
)
def test_waiver_by_cve_and_purl_covers_that_package(run, waived, found, held):
    vulnerable = finding("pip-audit", "PYSEC-1", aliases=("CVE-2026-1",), purl=found)
    judgement, _ = judged(run, vulnerable, waivers=[waiver(cve="cve-2026-1", purl=waived)])
    assert (judgement.findings[0].waiver == "W-1") is held


INVALID = {
    "expired": ({"expires": DAY - timedelta(days=1)}, "expired on 2026-11-23"),
    "not yet": ({"created": DAY + timedelta(days=1)}, "has not come yet"),
    "no approver": ({"approver": " "}, "names no approver"),
    "one person": ({"approver": " ANN "}, "takes two people"),
    "any folder": ({"rule": "bandit:B602", "path": "**/*.py"}, "too broad"),
    "star": ({"rule": "bandit:B602", "path": "*/a.py"}, "too broad"),
    "whole top folder": ({"rule": "bandit:B602", "path": "src/**"}, "too broad"),
    "too long": ({"created": DAY, "expires": DAY + timedelta(days=91)}, "91 days; 90 is the most"),
}


@pytest.mark.parametrize("fault", sorted(INVALID))
def test_waiver_that_does_not_hold_fails_and_waives_nothing(run, fault):
    changed, why = INVALID[fault]
    judgement, reasons = judged(run, finding(), waivers=[waiver(**changed)])
    assert judgement.verdict.verdict is Word.FAIL
    assert why in reasons[ReasonKind.WAIVER_INVALID]
    assert judgement.findings[0].blocking
    assert judgement.verdict.waivers == ()


def test_last_day_still_holds_and_warns(run):
    judgement, reasons = judged(run, finding(), waivers=[waiver(expires=DAY)])
    assert judgement.verdict.verdict is Word.PASS
    assert "in 0 days" in reasons[ReasonKind.WAIVER_DUE]


@pytest.mark.parametrize(("days", "warned"), [(21, True), (22, False)])
def test_waiver_warns_three_weeks_ahead(run, days, warned):
    _, reasons = judged(run, finding(), waivers=[waiver(expires=DAY + timedelta(days=days))])
    assert (ReasonKind.WAIVER_DUE in reasons) is warned


@pytest.mark.parametrize(("level", "most"), [(Level.CRITICAL, 30), (Level.MEDIUM, 180), (Level.UNKNOWN, 30)])
def test_life_is_limited_by_level_and_by_the_strictest_where_the_policy_is_silent(run, level, most):
    for days, word in ((most, Word.PASS), (most + 1, Word.FAIL)):
        held = waiver(created=DAY, expires=DAY + timedelta(days=days))
        judgement, _ = judged(run, finding(level=level), waivers=[held])
        assert judgement.verdict.verdict is word


def test_waiver_that_covers_too_many_findings_waives_none_of_them(run):
    many = [finding(path=f"src/dir/{n}.py") for n in range(4)]
    wide = waiver(rule="bandit:B602", path="src/dir/*")
    assert judged(run, *many[:3], waivers=[wide])[0].verdict.verdict is Word.PASS
    judgement, reasons = judged(run, *many, waivers=[wide])
    assert judgement.verdict.counts.blocking == 4
    assert judgement.verdict.waivers == ()
    assert "covers 4 findings, 3 is the most" in reasons[ReasonKind.WAIVER_INVALID]


def test_star_stays_within_a_folder(run):
    judgement, _ = judged(
        run, finding(path="src/dir/deep/a.py"), waivers=[waiver(rule="bandit:B602", path="src/dir/*")]
    )
    assert judgement.findings[0].blocking


def test_unused_waiver_is_named_only_by_a_run_that_measured_everything(run):
    other = waiver(rule="bandit:B1", path="src/a.py")
    judgement, reasons = judged(run, waivers=[other])
    assert (judgement.verdict.verdict, "covers no finding" in reasons[ReasonKind.WAIVER_UNUSED]) == (Word.PASS, True)
    _, reasons = judged(run, waivers=[other], evidence=altered(ALL, "fuzz", outcome=Outcome.FAILED))
    assert ReasonKind.WAIVER_UNUSED not in reasons


def test_expired_waiver_whose_finding_is_gone_is_only_unused(run):
    judgement, reasons = judged(run, waivers=[waiver(expires=DAY - timedelta(days=1))])
    assert judgement.verdict.verdict is Word.PASS
    assert "it expired" in reasons[ReasonKind.WAIVER_UNUSED]


def test_hostile_words_in_a_waiver_come_out_on_one_line(run):
    _, reasons = judged(run, finding(), waivers=[waiver(owner="a\x1b[31m\nb", expires=DAY)])
    assert "\n" not in reasons[ReasonKind.WAIVER_DUE]
    assert "\x1b" not in reasons[ReasonKind.WAIVER_DUE]


def test_add_keeps_what_is_there_and_reads_back_to_the_same_waiver():
    text = '# why we have these\n\n[[waiver]] # first\nid = "A"\nrule = "b:c"\npath = "p/q"\nreason = "r"\n'
    text += 'owner = "o"\napprover = "p"\ncreated = 2026-01-01\nexpires = 2026-02-01'
    odd = waiver(reason='he said "no"\\ \n\ttab \x07 ü 😀')
    result = gate.add(text, odd)
    assert result.startswith(text + "\n\n[[waiver]]\n")
    assert parse_waivers(result, where="w").waiver[1] == odd
    assert parse_waivers(gate.add("", odd), where="w").waiver == (odd,)


def test_add_refuses_an_id_that_is_taken():
    with pytest.raises(PolicyError, match="used twice"):
        gate.add(gate.add("", waiver()), waiver())


def test_next_id_is_free():
    taken = Waivers(waiver=(waiver(id="W-2026-1"), waiver(id="W-2026-3")))
    assert gate.next_id(taken, today=DAY) == "W-2026-2"


def test_due_lists_the_soonest_first():
    ends = {"late": 22, "soon": 3, "over": -3, "edge": 21}
    all_of_them = Waivers(waiver=tuple(waiver(id=id_, expires=DAY + timedelta(days=n)) for id_, n in ends.items()))
    assert [one.id for one in gate.due(all_of_them, as_of=DAY)] == ["over", "soon", "edge"]


def test_limits_default_to_something():
    assert WaiverLimits().days(Level.HIGH) == 90
    assert "90 is the most" in gate.fault(waiver(expires=date(2030, 1, 1)), limits=WaiverLimits(), today=DAY)
