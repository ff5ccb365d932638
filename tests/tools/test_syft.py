"""syft's adapters, on a report of the real tool over tests/data/requirements.lock."""

import json
from pathlib import Path

import pytest

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.image import FILE, seal_of
from secdl.model.tool import Tool
from secdl.run.checkout import Checkout
from secdl.tools import image_sbom, syft
from tests.goldens import assert_golden
from tests.tools.deps_cases import ALIEN, BROKEN, DATA, job_of, report
from tests.tools.real import run

JOB = job_of(syft.TOOL)
BOTH = pytest.mark.parametrize("tool", [syft.TOOL, image_sbom.TOOL], ids=["syft", "image-sbom"])


def test_findings_of_the_captured_report_are_the_canary_alone() -> None:
    found = list(syft.TOOL.parse(report("syft"), JOB))
    assert_golden(codec.encode(found), DATA / "syft" / "golden.json")
    assert [finding.path for finding in found] == ["canary:pkg:pypi/secdl-canary@1.0"]


def test_packages_are_counted_without_the_canary() -> None:
    assert syft.TOOL.work(report("syft"), JOB).read == {"packages": 5}


@BOTH
def test_an_sbom_without_packages_has_read_nothing(tool: Tool) -> None:
    # Scanning a file whose name syft does not know ends well with a document that has no components at all.
    document = json.loads(report("syft"))
    del document["components"]
    assert not any(tool.work(json.dumps(document).encode(), job_of(tool)).read.values())


@BOTH
@pytest.mark.parametrize("raw", [*ALIEN.values(), *BROKEN.values(), report("pip-audit"), report("syft")[:-20]])
def test_what_is_not_its_whole_report_is_malformed(tool: Tool, raw: bytes) -> None:
    with pytest.raises(MalformedOutput):
        list(tool.parse(raw, job_of(tool)))
    with pytest.raises(MalformedOutput):
        tool.work(raw, job_of(tool))


@BOTH
def test_another_tools_sbom_and_another_format_are_malformed(tool: Tool) -> None:
    for old, new in ((b'"name":"syft"', b'"name":"trivy"'), (b'"CycloneDX"', b'"SPDX"')):
        with pytest.raises(MalformedOutput):
            tool.work(report("syft").replace(old, new), job_of(tool))


def test_hostile_names_are_made_safe() -> None:
    raw = report("syft").replace(b"pkg:pypi/secdl-canary@1.0", rb"pkg:\u001b[31m\u0000\n\u202e")
    (finding,) = syft.TOOL.parse(raw, JOB)
    assert not set(finding.path + finding.message) & set("\x1b\x00\u202e\n")


def test_a_lock_is_laid_out_under_a_name_that_syft_knows() -> None:
    (name,) = syft.TOOL.lay(JOB, Checkout(DATA))
    assert name == "target/requirements.lock/requirements.txt"


def test_a_folder_gives_the_locks_of_every_language(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name, text in (("go.mod", "module x\n"), ("requirements.txt", "a==1\n"), ("main.py", "x")):
        (tmp_path / "a" / name).write_text(text)
    laid = syft.TOOL.lay(job_of(syft.TOOL, sources=("a",)), Checkout(tmp_path))
    assert sorted(laid) == ["target/a/go.mod", "target/a/requirements.txt/requirements.txt"]


@pytest.mark.parametrize("name", [".syft.yaml", ".syft/config.yaml"])
def test_a_settings_file_in_the_tree_hides_no_package(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/requirements.txt").write_text("six==1.16.0\n")
    (tmp_path / "a/Cargo.lock").write_text(
        'version = 3\n\n[[package]]\nname = "openssl"\nversion = "0.10.0"\n'
        'source = "registry+https://example.org/index"\n'
    )
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('select-catalogers: ["-rust"]\n')
    ended, job, raw = run(syft.TOOL, job_of(syft.TOOL, sources=("a",)), tmp_path)
    assert ended.status == 0
    assert syft.TOOL.work(raw, job).read == {"packages": 2}


def test_a_folder_without_locks_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(MalformedOutput, match="holds no lock file"):
        syft.TOOL.lay(job_of(syft.TOOL, sources=("a",)), Checkout(tmp_path))


def test_both_formats_are_written() -> None:
    arguments = syft.TOOL.argv(JOB)
    assert f"--output=cyclonedx-json={JOB.folder}/sbom.cdx.json" in arguments
    assert f"--output=spdx-json={JOB.folder}/sbom.spdx.json" in arguments
    assert syft.TOOL.env == {"SYFT_CHECK_FOR_APP_UPDATE": "false"}


def test_an_image_is_read_as_image_build_left_it(tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    image.write_bytes(b"x")
    record = {"name": "app", "kind": "tar", "path": str(image), "oci": "/cache/oci", "digest": "sha256:0"}
    counts = {"size_bytes": 1, "files": 1, "packages": 1}
    (tmp_path / FILE).write_text(json.dumps({**record, **counts, "seal": seal_of(image)}))
    job = job_of(image_sbom.TOOL, inputs={"image-build": str(tmp_path / "out.sarif")})
    assert image_sbom.TOOL.argv(job)[1] == "oci-dir:/cache/oci"
    image.write_bytes(b"other")
    with pytest.raises(MalformedOutput, match="changed since it was identified"):
        image_sbom.TOOL.argv(job)


def test_findings_of_the_captured_report_of_an_image() -> None:
    job = job_of(image_sbom.TOOL)
    found = list(image_sbom.TOOL.parse(report("image-sbom"), job))
    assert_golden(codec.encode(found), DATA / "image-sbom" / "golden.json")
    assert image_sbom.TOOL.work(report("image-sbom"), job).read == {"packages": 18}
