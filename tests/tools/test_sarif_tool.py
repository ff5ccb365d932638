"""`[[sarif_tool]]`: a foreign program by configuration alone, held to the same proof as the built-in ones."""

import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from secdl.model.config import SarifCanary, SarifTool, load_config
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.finding import Level
from secdl.model.tool import CANARY, Job, Stage
from secdl.tools.sarif_tool import tool_of

REPORT = (Path(__file__).parent.parent / "data/sarif_tool/ruff.sarif").read_bytes()
RUFF = Path(sys.executable).parent / "ruff"
COMMAND = ("ruff", "check", "--isolated", "--no-cache", "--select=F401,S102", "--output-format=sarif")
ENTRY = SarifTool(
    name="ruff",
    stage=Stage.SAST,
    command=(*COMMAND, "--output-file={out}", "{sources}", "{canary}"),
    completed=(0, 1),
    sources=("tools",),
    canary=SarifCanary(path="tools/planted", expects={"S102": 1}),
)
BARE = SarifTool(name="lint", stage=Stage.SAST, command=("lint", "{sources}"), sources=("a", "b"))
EMPTY = b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": []}]}'


def job(entry: SarifTool, root: str = "/srv/checkout") -> Job:
    tool = tool_of(entry)
    return Job(
        name=entry.name,
        tool=entry.name,
        stage=entry.stage,
        root=root,
        folder=f"{root}/.secdl/runs/r/evidence/{entry.name}",
        output=tool.output,
        sources=entry.sources,
        has_canary=entry.canary is not None,
    )


def test_placeholders_are_replaced_and_the_first_word_is_the_program():
    entry = SarifTool(
        name="lint",
        stage=Stage.SAST,
        command=("lint", "--in={source}", "-o{out}", "{canary}/x", "{sources}", "{}"),
        sources=("a", "b"),
        canary=SarifCanary(path="planted", expects={"r": 1}),
    )
    tool = tool_of(entry)
    folder = job(entry).folder
    expected = ("--in=a", "--in=b", f"-o{folder}/out.sarif", f"{folder}/canary/x", "a", "b", "{}")
    assert (tool.program, tool.argv(job(entry)), tool.output) == ("lint", expected, "out.sarif")


def test_without_out_the_report_is_standard_output():
    assert tool_of(BARE).output == "stdout"


@pytest.mark.parametrize(
    ("command", "canary", "message"),
    [
        (("lint", "{src}"), None, "unknown placeholder {src}"),
        (("lint", "{canary}"), None, "{canary} without a canary"),
        (("lint", "{sources}"), SarifCanary(path="p", expects={"r": 1}), "never given"),
    ],
)
def test_a_command_that_cannot_do_what_the_entry_says_is_a_configuration_error(command, canary, message):
    with pytest.raises(ConfigError) as caught:
        tool_of(SarifTool(name="lint", stage=Stage.SAST, command=command, canary=canary))
    assert message in str(caught.value)


def test_a_canary_outside_the_checkout_is_a_configuration_error(tmp_path):
    path = tmp_path / "secdl.toml"
    path.write_text(
        '[product]\nname = "p"\nversion = "1"\n[[sarif_tool]]\nname = "lint"\nstage = "sast"\n'
        'command = ["lint", "{canary}"]\ncanary = { path = "../elsewhere", expects = { r = 1 } }\n'
    )
    with pytest.raises(ConfigError, match="leads out"):
        load_config(path)


def test_findings_of_a_captured_report_without_the_canary_in_either_place():
    tool = tool_of(ENTRY)
    findings = list(tool.parse(REPORT, job(ENTRY)))
    assert sorted((f.rule, f.level, f.path, f.locations[0].line) for f in findings) == [
        ("F401", Level.HIGH, "tools/run.py", 3),
        ("S102", Level.HIGH, "canary:defects.py", 2),
        ("S102", Level.HIGH, "tools/run.py", 7),
    ]


def test_the_planted_defects_are_the_proof_of_a_report_that_lists_no_files():
    assert tool_of(ENTRY).work(REPORT, job(ENTRY)).read == {"artifacts": 0, "results": 3, "planted_defects": 1}


def test_an_empty_report_without_canary_proves_nothing():
    assert not any(tool_of(BARE).work(EMPTY, job(BARE)).read.values())


@pytest.mark.parametrize("raw", [b"", REPORT[:400], b"{}", b'{"results": [], "errors": []}'])
def test_anything_but_whole_sarif_is_malformed(raw):
    with pytest.raises(MalformedOutput):
        list(tool_of(ENTRY).parse(raw, job(ENTRY)))
    with pytest.raises(MalformedOutput):
        tool_of(ENTRY).work(raw, job(ENTRY))


@pytest.mark.skipif(not RUFF.exists(), reason="ruff is not beside this Python; it comes with the development lock")
def test_a_real_program_runs_by_configuration_alone(tmp_path):
    tool, here = tool_of(ENTRY), job(ENTRY, str(tmp_path))
    (tmp_path / "tools/planted").mkdir(parents=True)
    (tmp_path / "tools/run.py").write_text("import os\n")
    (tmp_path / "tools/planted/defects.py").write_text("exec(input())\n")
    Path(here.folder).mkdir(parents=True)
    shutil.copytree(tmp_path / "tools/planted", here.canary)
    ended = subprocess.run([RUFF, *tool.argv(here)], cwd=tmp_path, check=False)
    report = Path(here.out).read_bytes()
    assert ended.returncode in tool.completed
    assert Counter(f.path for f in tool.parse(report, here)) == {"tools/run.py": 1, f"{CANARY}defects.py": 1}
    blind = replace(here, has_canary=False)
    assert all(not f.path.startswith(CANARY) for f in tool.parse(report, blind))
