"""`[[sarif_tool]]`: a foreign program by configuration alone, held to the same proof as the built-in ones."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

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


@pytest.mark.parametrize(
    ("sources", "canary", "message"),
    [
        ('["src"]', '{ path = "planted", expects = {} }', "sarif_tool[1].canary.expects: got {}"),
        ('["src"]', '{ path = "src", expects = { r = 1 } }', "canary.path: holds the source 'src'"),
        ('["src/a"]', '{ path = "src", expects = { r = 1 } }', "canary.path: holds the source 'src/a'"),
        ('["src"]', '{ path = ".", expects = { r = 1 } }', "canary.path: holds the source 'src'"),
        ('["src/a"]', '{ path = "planted/../src/", expects = { r = 1 } }', "holds the source 'src/a'"),
        ('["link"]', '{ path = "src", expects = { r = 1 } }', "holds the source 'link'"),
    ],
)
def test_a_canary_that_proves_nothing_or_hides_a_source_is_a_configuration_error(tmp_path, sources, canary, message):
    for name in ("src/a", "planted"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("src/a")
    path = tmp_path / "secdl.toml"
    path.write_text(
        '[product]\nname = "p"\nversion = "1"\n[[sarif_tool]]\nname = "lint"\nstage = "sast"\n'
        f'command = ["lint", "{{canary}}"]\nsources = {sources}\ncanary = {canary}\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert "secdl.toml" in str(caught.value)


def test_findings_of_a_captured_report_without_the_canary_in_either_place():
    tool = tool_of(ENTRY)
    findings = list(tool.parse(REPORT, job(ENTRY)))
    assert sorted((f.rule, f.level, f.path, f.locations[0].line) for f in findings) == [
        ("F401", Level.HIGH, "tools/run.py", 3),
        ("S102", Level.HIGH, "canary:defects.py", 2),
        ("S102", Level.HIGH, "tools/run.py", 7),
    ]


def test_the_planted_defects_are_the_proof_of_a_report_that_lists_no_files():
    assert tool_of(ENTRY).work(REPORT, job(ENTRY)).read == {"artifacts": 0, "results": 2, "planted_defects": 1}


@pytest.mark.parametrize(
    ("command", "artifacts"),
    [
        # The sources were never given to it.
        (("lint", "{canary}"), []),
        # What it lists is the canary alone, in either of its places.
        (("lint", "{sources}", "{canary}"), ["CANARY/defects.py", "tools/planted/defects.py"]),
        (("lint", "{canary}"), ["CANARY/defects.py"]),
    ],
)
def test_a_program_that_read_the_planted_defects_alone_read_nothing(command, artifacts):
    entry = msgspec.structs.replace(ENTRY, command=command)
    here = job(entry)
    places = [{"location": {"uri": uri.replace("CANARY", here.canary)}} for uri in artifacts]
    hits = [result("S102", f"{here.canary}/defects.py"), result("S102", "tools/planted/defects.py")]
    run = {"tool": {"driver": {"name": "lint"}}, "artifacts": places, "results": hits}
    raw = json.dumps({"version": "2.1.0", "runs": [run]}).encode()
    assert not any(tool_of(entry).work(raw, here).read.values())


def result(rule, uri):
    return {
        "ruleId": rule,
        "message": {"text": rule},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}],
    }


def test_what_it_lists_beside_the_canary_is_what_it_read():
    here = job(ENTRY)
    places = [{"location": {"uri": uri}} for uri in ("tools/run.py", f"{here.canary}/defects.py")]
    run = {"tool": {"driver": {"name": "lint"}}, "artifacts": places, "results": []}
    raw = json.dumps({"version": "2.1.0", "runs": [run]}).encode()
    assert tool_of(ENTRY).work(raw, here).read == {"artifacts": 1, "results": 0}


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
