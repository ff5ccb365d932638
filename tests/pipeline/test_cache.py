"""Evidence is reused only while nothing that a tool reads has changed."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from secdl.model.config import load_config
from secdl.model.evidence import Origin, Program
from secdl.pipeline.cache import key_of
from secdl.pipeline.plan import Options, make_plan, tools_of
from secdl.run.checkout import Checkout
from tests.matrix import harness

LOCKS = {"syft@locked", "pip-audit@locked"}
LOCK_FILES = {"requirements.txt"}
PACK = "rules: [{id: own.x, languages: [python], severity: LOW, message: m, pattern: f(...)}]\n"
TOUCHY = """
import json, pathlib, sys
run = {"tool": {"driver": {"name": "touchy"}}, "artifacts": [{"location": {"uri": "source.c"}}], "results": []}
pathlib.Path(sys.argv[1]).write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
if pathlib.Path("meddle").exists():
    pathlib.Path("source.c").write_text("b")
"""
TOUCHED = """
[product]
name = "touched"
version = "1"
[[sarif_tool]]
name = "touchy"
stage = "sast"
command = [{python}, "-SE", {script}, "{{out}}"]
sources = ["source.c"]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    harness.write_tree(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/own.yaml").write_text(PACK)
    tables: dict[str, dict[str, object]] = {"semgrep": {"packs": ["rules"]}}
    image = {"name": "small", "kind": "tar", "path": str(tmp_path / "image.tar"), "digest": "sha256:00"}
    sizes = {"size_bytes": 1, "files": 1, "packages": 1}
    (tmp_path / "image.json").write_text(json.dumps(image | sizes))
    (tmp_path / "needed.json").write_text("{}")
    harness.configure(tmp_path, tables, required=("sast", "bandit"))
    return tmp_path


def keys(root: Path, *, profile: str = "dev") -> dict[str, str]:
    """The cache key of every job, as a scan of the tree at `root` would compute it."""
    config = load_config(root / "secdl.toml")
    plan = make_plan(config, Options(config=root / "secdl.toml", profile=profile), run="r", now=datetime.now(UTC))
    tools = {tool.name: tool for tool in tools_of(config)}
    program = Program(argv=("/usr/bin/tool",), version="1", origin=Origin.PATH, digest="sha256:00")
    found = {}
    for job in plan.jobs:
        tool = tools[job.tool]
        ready = replace(
            job,
            folder=str(root / ".secdl/runs/r/evidence" / job.name),
            services=dict.fromkeys(tool.services, "http://127.0.0.1:1"),
            data={"advisories": str(root / "advisories"), "cache": str(root / "cache")},
            inputs={need.partition("@")[0]: str(root / "needed.json") for need in job.needs},
            programs=dict.fromkeys(tool.programs, "/usr/bin/tool"),
        )
        if tool.reusable and not job.skip:
            found[job.name] = key_of(
                tool,
                ready,
                program=program,
                programs={},
                argv=tool.argv(ready),
                lay=partial(tool.lay, ready, Checkout(root)),
                advisories="",
                profile=profile,
            )
    return found


def changed(root: Path, change: Callable[[], object], **options: str) -> set[str]:
    """The jobs that `change` makes to be measured again."""
    before = keys(root, **options)
    change()
    after = keys(root, **options)
    assert before.keys() == after.keys()
    return {job for job, key in before.items() if after[job] != key}


def test_what_did_not_change_is_reused(tree: Path) -> None:
    assert changed(tree, lambda: None) == set()


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("src/tool.py", {"bandit", "semgrep"}),
        ("hw/level.c", {"semgrep"}),
        ("rules/own.yaml", {"semgrep"}),
        ("requirements.txt", LOCKS),
        ("threatmodels/model.py", {"threatmodel@small"}),
        ("threatmodels/controls.toml", {"threatmodel@small"}),
        # The other checks of an image know it by its digest, in the output of image-build.
        ("image.tar", {"image-sbom@small"}),
        ("README", set()),
    ],
)
@pytest.mark.parametrize("profile", ["dev", "merge"])
def test_a_changed_file_is_measured_again_by_all_that_read_it_and_by_no_other(
    tree: Path, name: str, jobs: set[str], profile: str
) -> None:
    def append() -> None:
        with (tree / name).open("ab") as file:
            file.write(b"idna==3.7\n" if name in LOCK_FILES else b"\n")

    assert changed(tree, append, profile=profile) == jobs


@pytest.mark.parametrize("name", ["src/new.py", "src/deep/new.py", "hw/new.c", "rules/deep/new.yaml"])
def test_a_new_file_is_measured(tree: Path, name: str) -> None:
    def add() -> None:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(PACK if name.endswith("yaml") else "")

    assert "semgrep" in changed(tree, add)


def test_other_output_of_a_needed_tool_is_measured_again(tree: Path) -> None:
    every = {f"image-{check}@small" for check in ("advisories", "hardening", "packages", "sbom")}
    assert changed(tree, lambda: (tree / "needed.json").write_text("[]")) == every


def test_a_big_file_of_another_time_is_measured_again_in_dev_and_only_by_content_in_merge(tree: Path) -> None:
    (tree / "src/big.py").write_bytes(b"#" * (2 << 20))
    assert "bandit" in changed(tree, lambda: os.utime(tree / "src/big.py", (1, 1)))
    assert changed(tree, lambda: os.utime(tree / "src/big.py", (2, 2)), profile="merge") == set()


@pytest.mark.parametrize("setting", ["rules_gone", "ignore_nosec"])
def test_changed_settings_are_measured_again(tree: Path, setting: str) -> None:
    text = (tree / "secdl.toml").read_text()
    edits = {
        "rules_gone": (text.replace('packs = ["rules"]', "packs = []"), {"semgrep"}),
        "ignore_nosec": (text + "\n[tools.bandit]\nignore_nosec = true\n", {"bandit"}),
    }
    after, jobs = edits[setting]
    assert after != text
    assert changed(tree, lambda: (tree / "secdl.toml").write_text(after)) == jobs


def test_what_changed_while_the_tool_ran_is_not_reused_when_it_comes_back(tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(TOUCHY)
    (tmp_path / "secdl.toml").write_text(
        TOUCHED.format(python=json.dumps(sys.executable), script=json.dumps(str(script)))
    )
    latest = tmp_path / ".secdl/runs/latest"

    def run() -> tuple[str, str]:
        """The run, and the one whose evidence it took."""
        (tmp_path / "source.c").write_text("a")
        harness.secdl(tmp_path, "secure", "--only", "sast")
        evidence = json.loads((latest / "evidence/touchy/evidence.json").read_text())
        return latest.resolve().name, evidence["reused_from"]

    (tmp_path / "meddle").touch()
    assert run()[1] == ""
    (tmp_path / "meddle").unlink()
    second, reused = run()
    assert reused == ""
    assert run()[1] == second
