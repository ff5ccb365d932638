"""Thirteen ways to fail, for every tool there is: none is PASS, and each is INCOMPLETE where the tool is required.

The tools run for real once; what they left is replayed by real processes, whole as the control and broken in each case.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from secdl.advisories.store import import_folder, shipped_folder
from secdl.model.tool import CANARY, Tool
from tests.matrix.harness import (
    NOWHERE,
    Recorded,
    all_tools,
    closure,
    configure,
    fake,
    not_executable,
    secdl,
    verdict,
    write_tree,
)

TOOLS = all_tools()
TRIVY = Path(__file__).resolve().parent.parent / "data" / "trivy" / "report.json"
CASES = (
    "missing",
    "not executable",
    "exit 139",
    "silent",
    "truncated",
    "another tool",
    "hang",
    "flood",
    "zero read",
    "canary missed",
    "stale advisories",
    "wrong digest",
    "killed",
)
Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Bench:
    """The small repository and the recorded run of every tool on it."""

    root: Path
    recorded: dict[str, Recorded]


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("matrix")
    write_tree(root)
    configure(root, {}, required=("sast", "bandit"))
    status = secdl(root, "secure")
    assert status in (0, 1), "the real tools did not leave a verdict"
    run = (root / ".secdl/runs/latest").resolve()
    recorded = {}
    for tool in TOOLS:
        if tool.name == "trivy":
            # Its release cannot be had everywhere; what a real one printed stands in for the run.
            folder = tmp_path_factory.mktemp("trivy")
            (folder / tool.output).write_bytes(TRIVY.read_bytes())
            recorded[tool.name] = Recorded(tool=tool, folder=folder, run="printed elsewhere", status=0)
            continue
        folders = [path for path in (run / "evidence").iterdir() if path.name.partition("@")[0] == tool.name]
        evidence = json.loads((folders[0] / "evidence.json").read_text())
        assert evidence["outcome"] == "ok", f"{tool.name}: {evidence['reason']}"
        recorded[tool.name] = Recorded(tool=tool, folder=folders[0], run=run.name, status=evidence["exit_status"])
    return Bench(root, recorded)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_the_unbroken_control_is_valid_evidence(bench: Bench, tool: Tool, tmp_path: Path) -> None:
    judged = judge(bench, tool, tmp_path, fake(bench.recorded[tool.name], tmp_path / "tool", "whole"))
    assert judged["verdict"] in ("PASS", "PARTIAL"), judged["reasons"]
    (evidence,) = [one for one in judged["evidence"] if one["tool"] == tool.name]
    assert evidence["valid"]
    assert evidence["origin"] == "override"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_broken_is_never_clean_and_incomplete_where_required(
    bench: Bench, tool: Tool, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case == "stale advisories":
        if not tool.ecosystems:
            folder = bench.recorded[tool.name].folder
            evidence = json.loads((folder / "evidence.json").read_text())
            assert evidence["advisories"] == {}, "it uses advisories that it does not declare"
            return
        monkeypatch.setenv("XDG_DATA_HOME", str(undated_advisories(tmp_path / "data")))
    judged = judge(bench, tool, tmp_path, broken(bench, tool, case, tmp_path), case=case)
    assert judged["verdict"] == "INCOMPLETE", judged["reasons"]
    assert not any(one["valid"] for one in judged["evidence"] if one["tool"] == tool.name)
    assert any(reason["tool"] == tool.name for reason in judged["reasons"])
    secdl(bench.root, "gate", "latest", "--profile", "dev")
    assert verdict(bench.root)["verdict"] in ("PARTIAL", "INCOMPLETE")


def judge(bench: Bench, tool: Tool, tmp_path: Path, program: Path, *, case: str = "") -> dict[str, Any]:
    """The verdict of a merge run in which `tool` is `program`, its needs are replayed and nothing else runs."""
    tables: dict[str, dict[str, object]] = {}
    for other in all_tools():
        if other.name in closure(tool):
            replayed = fake(bench.recorded[other.name], tmp_path / f"need-{other.name}", "whole")
            tables[other.name] = {"path": str(replayed)}
        elif other.stage == tool.stage:
            tables[other.name] = {"path": NOWHERE}
    tables.setdefault("trivy", {})["database"] = "trivy-database"
    tables[tool.name] = {**tables.get(tool.name, {}), "path": str(program), "size_cap_mib": 8}
    if case == "hang":
        tables[tool.name]["timeout_s"] = 0.5
    # trivy's report does not say how old its database is: by policy that is stale, and only there a fault.
    refuse = tool.name != "trivy" or case == "stale advisories"
    configure(bench.root, tables, required=(tool.stage.value, tool.name), refuse_stale=refuse)
    secdl(bench.root, "secure", "--profile", "merge", "--only", tool.stage.value)
    if case == "wrong digest":
        (folder,) = (bench.root / ".secdl/runs/latest/evidence").glob(f"{tool.name}*")
        (folder / tool.output).write_bytes((folder / tool.output).read_bytes() + b" ")
        secdl(bench.root, "gate", "latest")
    return verdict(bench.root)


def broken(bench: Bench, tool: Tool, case: str, tmp_path: Path) -> Path:
    """The executable that fails in the way of `case`."""
    recorded, path = bench.recorded[tool.name], tmp_path / "tool"
    if case == "missing":
        return tmp_path / "none"
    if case == "not executable":
        return not_executable(path)
    if case in ("wrong digest", "stale advisories"):
        return fake(recorded, path, "whole")
    if case == "zero read":
        return fake(recorded, path, "whole", edit=edited(nothing_read))
    if case == "canary missed":
        return fake(recorded, path, "whole", edit=edited(canary_unseen))
    if case == "another tool":
        other = next(one for name, one in sorted(bench.recorded.items()) if strange(one, recorded))
        return fake(recorded, path, case, other=other.output)
    return fake(recorded, path, case)


def strange(other: Recorded, recorded: Recorded) -> bool:
    """Whether `other` is a tool whose report `recorded`'s adapter has no business reading."""
    return other.tool.parse is not recorded.tool.parse and other.tool.name != recorded.tool.name


