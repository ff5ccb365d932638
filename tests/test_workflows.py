"""The workflows of this repository and the one that `secdl init` writes, judged by actionlint and zizmor."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from secdl import __version__
from secdl.model.evidence import Program
from secdl.model.shipped import shipped
from secdl.run.toolchain import Toolchain

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = [*sorted((ROOT / ".github/workflows").glob("*.yml")), shipped("policies/init/workflow.yml")]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_has_nothing_to_say(workflow: Path) -> None:
    found = Toolchain().resolve("actionlint")
    if not isinstance(found, Program):
        pytest.skip(f"{found.reason}; {found.remedy}")
    done = subprocess.run([*found.argv, "-no-color", str(workflow)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_zizmor_has_nothing_to_say() -> None:
    beside = Path(sys.executable).with_name("zizmor")
    zizmor = str(beside) if beside.exists() else shutil.which("zizmor")
    if zizmor is None:
        pytest.skip("zizmor is not installed: `nox -s tests` brings it")
    argv = [zizmor, "--offline", "--no-progress", "--persona", "pedantic", *map(str, WORKFLOWS)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_permissions_start_empty(workflow: Path) -> None:
    text = workflow.read_text()
    uses = re.findall(r"uses: (\S+)", text)
    assert uses
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one) for one in uses)
    assert "\npermissions: {}\n" in text


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_one_check_runs_always_and_fails_where_a_job_did_not_end_well(workflow: Path) -> None:
    text = workflow.read_text()
    assert "merge_group:" in text
    assert "if: always()\n    needs: [" in text
    script = text.rpartition("run:")[2].strip().removeprefix("|").strip()
    for result in ("skipped", "cancelled", "failure", ""):
        assert ended(script, result) != 0
    assert ended(script, "success") == 0


def test_a_partial_run_never_takes_the_category_of_a_whole_one() -> None:
    text = shipped("policies/init/workflow.yml").read_text()
    (script,) = re.findall(r"<<'PYTHON'\n(.*?)\n +PYTHON", text, re.DOTALL)
    code = "\n".join(line[10:] for line in script.splitlines()).replace(
        'pathlib.Path(".secdl/runs/latest/verdict.json").read_text()', "VERDICT"
    )
    assert "VERDICT" in code
    said = {
        '{"partial": [], "verdict": "PASS"}': "category=secdl",
        '{"partial": ["deps"], "verdict": "PARTIAL"}': "category=secdl-partial",
        '{"partial": ["deps"], "verdict": "FAIL"}': "category=secdl-partial",
        '{"partial": [], "verdict": "INCOMPLETE"}': "category=secdl-partial",
    }
    for verdict, category in said.items():
        argv = [sys.executable, "-c", f"VERDICT = {verdict!r}\n{code}"]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip() == category


def ended(script: str, result: str) -> int:
    """Exit status of the aggregate job's script where every job it needs ended with `result`."""
    env = {"SECURE": result, "ALERTS": result, "RESULT": result, "FORK": "false", "PATH": "/usr/bin:/bin"}
    return subprocess.run(["/bin/bash", "-ec", script], env=env, capture_output=True, check=False).returncode


def test_the_workflow_that_init_writes_installs_the_secdl_that_wrote_it() -> None:
    assert f"pip install --quiet nox secdl=={__version__}\n" in shipped("policies/init/workflow.yml").read_text()
