"""The engine as the runner starts it, its reports read by the tools that ask for them."""

import json
import os
import resource
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from secdl import advisories
from secdl.image.__main__ import main
from secdl.image.opened import open_image
from secdl.image.weak import weak_elf
from secdl.model.errors import MalformedOutput
from secdl.model.image import image_of
from secdl.model.shipped import canary_folder
from secdl.model.tool import Job, Tool
from secdl.tools.image_advisories import TOOL as ADVISORIES
from secdl.tools.image_build import TOOL as BUILD
from secdl.tools.image_hardening import TOOL as HARDENING
from secdl.tools.image_packages import TOOL as PACKAGES
from tests.image.images import debian, file, tar

CHECKS = (HARDENING, PACKAGES, ADVISORIES)


def sbom(path: Path) -> Path:
    purls = ("libssl3@3.0.5-1", "tool@1.0-1")
    components = [{"name": "x", "purl": f"pkg:deb/debian/{purl}?arch=amd64&distro=debian-12"} for purl in purls]
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
    return path


def job(tool: Tool, root: Path, image: Path) -> Job:
    """The job as the runner completes it, its canary laid."""
    folder = root / tool.name
    if tool.canary:
        canary = folder / "canary"
        source = canary_folder(tool.canary.folder)
        for path in source.rglob("*"):
            if path.is_file():
                target = canary / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    return Job(
        name=f"{tool.name}@i",
        tool=tool.name,
        stage=tool.stage,
        subject="i",
        root=str(root),
        folder=str(folder),
        output=tool.output,
        settings={"recipe": "", "path": str(image), "exposed": ["usr/bin/weak"]},
        inputs={"image-build": str(root / "image-build" / "out.sarif"), "image-sbom": str(sbom(root / "sbom.json"))},
        data={"cache": str(root / "cache"), "advisories": str(Path(advisories.__file__).parent / "data")},
        has_canary=tool.canary is not None,
        engine=True,
    )


def run(tool: Tool, root: Path, image: Path) -> tuple[int, Job]:
    planned = job(tool, root, image)
    return main(list(tool.argv(planned))), planned


def test_a_given_image_goes_through_every_check(tmp_path: Path) -> None:
    image = debian(tmp_path / "a.tar")
    assert run(BUILD, tmp_path, image)[0] == 0
    record = image_of(str(tmp_path / "image-build" / "out.sarif"))
    assert (record.name, record.path, record.packages) == ("i", str(image), 2)
    for tool in CHECKS:
        status, planned = run(tool, tmp_path, image)
        raw = Path(planned.out).read_bytes()
        assert status == 0
        found = list(tool.parse(raw, planned))
        hits = Counter(finding.rule for finding in found if finding.path.startswith("canary:"))
        assert tool.canary is not None
        assert all(hits[rule] >= count for rule, count in tool.canary.expects.items()), tool.name
        work = tool.work(raw, planned)
        assert any(work.read.values())
        assert work.unread == ()
        places = {finding.path for finding in found if not finding.path.startswith("canary:")}
        assert all(place.startswith(("image:i/", "package:pkg:deb/")) for place in places)


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    image = debian(tmp_path / "a.tar")
    outputs = []
    for _ in range(2):
        run(BUILD, tmp_path, image)
        outputs.append([Path(run(tool, tmp_path, image)[1].out).read_bytes() for tool in CHECKS])
    assert outputs[0] == outputs[1]


def test_another_image_changes_the_output_that_checks_are_reused_by(tmp_path: Path) -> None:
    outputs = []
    for extra in (b"1", b"2"):
        _, planned = run(BUILD, tmp_path, debian(tmp_path / "a.tar", file("etc/x", extra)))
        outputs.append(Path(planned.out).read_bytes())
    assert outputs[0] != outputs[1]


def test_findings_carry_what_an_attacker_gains(tmp_path: Path) -> None:
    image = debian(tmp_path / "a.tar")
    run(BUILD, tmp_path, image)
    _, planned = run(HARDENING, tmp_path, image)
    found = list(HARDENING.parse(Path(planned.out).read_bytes(), planned))
    assert all(finding.gain and finding.fix for finding in found)


