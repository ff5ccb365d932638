"""Runs real tools on a small checkout, as the runner does: same arguments, environment and working directory."""

import shutil
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from secdl.model import codec
from secdl.model.evidence import Program
from secdl.model.shipped import canary_folder
from secdl.model.tool import Job, Tool
from secdl.run.checkout import Checkout
from secdl.run.process import Exit, execute
from secdl.run.toolchain import resolve

_PARSED = (
    "rule",
    "level",
    "message",
    "locations",
    "word",
    "snippet",
    "context",
    "cwe",
    "aliases",
    "purl",
    "gain",
    "fix",
)


def program_of(tool: Tool) -> Program:
    """The locked program of `tool`; the test is skipped where it is not installed (`.ci/run` installs it)."""
    program = resolve(tool.program or tool.name)
    if not isinstance(program, Program):
        pytest.skip(f"{tool.name} is not installed: `secdl tools install` puts it in place")
    return program


def run(tool: Tool, job: Job, checkout: Path) -> tuple[Exit, Job, bytes]:
    """What the run left: how it ended, the job as it ran, and the report (empty where there is none)."""
    program = program_of(tool)
    folder = checkout / ".secdl/runs/r/evidence" / tool.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if tool.canary is not None:
        shutil.copytree(canary_folder(tool.canary.folder), folder / "canary")
    job = replace(job, root=str(checkout), folder=str(folder), has_canary=tool.canary is not None)
    for name, content in tool.lay(job, Checkout(checkout)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    argv, place = (*program.argv, *tool.argv(job)), Path(tool.place(job))
    ended = execute(argv, cwd=place, folder=folder, env=tool.env, timeout_s=600)
    report = folder / job.output
    return ended, job, report.read_bytes() if report.is_file() else b""


def planted(folder: str) -> dict[str, int]:
    """How often each rule must hit in `secdl/canaries/<folder>`, by its comments."""
    counts: dict[str, int] = {}
    for path in sorted(canary_folder(folder).rglob("*")):
        if path.is_file():
            for line in path.read_text().splitlines():
                if "canary: " in line:
                    rule = line.partition("canary: ")[2].split()[0]
                    counts[rule] = counts.get(rule, 0) + 1
    return counts


def golden(tool: Tool, report: bytes, job: Job) -> bytes:
    """The normalised report as the golden files hold it: of each finding only what the parser set."""
    findings = [
        {name: value for name, value in msgspec.structs.asdict(finding).items() if name in _PARSED and value}
        for finding in tool.parse(report, job)
    ]
    return codec.encode({"findings": findings, "work": tool.work(report, job)})
