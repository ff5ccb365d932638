"""Small runs to judge: a plan, its evidence and findings, with everything in order unless a test breaks it."""

from datetime import UTC, date, datetime
from typing import Any

from msgspec.structs import replace

from secdl.model.evidence import CanaryResult, Evidence, Origin, Outcome, Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.plan import Plan, Product
from secdl.model.tool import Job, Stage

DAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
POLICY_TEXT = """
name = "test policy"
[profiles.dev]
tolerates_missing = true
block = "new"
advises = ["fuzz"]
advisory_stale = "warn"
requires = { sast = ["bandit", "semgrep"] }
[profiles.merge]
block = "new"
requires = { sast = ["bandit", "semgrep"], deps = ["pip-audit"] }
advisory_max_days = 365
[profiles.release]
block = "all"
requires = { sast = ["bandit", "semgrep"], deps = ["pip-audit"] }
requires_subjects = ["sast", "fuzz"]
refuses_origins = ["override", "path"]
[rules]
"bandit:B101" = { mode = "advise" }
"fuzz:hang*" = { mode = "block" }
[waivers]
max_findings = 3
[waivers.max_days]
critical = 30
high = 90
medium = 180
"""
STAGE = {"bandit": Stage.SAST, "semgrep": Stage.SAST, "pip-audit": Stage.DEPS, "fuzz": Stage.FUZZ}


def job(tool: str, **more: Any) -> Job:
    return Job(**({"name": tool, "tool": tool, "stage": STAGE[tool], "sources": ("src",), "has_canary": True} | more))


def plan(*jobs: Job, **more: Any) -> Plan:
    settled: dict[str, Any] = {
        "secdl": "0",
        "run": "r",
        "as_of": NOW,
        "profile": "dev",
        "root": "/r",
        "product": Product(name="p", version="1"),
        "stages": tuple(str(stage) for stage in Stage),
        "jobs": jobs or tuple(job(tool) for tool in STAGE),
    }
    return Plan(**(settled | more))


def evidence(tool: str, **more: Any) -> Evidence:
    settled: dict[str, Any] = {
        "job": tool,
        "tool": tool,
        "stage": str(STAGE.get(tool, "import")),
        "outcome": Outcome.OK,
        "version": "1.0",
        "digest": "sha256:00",
        "origin": Origin.PYPI,
        "work": Work(read={"files": 3}),
        "subjects": ("src",),
        "canary": CanaryResult(expected={"R": 1}, found={"R": 1}),
    }
    return Evidence(**(settled | more))


def finding(tool: str = "bandit", rule: str = "B602", level: Level = Level.HIGH, **more: Any) -> Finding:
    path, line = more.pop("path", "src/a.py"), more.pop("line", 1)
    settled: dict[str, Any] = {"message": "m", "snippet": "call(x)", "locations": (Location(path=path, line=line),)}
    return Finding(tool=tool, rule=rule, level=level, **(settled | more))


def without(evidence_of_all: tuple[Evidence, ...], tool: str) -> tuple[Evidence, ...]:
    return tuple(one for one in evidence_of_all if one.tool != tool)


def altered(evidence_of_all: tuple[Evidence, ...], tool: str, **changed: Any) -> tuple[Evidence, ...]:
    return tuple(replace(one, **changed) if one.tool == tool else one for one in evidence_of_all)
