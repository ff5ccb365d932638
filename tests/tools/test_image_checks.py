"""The reports of the image tools on the reference image, captured from a real run, and what is no report of theirs."""

from pathlib import Path

import msgspec
import pytest

from secdl.model.config import Config
from secdl.model.errors import MalformedOutput
from secdl.model.tool import Job, Stage, Tool
from secdl.tools.image_advisories import TOOL as ADVISORIES
from secdl.tools.image_build import TOOL as BUILD
from secdl.tools.image_hardening import TOOL as HARDENING
from secdl.tools.image_packages import TOOL as PACKAGES
from tests.goldens import assert_golden
from tests.tools.real import golden

DATA = Path(__file__).parents[1] / "data"
TOOLS = (BUILD, HARDENING, PACKAGES, ADVISORIES)
every = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def job(tool: Tool) -> Job:
    return Job(
        name=f"{tool.name}@reference",
        tool=tool.name,
        stage=Stage.IMAGES,
        subject="reference",
        root="/checkout",
        folder=f"/checkout/.secdl/runs/r/evidence/{tool.name}@reference",
        output=tool.output,
        has_canary=tool.canary is not None,
        engine=True,
    )


def captured(tool: Tool) -> bytes:
    return (DATA / tool.name / "out.sarif").read_bytes()


@every
def test_the_captured_report_normalises_to_its_golden(tool: Tool) -> None:
    assert_golden(golden(tool, captured(tool), job(tool)), DATA / tool.name / "golden.json")


def test_the_captured_reports_say_how_much_was_read() -> None:
    read = {tool.name: tool.work(captured(tool), job(tool)).read for tool in TOOLS}
    assert read["image-build"] == {"packages": 267, "files": 11615, "bytes": 567968623}
    assert read["image-hardening"] == {"elf_files": 1393, "exposed_programs": 30, "settings_files": 5}
    assert read["image-packages"] == {"packages": 267, "sbom_packages": 267}
    assert read["image-advisories"]["packages"] == 267


def test_the_stock_image_gives_its_true_findings() -> None:
    found = [f for f in HARDENING.parse(captured(HARDENING), job(HARDENING)) if not f.path.startswith("canary:")]
    assert sorted((finding.rule, finding.path.removeprefix("image:reference/")) for finding in found) == [
        (
            "elf-partial-relro",
            "usr/lib/x86_64-linux-gnu/gstreamer1.0/gstreamer-1.0/gst-ptp-helper",
        ),
        ("selinux-not-enforcing", "etc/selinux/config"),
        ("ssh-host-key-in-image", "etc/ssh/ssh_host_ecdsa_key"),
        ("ssh-host-key-in-image", "etc/ssh/ssh_host_ed25519_key"),
        ("ssh-host-key-in-image", "etc/ssh/ssh_host_rsa_key"),
        ("ssh-x11-forwarding", "etc/ssh/sshd_config"),
    ]


@every
@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"version": "2.1.0", "runs": []}', b"image-build: ok\n"])
def test_what_is_no_report_is_malformed(tool: Tool, raw: bytes) -> None:
    with pytest.raises(MalformedOutput):
        list(tool.parse(raw, job(tool)))
    with pytest.raises(MalformedOutput):
        tool.work(raw, job(tool))


@every
def test_a_report_that_is_cut_off_is_malformed(tool: Tool) -> None:
    raw = captured(tool)
    with pytest.raises(MalformedOutput):
        list(tool.parse(raw[: len(raw) // 2], job(tool)))


@every
def test_the_report_of_another_engine_is_malformed(tool: Tool) -> None:
    other = next(one for one in TOOLS if one is not tool)
    with pytest.raises(MalformedOutput, match=f"a report of {other.name}"):
        list(tool.parse(captured(other), job(tool)))
    with pytest.raises(MalformedOutput, match=f"a report of {other.name}"):
        tool.work(captured(other), job(tool))


def test_the_file_that_says_which_programs_are_judged_is_part_of_what_evidence_is_reused_by() -> None:
    config = msgspec.convert(
        {
            "product": {"name": "p", "version": "1"},
            "image": [{"name": "i", "recipe": "r.toml"}],
            "tools": {"image-hardening": {"programs": "ours.toml"}},
        },
        Config,
    )
    (subject,) = HARDENING.subjects(config)
    assert subject.sources == ("r.toml", "ours.toml")
