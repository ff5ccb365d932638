"""Whole reports of every tool, and what a hostile tool could write in their place."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from secdl.model.config import Config
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.sarif import document, run_of
from secdl.model.toml import parse_toml
from secdl.model.tool import CANARY, Job, Tool
from secdl.pipeline.plan import tools_of

DATA = Path(__file__).parents[1] / "data"
ROOT = "/srv/checkout"
CONFIG = """
[product]
name = "hostile"
version = "1"

[[sarif_tool]]
name = "ruff"
stage = "sast"
command = ["ruff", "check", "--output-format=sarif", "{source}"]
"""
TRIVY = {
    "SchemaVersion": 2,
    "ArtifactName": "/srv/checkout",
    "ArtifactType": "filesystem",
    "Results": [
        {
            "Target": "target/requirements.lock/requirements.txt",
            "Class": "lang-pkgs",
            "Packages": [{"Name": "jinja2", "Version": "2.10"}],
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2019-10906",
                    "PkgName": "jinja2",
                    "PkgIdentifier": {"PURL": "pkg:pypi/jinja2@2.10"},
                    "InstalledVersion": "2.10",
                    "FixedVersion": "2.10.1",
                    "Severity": "HIGH",
                    "SeveritySource": "ghsa",
                    "Title": "sandbox escape",
                    "Description": "str.format_map allows sandbox escape",
                    "CweIDs": ["CWE-693"],
                    "VendorIDs": ["GHSA-462w-v97r-4m45"],
                }
            ],
        },
        {
            "Target": "canary/requirements.txt",
            "Packages": [{"Name": "jinja2", "Version": "2.10"}],
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2019-10906",
                    "PkgName": "jinja2",
                    "InstalledVersion": "2.10",
                    "Severity": "HIGH",
                }
            ],
        },
    ],
}
"""trivy's release cannot always be had where this runs; these are the keys that it documents."""

Path_ = tuple[str, ...]


def config() -> Config:
    """The configuration that names one foreign tool."""
    return parse_toml(CONFIG, Config, where="secdl.toml")


def tools() -> tuple[Tool, ...]:
    """Every built-in tool and the foreign one."""
    return tools_of(config())


def job_of(tool: Tool) -> Job:
    """The job whose report `whole` is."""
    name = tool.name if tool.stage == "sast" else f"{tool.name}@reference"
    return Job(
        name=name,
        tool=tool.name,
        stage=tool.stage,
        subject=name.partition("@")[2],
        root=ROOT,
        folder=f"{ROOT}/.secdl/runs/r/evidence/{tool.name}",
        output=tool.output,
        sources=("requirements.lock",) if tool.stage == "deps" else ("tools", "devices"),
        settings={"python": ["tools"], "device": ["devices"]},
        has_canary=tool.canary is not None,
        engine=bool(tool.builtin),
    )


def whole(tool: Tool) -> bytes:
    """A report that `tool` wrote; of the engines that need a machine of their own, one as they write it."""
    for name in ("out.json", "report.json", "out.sarif", "ruff.sarif"):
        path = DATA / ("sarif_tool" if tool.name == "ruff" else tool.name) / name
        if path.is_file():
            return _parsed(path.read_bytes()) if tool.name == "bandit" else path.read_bytes()
    if tool.name == "trivy":
        return json.dumps(TRIVY).encode()
    return _written(tool)


def _parsed(raw: bytes) -> bytes:
    """bandit's report without the file that it could not parse, which alone would void it."""
    report = json.loads(raw)
    for unparsed in report["errors"]:
        del report["metrics"][unparsed["filename"]]
    return json.dumps(report | {"errors": []}).encode()


def _written(tool: Tool) -> bytes:
    planted = [
        Finding(
            tool=tool.name,
            rule=rule,
            level=Level.HIGH,
            message=f"{rule} in the planted subject",
            locations=(Location(path=f"{CANARY}planted", line=1),),
        )
        for rule in (tool.canary.expects if tool.canary else {})
    ]
    found = Finding(
        tool=tool.name,
        rule=planted[0].rule if planted else "rule",
        level=Level.HIGH,
        message="the device aborts",
        locations=(Location(path="device:e1000/mmio", line=7, column=3), Location(path="hw/net/e1000.c", line=9)),
        word="abort",
        snippet="g_assert_not_reached();",
        context="e1000_reset",
        cwe=("CWE-617",),
        aliases=("CVE-2026-1",),
        purl="pkg:deb/debian/qemu@7.2",
        gain="kills its own VM",
        fix="mend the device",
    )
    work = Work(read={"operations": 1000, "devices": 2})
    return document([run_of(tool.name, "1.0", [*planted, found], rules=tool.rules(), work=work)])


def places(report: Any, at: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every value in `report` with the keys that lead to it; positions in lists are one and the same place."""
    yield at, report
    if isinstance(report, dict):
        for key, value in report.items():
            yield from places(value, (*at, key))
    elif isinstance(report, list):
        for value in report:
            yield from places(value, (*at, "*"))


def altered(report: Any, change: Callable[[Path_, Any], Any], at: Path_ = ()) -> Any:
    """`report` with every value as `change` makes it, from the leaves up."""
    if isinstance(report, dict):
        report = {key: altered(value, change, (*at, key)) for key, value in report.items()}
    elif isinstance(report, list):
        report = [altered(value, change, (*at, "*")) for value in report]
    return change(at, report)


def with_strings(report: Any, text: str, where: frozenset[Path_], *, keep: bool) -> Any:
    """`report` with `text` for the strings in `where`; with `keep` behind what they said."""
    return altered(
        report, lambda at, value: (value + text if keep else text) if isinstance(value, str) and at in where else value
    )


def with_key(report: Any, text: str, where: Path_) -> Any:
    """`report` with one more member called `text` in the objects at `where`."""

    def change(at: Path_, value: Any) -> Any:
        if at != where or not isinstance(value, dict):
            return value
        return value | {text: copy.deepcopy(next(iter(value.values()), "x"))}

    return altered(report, change)


def with_value(report: Any, other: Any, where: Path_) -> Any:
    """`report` with `other` at `where`."""
    return altered(report, lambda at, value: other if at == where else value)


def small(raw: bytes) -> Any:
    """The report in `raw` with two members of each list: every place is still there."""
    return altered(json.loads(raw), lambda at, value: value[:2] if isinstance(value, list) else value)


def unnamed(job: Job) -> Job:
    """`job` without a canary."""
    return replace(job, has_canary=False)
