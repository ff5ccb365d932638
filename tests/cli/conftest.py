import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
[product]
name = "small"
version = "1"
[[sarif_tool]]
name = "echo"
stage = "sast"
command = [{python}, "-SEc", {code}, "{{out}}"]
sources = ["src"]
[gate]
policy = "gate.toml"
waivers = "waivers.toml"
"""
POLICY = """
name = "small"
[profiles.dev]
tolerates_missing = true
levels = ["high"]
[waivers.max_days]
high = 90
"""
COPY = "import shutil, sys; shutil.copyfile('echo.sarif', sys.argv[1])"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one tool, `echo`, whose report is the file echo.sarif; the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.c").write_text("a\n")
    (tmp_path / "gate.toml").write_text(POLICY)
    (tmp_path / "waivers.toml").write_text("")
    configure(tmp_path, COPY)
    (tmp_path / "echo.sarif").write_text(sarif())
    return tmp_path


def configure(root: Path, code: str) -> None:
    """Writes secdl.toml so that the tool is the Python program `code`."""
    (root / "secdl.toml").write_text(CONFIG.format(python=json.dumps(sys.executable), code=json.dumps(code)))


def sarif(*rules: str) -> str:
    """A report of `echo` with one result of level error for each rule."""
    place = {"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 1}}}
    results = [{"ruleId": r, "level": "error", "message": {"text": r}, "locations": [place]} for r in rules]
    run = {"tool": {"driver": {"name": "echo"}}, "artifacts": [{"location": {"uri": "src/a.c"}}], "results": results}
    return json.dumps({"version": "2.1.0", "runs": [run]})


@pytest.fixture
def verdict(tree: Path) -> Callable[[], dict[str, Any]]:
    """Reads the newest verdict."""
    return lambda: json.loads((tree / ".secdl/runs/latest/verdict.json").read_text())
