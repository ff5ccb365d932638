"""Output that is not the whole report of the tool at hand, for every adapter of a dependency scanner."""

import json
from pathlib import Path
from typing import Any

from secdl.model.tool import Job, Tool

DATA = Path(__file__).resolve().parents[1] / "data"
_OTHERS = {
    "sarif": {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": []}]},
    "bandit": {"errors": [], "generated_at": "2026-01-01T00:00:00Z", "metrics": {}, "results": []},
    "semgrep": {"version": "1", "results": [], "errors": [], "paths": {"scanned": []}},
    "osv-scanner": {"results": [], "experimental_config": {}},
    "empty object": {},
    "empty list": [],
}
ALIEN = {name: json.dumps(value).encode() for name, value in _OTHERS.items()}
BROKEN = {
    "nothing": b"",
    "blanks": b" \n",
    "text": b"no vulnerabilities found\n",
    "null": b"null",
    "deep": b"[" * 200_000,
}


def job_of(tool: Tool, **more: Any) -> Job:
    """A job of `tool` as the runner hands it over."""
    folder = f"/checkout/.secdl/runs/R/evidence/{tool.name}@app"
    given: dict[str, Any] = {
        "sources": ("requirements.lock",),
        "services": {"osv": "http://127.0.0.1:1"},
        "has_canary": tool.canary is not None,
        **more,
    }
    return Job(
        name=f"{tool.name}@app",
        tool=tool.name,
        stage=tool.stage,
        subject="app",
        root="/checkout",
        folder=folder,
        output=tool.output,
        **given,
    )


def report(tool: str) -> bytes:
    """The captured report of `tool`."""
    return (DATA / tool / "report.json").read_bytes()
