"""HTML, SARIF, JUnit, Markdown and the verdict say the same numbers and the same reasons."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from secdl.model.record import Record
from secdl.report import FORMATS
from secdl.report.view import effect

from . import records

NAMES = ("total", "blocking", "waived", "advising", "new", "unchanged", "absent", "suppressed")
RUNS = {
    "pass": records.passing,
    "partial": records.partial,
    "incomplete": records.incomplete,
    "fail": records.failing,
}


class Page(HTMLParser):
    """What the page says, read from the page: tables of counts, reasons, rows of findings, verdict."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.verdict = ""
        self.tallies: dict[str, tuple[list[int], int]] = {}
        self.reasons: list[list[str]] = []
        self.rows: list[dict[str, str]] = []
        self.text: list[str] = []
        self._tally = ""
        self._cells: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.verdict = given.get("data-verdict", self.verdict)
        if "data-tally" in given:
            self._tally = given["data-tally"]
            self.tallies[self._tally] = ([], -1)
        if "data-count" in given:
            self.tallies[self._tally][0].append(int(given["data-count"]))
        if "data-total" in given:
            self.tallies[self._tally] = (self.tallies[self._tally][0], int(given["data-total"]))
        if "data-reason" in given:
            self._cells = [given["data-reason"]]
            self.reasons.append(self._cells)
        if tag == "tr" and "data-state" in given:
            self.rows.append(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self._cells = None

    def handle_data(self, data: str) -> None:
        if self._cells is not None and data.strip():
            self._cells.append(data.strip())
        self.text.append(data)


@pytest.fixture(params=sorted(RUNS))
def run(request: pytest.FixtureRequest) -> Record:
    return RUNS[request.param]()


def test_all_formats_agree_on_every_count(run: Record) -> None:
    counts = {name: getattr(run.verdict.counts, name) for name in NAMES}

    sarif = json.loads(FORMATS["sarif"](run))
    said = sarif["properties"]["secdl/verdict"]
    results = [result for part in sarif["runs"] for result in part["results"]]
    assert {name: said["counts"][name] for name in NAMES} == counts
    assert len(results) == counts["total"]
    assert sum(result["properties"]["secdl/blocking"] for result in results) == counts["blocking"]
    assert sum("suppressions" in result for result in results) == counts["waived"]
    assert sum(result["baselineState"] == "new" for result in results) == counts["new"]

    junit = ElementTree.fromstring(FORMATS["junit"](run))  # noqa: S314 - our own
    properties = {p.get("name"): p.get("value") for p in junit.iter("property")}
    assert {name: int(properties[f"count.{name}"] or "") for name in NAMES} == counts
    cases = junit.findall("testsuite[@name='secdl.findings']/testcase")
    assert len(cases) == counts["blocking"]
    assert all(case.find("failure") is not None for case in cases)

    markdown = FORMATS["markdown"](run).decode()
    row = re.search(r"^\|( \d+ \|){8}$", markdown, re.MULTILINE)
    assert row is not None
    assert [int(cell) for cell in row[0].strip("| ").split(" | ")] == list(counts.values())

    page = Page(FORMATS["html"](run).decode())
    assert sum(row["data-state"] == "blocking" for row in page.rows) == counts["blocking"]
    assert sum(row["data-state"] == "waived" for row in page.rows) == counts["waived"]
    assert sum(row["data-status"] == "new" for row in page.rows) == counts["new"]
    assert len(page.rows) == counts["total"]
    assert page.tallies["state"] == ([counts["blocking"], counts["waived"], counts["advising"]], counts["total"])


def test_all_formats_agree_on_the_verdict_and_every_reason(run: Record) -> None:
    word = run.verdict.verdict.value
    reasons = [(reason.kind.value, reason.tool, reason.message) for reason in run.verdict.reasons]

    said = json.loads(FORMATS["sarif"](run))["properties"]["secdl/verdict"]
    assert said["verdict"] == word
    assert [(r["kind"], r["tool"], r["message"]) for r in said["reasons"]] == reasons

    junit = ElementTree.fromstring(FORMATS["junit"](run))  # noqa: S314 - our own
    values = [(p.get("name"), p.get("value")) for p in junit.iter("property")]
    assert ("verdict", word) in values
    assert [value for name, value in values if name == "reason"] == [
        ": ".join(part for part in reason if part) for reason in reasons
    ]

    page = Page(FORMATS["html"](run).decode())
    assert page.verdict == word
    shown = [(cells[0], cells[1], cells[3], cells[4]) for cells in page.reasons]
    assert shown == [(r.kind.value, effect(r), r.tool or "none", r.message) for r in run.verdict.reasons]

    markdown = re.sub(r"\\(.)", r"\1", FORMATS["markdown"](run).decode()).replace("\u200b", "")
    assert f"## secdl: {word}" in markdown
    for reason in run.verdict.reasons:
        assert f"`{reason.kind.value}`" in markdown
        assert reason.message in markdown


def test_page_and_markdown_say_alike_what_signing_accepts_beside_waivers(run: Record) -> None:
    (said,) = re.findall(r"Signing also accepts .*", FORMATS["markdown"](run).decode())
    assert f">{said}<" in FORMATS["html"](run).decode()
    counts = run.verdict.counts
    assert (f"{counts.advising:,} advising finding" if counts.advising else "no advising findings") in said
    assert sum(int(n) for n in re.findall(r"(\d+) (?:critical|high|medium|low|info|unknown)", said)) == counts.advising


def test_counts_on_the_page_add_up(run: Record) -> None:
    page = Page(FORMATS["html"](run).decode())
    assert set(page.tallies) >= {"state", "status", "level", "tool", "absent"}
    assert ("answer-1" in page.tallies) == ("evidence-1" in page.tallies) == bool(run.threats)
    for name, (parts, total) in page.tallies.items():
        assert sum(parts) == total, name


def test_the_same_record_gives_the_same_bytes(run: Record) -> None:
    for render in FORMATS.values():
        assert render(run) == render(run)


def test_only_a_pass_is_called_clean(run: Record) -> None:
    for name in ("html", "markdown", "junit", "sarif"):
        text = FORMATS[name](run).decode()
        # The page explains the word itself once, at its end.
        clean = re.search(r"\bclean\b", text.partition('id="wording"')[0], re.IGNORECASE)
        assert clean is None or run.verdict.verdict.value == "PASS", name
