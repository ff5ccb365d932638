from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from secdl.model import sarif
from secdl.model.config import Config, Fuzz, ProductTable
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.tool import Job, Stage
from secdl.tools.fuzz import TOOL, Settings

FUZZ = Fuzz(name="qemu", devices=("e1000", "nvme"), operations=500, seed=7)
CONFIG = Config(product=ProductTable(name="p", version="1"), fuzz=(FUZZ,))


def _job(**settings: object) -> Job:
    (subject,) = TOOL.subjects(CONFIG)
    return Job(
        name="fuzz@qemu",
        tool="fuzz",
        stage=Stage.FUZZ,
        subject="qemu",
        root="/r",
        folder="/r/e",
        output=TOOL.output,
        settings={**subject.settings, **settings},
        programs={"qemu-system-x86": "/usr/bin/qemu-system-x86_64"},
        timeout_s=100.0,
        has_canary=True,
        engine=True,
    )


def test_one_job_per_fuzz_table_and_none_without() -> None:
    assert [subject.name for subject in TOOL.subjects(CONFIG)] == ["qemu"]
    assert TOOL.subjects(msgspec.structs.replace(CONFIG, fuzz=())) == ()


def test_argv_names_everything_that_decides_the_run() -> None:
    assert TOOL.argv(_job()) == (
        *("--name", "qemu", "--binary", "/usr/bin/qemu-system-x86_64", "--machine", "q35"),
        *("--operations", "500", "--seed", "7", "--jobs", "2", "--deadline", "75", "--out", "/r/e/out.sarif"),
        *("--", "e1000", "nvme"),
    )


@pytest.mark.parametrize(
    ("named", "used"),
    [
        ("build/qemu-system-x86_64", "/r/build/qemu-system-x86_64"),
        ("/opt/qemu", "/opt/qemu"),
        ("qemu-system-x86_64", "/usr/bin/qemu-system-x86_64"),
    ],
)
def test_a_binary_given_as_a_path_wins(named: str, used: str) -> None:
    words = TOOL.argv(_job(binary=named))
    assert words[words.index("--binary") + 1] == used


def test_what_the_result_depends_on_is_named() -> None:
    (subject,) = TOOL.subjects(CONFIG)
    assert subject.sources == ()
    assert subject.settings["device_data"].startswith("sha256:")
    own = msgspec.structs.replace(FUZZ, binary="build/qemu-system-x86_64")
    (subject,) = TOOL.subjects(msgspec.structs.replace(CONFIG, fuzz=(own,)))
    assert subject.sources == ("build/qemu-system-x86_64",)


@pytest.mark.parametrize("change", [{"operations": 400}, {"seed": 8}, {"machine": "pc"}])
def test_another_way_of_looking_is_another_set_of_rules(change: dict[str, object]) -> None:
    def rules(fuzz: Fuzz) -> str:
        (subject,) = TOOL.subjects(msgspec.structs.replace(CONFIG, fuzz=(fuzz,)))
        return str(subject.settings["rules"])

    assert rules(msgspec.structs.replace(FUZZ, **change)) != rules(FUZZ)
    assert rules(msgspec.structs.replace(FUZZ, devices=("e1000",))) == rules(FUZZ)


def test_evidence_of_a_script_that_starts_qemu_is_not_reused(tmp_path: Path) -> None:
    binary = tmp_path / "qemu"
    job = replace(_job(binary="./qemu"), root=str(tmp_path))
    assert not TOOL.starting(job).reusable
    binary.write_text('#!/bin/sh\nexec build/qemu-system-x86_64 "$@"\n')
    assert not TOOL.starting(job).reusable
    binary.write_bytes(b"\x7fELF\x02")
    assert TOOL.starting(job).reusable
    assert TOOL.starting(_job()).reusable


def test_a_binary_that_only_the_path_knows_is_refused() -> None:
    other = msgspec.structs.replace(FUZZ, binary="qemu-system-aarch64")
    with pytest.raises(ConfigError, match="give it as a path"):
        TOOL.subjects(msgspec.structs.replace(CONFIG, fuzz=(other,)))


def test_jobs_come_from_the_settings_and_other_keys_do_no_harm() -> None:
    words = TOOL.argv(_job(jobs=4, path="/x"))
    assert words[words.index("--jobs") + 1] == "4"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"jobs": 0}, Settings)


def test_a_report_reads_back_to_its_findings_and_its_work() -> None:
    planted = Finding(
        tool="fuzz",
        rule="fuzz.abort",
        level=Level.MEDIUM,
        message="m",
        locations=(Location(path="canary:canary-abort"),),
    )
    real = msgspec.structs.replace(planted, locations=(Location(path="device:e1000"),), cwe=("CWE-617",))
    work = Work(read={"devices": 1, "operations": 500}, unread=("device:nvme: did not start",))
    raw = sarif.document([sarif.run_of("fuzz", "7.2", [planted, real], work=work)])
    found = list(TOOL.parse(raw, _job()))
    assert [finding.path for finding in found] == ["canary:canary-abort", "device:e1000"]
    assert all("its own VM" in finding.gain for finding in found)
    assert TOOL.work(raw, _job()) == work


@pytest.mark.parametrize("raw", [b"", b"{", b"{}", b'{"version":"2.1.0","runs":[]}'])
def test_what_is_no_whole_report_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedOutput):
        list(TOOL.parse(raw, _job()))
    with pytest.raises(MalformedOutput):
        TOOL.work(raw, _job())


def test_every_rule_says_what_a_guest_gains() -> None:
    assert {rule.id for rule in TOOL.rules()} >= set(TOOL.canary.expects if TOOL.canary else ())
    assert all(rule.gain and rule.help and rule.fix for rule in TOOL.rules())
