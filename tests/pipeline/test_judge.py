import json
from pathlib import Path

import pytest

from secdl.pipeline.judge import judge_folder
from secdl.run.store import RunFolder
from tests.cli.conftest import sarif
from tests.matrix.harness import secdl

CONFIG = """
[product]
name = "small"
version = "1"
[[sarif_tool]]
name = "echo"
stage = "sast"
command = ["python3", "-SEc", "{code}", "{{out}}", "{{canary}}"]
sources = ["src"]
[sarif_tool.canary]
path = "planted"
expects = {{ planted = 1 }}
"""
# Writes its whole report, a hit in its canary included, and then ends badly.
CODE = (
    "import sys; text = open('echo.sarif').read().replace('CANARY', sys.argv[2]);"
    " open(sys.argv[1], 'w').write(text); sys.exit(7)"
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    for name in ("src/a.c", "planted/p.c"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("a\n")
    report = json.loads(sarif("real", "planted"))
    place = report["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]
    report["runs"][0]["results"][1]["locations"] = [
        {"physicalLocation": {"artifactLocation": place | {"uri": "CANARY/p.c"}}}
    ]
    (tmp_path / "echo.sarif").write_text(json.dumps(report))
    (tmp_path / "secdl.toml").write_text(CONFIG.format(code=CODE))
    assert secdl(tmp_path, "scan", "sast") == 3
    return RunFolder(next((tmp_path / ".secdl/runs").glob("2*")))


def test_planted_defects_are_no_findings_even_of_a_tool_that_ended_badly(run: RunFolder) -> None:
    judged = judge_folder(run, profile="")
    assert [finding.rule for finding in judged.findings] == ["real"]
    assert all("canary:" not in finding.path for finding in judged.findings)


def test_a_run_with_a_tool_that_this_secdl_does_not_have_is_not_believed(run: RunFolder) -> None:
    plan = json.loads((run.path / "plan.json").read_text())
    for job in plan["jobs"]:
        if job["tool"] == "echo":
            job["tool"] = "gone"
    (run.path / "plan.json").write_text(json.dumps(plan))
    record = json.loads((run.path / "evidence/echo/evidence.json").read_text())
    (run.path / "evidence/echo/evidence.json").write_text(json.dumps(record | {"tool": "gone", "outcome": "ok"}))
    judged = judge_folder(run, profile="")
    assert judged.verdict.verdict.value == "INCOMPLETE"
    assert any("no tool of that name" in reason.message for reason in judged.verdict.reasons)
