"""trivy's adapter, on a report of the real tool over tests/data/requirements.lock, its database made of OSV records."""

import json
from pathlib import Path
from typing import Any

import pytest

from secdl.model import codec
from secdl.model.config import Config, Dependencies, ProductTable
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.finding import Level
from secdl.model.tool import CANARY
from secdl.tools.trivy import TOOL
from tests.tools.deps_cases import ALIEN, BROKEN, DATA, job_of, report

JOB = job_of(TOOL)


def report_of(*results: dict[str, Any], **more: Any) -> bytes:
    whole = {"SchemaVersion": 2, "ArtifactName": "/x", "ArtifactType": "filesystem", "Results": results, **more}
    return json.dumps(whole).encode()


def vulnerable(**more: Any) -> dict[str, Any]:
    told = {"VulnerabilityID": "CVE-2026-1", "PkgName": "a", "InstalledVersion": "1", "Severity": "HIGH", **more}
    return {"Target": "target/requirements.lock/requirements.txt", "Class": "lang-pkgs", "Vulnerabilities": [told]}


def test_findings_of_the_captured_report() -> None:
    found = list(TOOL.parse(report("trivy"), JOB))
    assert codec.encode(found) == (DATA / "trivy" / "golden.json").read_bytes()


def test_the_canary_is_told_from_the_real_pins_and_not_counted() -> None:
    found = list(TOOL.parse(report("trivy"), JOB))
    assert "CVE-2019-10906" in [finding.rule for finding in found if finding.path.startswith(CANARY)]
    assert {finding.path for finding in found if not finding.path.startswith(CANARY)} == {"requirements.lock"}
    assert TOOL.work(report("trivy"), JOB).read == {"packages": 5}


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("CRITICAL", Level.CRITICAL),
        ("LOW", Level.LOW),
        ("UNKNOWN", Level.UNKNOWN),
        ("", Level.UNKNOWN),
        ("low", Level.UNKNOWN),
    ],
)
def test_a_severity_that_is_not_told_is_unknown_not_harmless(word: str, level: Level) -> None:
    (finding,) = TOOL.parse(report_of(vulnerable(Severity=word)), JOB)
    assert finding.level is level


def test_a_report_that_found_no_lock_has_read_nothing() -> None:
    assert not any(TOOL.work(report_of(), JOB).read.values())
    assert not any(
        TOOL.work(report_of({"Target": "canary/requirements.txt", "Packages": [{"Name": "a"}]}), JOB).read.values()
    )


@pytest.mark.parametrize(
    "raw", [*ALIEN.values(), *BROKEN.values(), report("syft"), report("pip-audit"), report("trivy")[:-20]]
)
def test_what_is_not_its_whole_report_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedOutput):
        list(TOOL.parse(raw, JOB))
    with pytest.raises(MalformedOutput):
        TOOL.work(raw, JOB)


@pytest.mark.parametrize("more", [{"SchemaVersion": 3}, {"ArtifactType": "container_image"}])
def test_a_report_of_another_kind_is_malformed(more: dict[str, Any]) -> None:
    with pytest.raises(MalformedOutput, match="another kind"):
        TOOL.work(report_of(**more), JOB)


def test_hostile_text_is_made_safe() -> None:
    hostile = "\x1b[31m\x00<script>\u202e\nsecond"
    fields = ("VulnerabilityID", "PkgName", "InstalledVersion", "FixedVersion", "Title")
    result = vulnerable(
        **dict.fromkeys(fields, hostile), PkgIdentifier={"PURL": hostile}, VendorIDs=[hostile], CweIDs=[hostile]
    )
    (finding,) = TOOL.parse(report_of({**result, "Target": hostile}), JOB)
    text = "".join(
        [finding.rule, finding.message, finding.fix, finding.purl or "", finding.path, *finding.aliases, *finding.cwe]
    )
    assert not set(text) & set("\x1b\x00\u202e")
    assert "\n" not in finding.rule + finding.fix + finding.path


def test_without_a_database_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(MalformedOutput, match="no vulnerability database"):
        TOOL.argv(job_of(TOOL, data={"cache": str(tmp_path)}))


def test_arguments_reach_for_no_network(tmp_path: Path) -> None:
    (tmp_path / "trivy" / "db").mkdir(parents=True)
    (tmp_path / "trivy" / "db" / "metadata.json").write_text("{}")
    job = job_of(TOOL, data={"cache": str(tmp_path)})
    assert {"--offline-scan", "--skip-db-update", "--skip-version-check", "--disable-telemetry"} <= set(TOOL.argv(job))
    elsewhere = job_of(TOOL, data={"cache": "/none"}, settings={"database": str(tmp_path / "trivy")})
    assert f"--cache-dir={tmp_path / 'trivy'}" in TOOL.argv(elsewhere)


def test_the_database_is_a_setting() -> None:
    config = Config(
        product=ProductTable(name="x", version="1"),
        dependencies=(Dependencies(name="app", path="requirements.lock"),),
        tools={"trivy": {"database": "db/trivy", "timeout_s": 9}},
    )
    (subject,) = TOOL.subjects(config)
    assert subject.settings == {"database": "db/trivy"}


def test_a_wrong_setting_is_a_configuration_error() -> None:
    config = Config(product=ProductTable(name="x", version="1"), tools={"trivy": {"databse": "x"}})
    with pytest.raises(ConfigError):
        TOOL.subjects(config)
