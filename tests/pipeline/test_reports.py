"""Foreign reports through import and gate into every report that a run writes."""

import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from secdl.pipeline.imports import import_files
from secdl.pipeline.judge import read_record
from secdl.pipeline.steps import judge_run, report_run
from secdl.run.store import RunFolder

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HOSTILE = "</script><img src=x onerror=alert(1)> @octocat \x1b[31m\x00\u202e ]]> {{7*7}} ../../etc/passwd\r\n| a |"


def imported(folder: Path, text: str) -> RunFolder:
    """A run of one foreign report in which every string is `text`."""
    place = {"physicalLocation": {"artifactLocation": {"uri": "../../" + text}, "region": {"startLine": 1}}}
    result = {"ruleId": text, "level": "error", "message": {"text": text}, "locations": [place]}
    run = {"tool": {"driver": {"name": text, "version": text}}, "results": [result, result]}
    file = folder / "x.sarif"
    file.write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
    return import_files([file], None, root=folder, now=NOW, token="t")


def test_hostile_import_goes_safely_through_to_every_report(tmp_path: Path) -> None:
    run = imported(tmp_path, HOSTILE)
    verdict = judge_run(run)
    written = report_run(run)
    texts = {kind: path.read_text() for kind, path in written.items()}
    assert set(texts) == {"html", "sarif", "markdown", "junit"}
    for kind, content in texts.items():
        assert not set("\x00\x1b\u202e") & set(content), kind
    assert "<img" not in texts["html"]
    assert "<img" not in texts["markdown"]
    assert "@octocat" not in texts["markdown"]
    assert ElementTree.fromstring(texts["junit"]).tag == "testsuites"  # noqa: S314 - our own
    results = [result for part in json.loads(texts["sarif"])["runs"] for result in part["results"]]
    assert len(results) == verdict.counts.total == len(read_record(run).findings) == 2


def test_reports_of_an_earlier_verdict_do_not_outlive_it(tmp_path: Path) -> None:
    run = imported(tmp_path, "x")
    judge_run(run)
    old = report_run(run)["html"]
    judge_run(run, profile="release")
    assert not old.exists()


def test_reports_change_nothing_that_the_seal_covers(tmp_path: Path) -> None:
    run = imported(tmp_path, "x")
    judge_run(run)
    before = run.digest()
    report_run(run)
    assert run.digest() == before
