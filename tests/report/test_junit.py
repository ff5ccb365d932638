from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from secdl.model.record import Record
from secdl.report.junit import LISTED, render

from . import records


def read(record: Record) -> ElementTree.Element:
    return ElementTree.fromstring(render(record))  # noqa: S314 - our own


def test_each_job_is_a_case_and_lost_evidence_an_error() -> None:
    suite = read(records.incomplete()).find("testsuite[@name='secdl.evidence']")
    assert suite is not None
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds["bandit"] == kinds["semgrep"] == kinds["pip-audit"] == ["error"]
    assert kinds["image-build@reference"] == ["skipped"]
    assert kinds["syft@requirements"] == []


def test_a_run_that_is_not_clean_has_no_all_green_report() -> None:
    for make, mark in ((records.failing, "failure"), (records.incomplete, "error"), (records.partial, "skipped")):
        case = read(make()).find("testsuite[@name='secdl.verdict']/testcase")
        assert case is not None
        assert [child.tag for child in case] == [mark]


def test_totals_are_those_of_the_cases() -> None:
    for make in (records.passing, records.partial, records.incomplete, records.failing, records.hostile):
        root = read(make())
        for element in (root, *root.findall("testsuite")):
            cases = list(element.iter("testcase"))
            assert int(element.get("tests") or "") == len(cases)
            for total, mark in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                assert int(element.get(total) or "") == sum(case.find(mark) is not None for case in cases)


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(codec=None), max_size=80))
def test_any_text_becomes_valid_xml(text: str) -> None:
    assert read(records.hostile(text)).tag == "testsuites"


def test_very_many_blockers_are_counted_not_listed() -> None:
    cases = read(records.large((LISTED + 7) * 10)).findall("testsuite[@name='secdl.findings']/testcase")
    assert len(cases) == LISTED + 1
    failure = cases[-1].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("7 further blocking findings")
