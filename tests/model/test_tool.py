import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.model.finding import Level
from secdl.model.tool import CANARY, OUTSIDE, Job, Stage

ROOT = "/srv/tree"
FOLDER = f"{ROOT}/.secdl/runs/r/evidence/t"


def job(**more):
    return Job(**({"name": "t", "tool": "t", "stage": Stage.SAST, "root": ROOT, "folder": FOLDER} | more))


@pytest.mark.parametrize(
    ("reported", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src/../lib/a.py", "lib/a.py"),
        (f"{ROOT}/src/a.py", "src/a.py"),
        (f"file://{ROOT}/src/a.py", "src/a.py"),
        (f"{ROOT}/../tree/src/a.py", "src/a.py"),
        ("../tree/src/a.py", "src/a.py"),
        (ROOT, ""),
        (".", ""),
        ("a b.py", "a b.py"),
        ("a\nb.py", "a b.py"),
        ("image:host/usr/bin/x", "image:host/usr/bin/x"),
        ("device:virtio-net", "device:virtio-net"),
    ],
)
def test_path_is_named_from_the_checkout(reported, path):
    assert job().path(reported) == path


@pytest.mark.parametrize(
    "reported",
    ["../a.py", "/etc/passwd", "src/../../a.py", "/srv/treehouse/a.py", "//srv/tree/a.py", "file:///etc/x"],
)
def test_path_outside_the_checkout_says_so(reported):
    assert job().path(reported).startswith(OUTSIDE)


@pytest.mark.parametrize("prefix", [FOLDER, FOLDER.removeprefix(ROOT + "/"), "./" + FOLDER.removeprefix(ROOT + "/")])
def test_planted_defect_is_known_however_it_is_spelt(prefix):
    assert job(has_canary=True).path(f"{prefix}/canary/deep/a.py") == CANARY + "deep/a.py"


def test_source_file_cannot_pose_as_a_planted_defect():
    climbing = job(has_canary=True).path(f"{FOLDER}/canary/../../../../../../src/a.py")
    assert climbing == "src/a.py"
    assert not job(has_canary=True).path("canary:a.py").startswith(CANARY)
    assert not job(has_canary=True).path(f"{FOLDER}/canary2/a.py").startswith(CANARY)
    assert not job(has_canary=False).path(f"{FOLDER}/canary/a.py").startswith(CANARY)


def test_laid_source_is_named_as_where_it_came_from():
    laid = job()
    assert laid.path(f"{FOLDER}/src/a/b.py") == "a/b.py"
    assert laid.path(f"{FOLDER}/src/canary:a.py") == "./canary:a.py"
    assert laid.path(f"{ROOT}/image:a.py") == "./image:a.py"


def test_engine_names_its_own_planted_defects():
    assert job(engine=True).path("canary:device") == "canary:device"


@given(st.text(max_size=60))
def test_no_path_climbs_or_breaks_a_line(reported):
    found = job(has_canary=True).path(reported)
    assert len(found.splitlines()) <= 1
    if not found.startswith((OUTSIDE, "image:", "device:", "package:", "model:")):
        assert not found.startswith("/")
        assert ".." not in found.removeprefix(CANARY).split("/")


@given(st.text(max_size=60))
def test_naming_twice_changes_nothing(reported):
    once = job().path(reported)
    if not once.startswith((OUTSIDE, "./")):
        assert job().path(once) == once


@pytest.mark.parametrize("line", [0, -3, None, 2**40])
def test_line_that_is_none_is_none(line):
    (place,) = job().finding(rule="r", level=Level.LOW, message="m", path="a", line=line, column=line).locations
    assert (place.line, place.column) == (None, None)


def test_text_of_a_finding_is_made_safe():
    found = job().finding(rule="r\x1b\n1", level=Level.LOW, message=" m\x07\n", path="a", snippet="s\x00" * 3000)
    assert (found.rule, found.message) == ("r� 1", "m�")
    assert len(found.snippet) == 2000
