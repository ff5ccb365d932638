"""Hostile SARIF of others through import, gate and every report."""

import json
from pathlib import Path
from typing import Any

import pytest

from secdl.cli.main import main
from secdl.model import codec
from secdl.model.verdict import Verdict
from secdl.report import FORMATS
from tests.hostile import reports
from tests.hostile.test_bytes import BROKEN
from tests.hostile.test_tools import ALL, TEXTS, VALUES
from tests.hostile.through import assert_json, assert_junit, assert_markdown, assert_page

CHECKS = {"html": assert_page, "markdown": assert_markdown, "sarif": assert_json, "json": assert_json}
RUFF = next(tool for tool in reports.tools() if tool.name == "ruff")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def taken(root: Path, raw: bytes, capfd: pytest.CaptureFixture[str], *more: str) -> bool:
    """Whether `raw` is imported; what then comes out is safe, what is refused is refused in one line."""
    (root / "x.sarif").write_bytes(raw)
    capfd.readouterr()
    status = main(["import", "x.sarif"])
    said = capfd.readouterr()
    if status == 2:
        assert said.out == ""
        assert said.err[:-1].isprintable()
        assert not (root / ".secdl").exists()
        return False
    assert status == 0
    run = said.out.strip()
    assert main(["gate", run, *more]) in (0, 1, 3)
    assert all(line.isprintable() for line in capfd.readouterr().err.splitlines())
    for kind in FORMATS:
        assert main(["report", run, "--format", kind, "-o", str(root / kind)]) == 0
        if kind in CHECKS:
            CHECKS[kind]((root / kind).read_bytes())
    verdict = codec.decode((root / "json").read_bytes(), Verdict, where="json")
    assert_junit((root / "junit").read_bytes(), verdict)
    assert verdict.verdict != "PASS"
    return True


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text_in_every_string_of_an_import_comes_out_as_text(
    name: str, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = reports.small(reports.whole(RUFF))
    where = frozenset(at for at, value in reports.places(report) if isinstance(value, str) and at != ("version",)) - (
        {("runs", "*", "tool", "driver", "name")} if name == "empty" else set()
    )
    raw = json.dumps(reports.with_strings(report, TEXTS[name], where, keep=False)).encode()
    assert taken(root, raw, capfd)
    assert taken(root, raw, capfd, "--baseline", "x.sarif")


def test_hostile_keys_of_an_import_come_out_as_text(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = reports.small(reports.whole(RUFF))
    for where in sorted({at for at, value in reports.places(report) if isinstance(value, dict)}):
        report = reports.with_key(report, ALL, where)
    taken(root, json.dumps(report).encode(), capfd)


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_any_value_in_results_and_rules_is_read_or_refused(
    value: Any, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = reports.small(reports.whole(RUFF))
    for key in ("security-severity", "tags", "cwe", "secdl/level", "secdl/aliases", "secdl/work", "secdl/gain"):
        for one in (*report["runs"][0]["results"], *report["runs"][0]["tool"]["driver"]["rules"], report["runs"][0]):
            one.setdefault("properties", {})[key] = value
    assert taken(root, json.dumps(report).encode(), capfd)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_import_is_refused_in_one_line_and_changes_nothing(
    name: str, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not taken(root, BROKEN[name](json.dumps(json.loads(reports.whole(RUFF))).encode()), capfd)
