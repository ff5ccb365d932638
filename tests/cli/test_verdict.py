from datetime import UTC, datetime

from secdl.cli.verdict import print_verdict
from secdl.model.verdict import Counts, Reason, ReasonKind, Verdict, Word


def test_a_verdict_is_printed_with_its_reasons_in_order_and_one_finding_in_the_singular(capsys):
    reasons = (
        Reason(kind=ReasonKind.BLOCKING_FINDING, message="bad"),
        Reason(kind=ReasonKind.INTERRUPTED, message="cut"),
        Reason(kind=ReasonKind.NOT_PLANNED, message="left"),
        Reason(kind=ReasonKind.ADVISORY, message="told"),
    )
    verdict = Verdict(
        verdict=Word.FAIL,
        profile="dev",
        as_of=datetime(2026, 11, 24, tzinfo=UTC),
        reasons=reasons,
        counts=Counts(total=1, new=1, blocking=1),
    )
    print_verdict(verdict, report=None)
    out, err = capsys.readouterr()
    assert not out
    assert [line.split() for line in err.splitlines()[1:5]] == [
        ["FAIL", "bad"],
        ["INCOMPLETE", "cut"],
        ["PARTIAL", "left"],
        ["note", "told"],
    ]
    assert "FAIL  profile dev: 1 finding (1 blocking, 0 waived, 0 advising)" in err


def test_what_decides_is_not_said_once_more_as_a_note(capsys):
    reasons = (
        Reason(kind=ReasonKind.REQUIRED_MISSING, tool="pip-audit", message="pip-audit: advisories 90 days old"),
        Reason(kind=ReasonKind.ADVISORIES_STALE, tool="pip-audit", message="pip-audit: advisories 90 days old"),
        Reason(kind=ReasonKind.ADVISORIES_STALE, tool="trivy", message="trivy: advisories 9 days old"),
    )
    print_verdict(
        Verdict(verdict=Word.INCOMPLETE, profile="merge", as_of=datetime(2026, 11, 24, tzinfo=UTC), reasons=reasons),
        report=None,
    )
    lines = [line.strip() for line in capsys.readouterr().err.splitlines() if "days old" in line]
    assert lines == ["INCOMPLETE  pip-audit: advisories 90 days old", "note        trivy: advisories 9 days old"]