def edited(edit: Edit) -> Callable[[bytes], bytes]:
    def apply(raw: bytes) -> bytes:
        document = json.loads(raw)
        edit(document)
        assert document != json.loads(raw), "the edit changes nothing in the report"
        return json.dumps(document).encode()

    return apply


def nothing_read(report: dict[str, Any]) -> None:
    """Takes out of a report whatever says that the tool read something beside its canary."""
    for run in report.get("runs", ()):  # SARIF of an engine
        work = run["properties"]["secdl/work"]
        work["read"] = dict.fromkeys(work["read"], 0)
    if "metrics" in report:  # bandit
        report["metrics"] = {
            name: one for name, one in report["metrics"].items() if "/canary/" in name or name == "_totals"
        }
    if "paths" in report:  # semgrep
        report["paths"]["scanned"] = [name for name in report["paths"]["scanned"] if "/canary/" in name]
    for key in ("components", "dependencies"):  # syft, pip-audit
        if isinstance(report.get(key), list):
            report[key] = [one for one in report[key] if "canary" in str(one.get("name", ""))]
    if "Results" in report:  # trivy
        report["Results"] = [one for one in report["Results"] if one["Target"].startswith("canary/")]


def canary_unseen(report: dict[str, Any]) -> None:
    """Takes every trace of the planted defects out of a report."""
    for run in report.get("runs", ()):
        run["results"] = [one for one in run["results"] if CANARY not in unquote(json.dumps(one))]
    if "paths" in report or "metrics" in report:
        report["results"] = [one for one in report["results"] if not re.search(r"/canary/", json.dumps(one))]
    for key in ("components", "dependencies"):
        if isinstance(report.get(key), list):
            report[key] = [one for one in report[key] if "canary" not in str(one.get("name", ""))]
    if "Results" in report:
        report["Results"] = [one for one in report["Results"] if not one["Target"].startswith("canary/")]


def undated_advisories(home: Path) -> Path:
    """A data folder whose advisories are the shipped ones with their dates lost."""
    base = import_folder({"XDG_DATA_HOME": str(home)})
    base.mkdir(parents=True)
    shutil.copytree(shipped_folder(), base / "undated")
    manifest = json.loads((base / "undated/manifest.json").read_text())
    for entry in manifest["ecosystems"].values():
        entry["data_date"] = None
    (base / "undated/manifest.json").write_text(json.dumps(manifest))
    (base / "current").symlink_to("undated")
    return home


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capfd.readouterr()