def test_a_repository_says_itself_which_programs_are_judged(tmp_path: Path) -> None:
    image = debian(tmp_path / "a.tar", file("opt/hv/emulator", weak_elf()))
    run(BUILD, tmp_path, image)
    own = tmp_path / "programs.toml"
    own.write_text('setuid = false\nprograms = ["opt/hv/*"]\n')
    planned = job(HARDENING, tmp_path, image)
    planned = replace(planned, settings=planned.settings | {"exposed": [], "programs": str(own)})
    assert main(list(HARDENING.argv(planned))) == 0
    found = list(HARDENING.parse(Path(planned.out).read_bytes(), planned))
    assert {f.path for f in found if f.path.startswith("image:")} == {"image:i/opt/hv/emulator"}
    # What the repository leaves out is still looked for in the planted image.
    assert {f.path for f in found if f.rule == "elf-no-pie"} >= {"canary:usr/bin/weak"}
    own.write_text('programms = ["opt/hv/*"]\n')
    assert main(list(HARDENING.argv(planned))) == 2


def test_hostile_names_come_out_as_one_line_of_text(tmp_path: Path) -> None:
    name = "usr/bin/a\n<script>\x1b[31m\udce9"
    image = debian(tmp_path / "a.tar", file(name, weak_elf(), 0o4755))
    run(BUILD, tmp_path, image)
    status, planned = run(HARDENING, tmp_path, image)
    assert status == 0
    found = list(HARDENING.parse(Path(planned.out).read_bytes(), planned))
    assert not [f for f in found if "\n" in f.path or "\x1b" in f.path + f.message]


@pytest.mark.parametrize("tool", CHECKS, ids=lambda tool: tool.name)
def test_a_check_without_an_image_says_what_to_do(
    tmp_path: Path, tool: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    status, planned = run(tool, tmp_path, tmp_path / "none")
    assert status == 2
    assert not Path(planned.out).exists()
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("tool", CHECKS, ids=lambda tool: tool.name)
def test_an_image_that_vanished_from_the_cache_is_not_clean(tmp_path: Path, tool: Tool) -> None:
    image = debian(tmp_path / "a.tar")
    run(BUILD, tmp_path, image)
    image.unlink()
    assert run(tool, tmp_path, image)[0] == 2


@pytest.mark.parametrize("tool", CHECKS, ids=lambda tool: tool.name)
def test_an_image_cut_short_behind_our_back_is_not_clean(tmp_path: Path, tool: Tool) -> None:
    image = debian(tmp_path / "a.tar")
    run(BUILD, tmp_path, image)
    image.write_bytes(image.read_bytes()[:3000])
    status, planned = run(tool, tmp_path, image)
    assert status == 2
    assert not Path(planned.out).exists()


@pytest.mark.parametrize("packed", [True, False], ids=["tar", "folder"])
@pytest.mark.parametrize("tool", CHECKS, ids=lambda tool: tool.name)
def test_an_image_rewritten_since_it_was_identified_is_not_measured_and_a_restored_one_is(
    tmp_path: Path, tool: Tool, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    image = debian(tmp_path / "a.tar")
    target = image
    if not packed:
        image = tmp_path / "root"
        with tarfile.open(target) as archive:
            archive.extractall(image, filter="data")
        target = image / "usr/bin/weak"
    run(BUILD, tmp_path, image)
    raw = target.read_bytes()
    about = target.stat()
    target.write_bytes(bytes(len(raw)))
    target.write_bytes(raw)
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    status, planned = run(tool, tmp_path, image)
    assert status == 2
    assert not Path(planned.out).exists()
    assert "changed since it was identified" in capsys.readouterr().err
    run(BUILD, tmp_path, image)
    assert run(tool, tmp_path, image)[0] == 0


def test_an_image_rewritten_while_it_is_read_is_not_measured(tmp_path: Path) -> None:
    image = debian(tmp_path / "a.tar")
    run(BUILD, tmp_path, image)
    record = image_of(str(tmp_path / "image-build" / "out.sarif"))
    with pytest.raises(MalformedOutput, match="changed since it was identified"), open_image(record):
        image.write_bytes(image.read_bytes())


def test_a_hostile_image_ends_the_build_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, planned = run(BUILD, tmp_path, tar(tmp_path / "a.tar", file("../../etc/cron.d/x", b"x")))
    assert status == 2
    assert not Path(planned.out).exists()
    (line,) = capsys.readouterr().err.splitlines()
    assert "leads out of the image" in line
    assert not (tmp_path.parent.parent / "etc").exists()


def test_the_engine_is_a_program_of_its_own(tmp_path: Path) -> None:
    image = debian(tmp_path / "a.tar")
    argv = BUILD.argv(job(BUILD, tmp_path, image))
    done = subprocess.run([sys.executable, "-m", BUILD.builtin, *argv], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "i: opened, 2 packages" in done.stdout


def test_the_process_and_not_its_caller_is_limited_in_memory() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert main(["packages", "--image", "/none", "--sbom", "/none", "--canary", "/none", "--out", "/none"]) == 2
    assert resource.getrlimit(resource.RLIMIT_AS) == before
