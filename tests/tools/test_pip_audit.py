"""pip-audit's adapter, on a report of the real tool over tests/data/requirements.lock."""

import json
from pathlib import Path
from typing import Any

import pytest

from secdl.model import codec
from secdl.model.config import Config, Dependencies, ProductTable
from secdl.model.errors import MalformedOutput
from secdl.model.finding import Level
from secdl.model.tool import CANARY
from secdl.run.checkout import Checkout
from secdl.tools import pip_audit
from secdl.tools.pip_audit import TOOL
from tests.goldens import assert_golden
from tests.tools.deps_cases import ALIEN, BROKEN, DATA, job_of, report

JOB = job_of(TOOL)


def report_of(*dependencies: dict[str, Any]) -> bytes:
    return json.dumps({"dependencies": dependencies, "fixes": []}).encode()


def vulnerable(**more: Any) -> dict[str, Any]:
    told = {"id": "PYSEC-2026-1", "fix_versions": ["2.0"], "aliases": ["CVE-2026-1"], "description": "x", **more}
    return {"name": "a", "version": "1.0", "vulns": [told]}


def test_findings_of_the_captured_report() -> None:
    found = list(TOOL.parse(report("pip-audit"), JOB))
    assert_golden(codec.encode(found), DATA / "pip-audit" / "golden.json")


def test_the_canary_is_told_from_the_real_pins_and_not_counted() -> None:
    found = list(TOOL.parse(report("pip-audit"), JOB))
    assert [finding.rule for finding in found if finding.path.startswith(CANARY)] == ["SECDL-CANARY-1"]
    assert {finding.path for finding in found if not finding.path.startswith(CANARY)} == {"requirements.lock"}
    assert TOOL.work(report("pip-audit"), JOB).read == {"packages": 5}


def test_a_finding_is_named_by_its_canonical_id_and_found_again_after_an_update() -> None:
    (old,) = TOOL.parse(report_of(vulnerable()), JOB)
    (new,) = TOOL.parse(report_of({**vulnerable(), "version": "1.1"}), JOB)
    assert (old.rule, old.aliases, old.purl) == ("CVE-2026-1", ("PYSEC-2026-1",), "pkg:pypi/a@1.0")
    assert old.context == new.context == "pkg:pypi/a|CVE-2026-1"


def test_a_severity_that_is_not_told_is_unknown_not_harmless() -> None:
    for description in ("", "x", "severity=", "severity=none; | x", "severity=high", "x | severity=low;y"):
        (finding,) = TOOL.parse(report_of(vulnerable(description=description)), JOB)
        assert finding.level is Level.UNKNOWN


def test_a_skipped_pin_is_unread_though_the_line_says_no_vulnerability() -> None:
    raw = report_of({"name": "a", "skip_reason": "Dependency not found"}, {"name": "b", "version": "1", "vulns": []})
    work = TOOL.work(raw, JOB)
    assert work.read == {"packages": 1}
    assert work.unread == ("a: Dependency not found",)


def test_a_pin_without_a_result_is_unread() -> None:
    assert TOOL.work(report_of({"name": "a", "version": "1"}), JOB).unread == ("a: without result",)


def test_a_report_of_the_canary_alone_has_read_nothing() -> None:
    raw = report_of({"name": "secdl-canary", "version": "1.0", "vulns": []})
    assert not any(TOOL.work(raw, JOB).read.values())


@pytest.mark.parametrize("raw", [*ALIEN.values(), *BROKEN.values(), report("syft"), report("pip-audit")[:-20]])
def test_what_is_not_its_whole_report_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedOutput):
        list(TOOL.parse(raw, JOB))
    with pytest.raises(MalformedOutput):
        TOOL.work(raw, JOB)


def test_hostile_text_is_made_safe() -> None:
    hostile = "\x1b[31m\x00<script>\u202e\nsecond"
    dependency = vulnerable(id=hostile, description=hostile, aliases=[hostile + "2"], fix_versions=[hostile])
    (finding,) = TOOL.parse(report_of({**dependency, "name": hostile, "version": hostile}), JOB)
    text = "".join([finding.rule, finding.message, finding.fix, finding.purl or "", *finding.aliases])
    assert not set(text) & set("\x1b\x00\u202e")
    assert "\n" not in finding.rule + finding.fix
    assert "\x1b" not in TOOL.work(report_of({"name": hostile, "skip_reason": hostile}), JOB).unread[0]


def test_the_pins_are_laid_out_without_markers_and_hashes() -> None:
    laid = pip_audit.lay(JOB, Checkout(DATA))
    assert laid == {
        "target/requirements.txt": b"jinja2==3.1.6\nnumpy==1.21.0\nNumpy==2.1.0\nrequests==2.19.0\nurllib3==1.26.4\n"
    }


def test_a_lock_without_pins_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    with pytest.raises(MalformedOutput, match="locks no Python dependency"):
        pip_audit.lay(JOB, Checkout(tmp_path))


def test_one_job_for_each_lock_and_a_named_reason_where_it_is_none_of_python() -> None:
    config = Config(
        product=ProductTable(name="x", version="1"),
        dependencies=(
            Dependencies(name="app", path="requirements.lock"),
            Dependencies(name="go", path="x/go.mod"),
            Dependencies(name="web", path="web/Pipfile.lock"),
        ),
    )
    assert {subject.name: bool(subject.skip) for subject in TOOL.subjects(config)} == {
        "app": False,
        "go": True,
        "web": False,
    }
    assert TOOL.subjects(Config(product=ProductTable(name="x", version="1"))) == ()


def test_arguments_resolve_nothing_and_name_lock_and_canary() -> None:
    arguments = TOOL.argv(JOB)
    assert {"--no-deps", "--disable-pip", "--osv-url=http://127.0.0.1:1/v1/query"} <= set(arguments)
    assert [a for a in arguments if a.startswith("--requirement=")] == [
        f"--requirement={JOB.folder}/target/requirements.txt",
        f"--requirement={JOB.canary}/requirements.txt",
    ]
