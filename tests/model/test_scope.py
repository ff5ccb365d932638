"""What `exclude` hides, and the targets that name the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.model.scope import cover, excluded, within


@pytest.mark.parametrize(
    ("path", "pattern", "hidden"),
    [
        ("secdl/canaries/x.py", "secdl/canaries", True),
        ("secdl/canaries/x.py", "./secdl/canaries/", True),
        ("secdl/canaries_not/x.py", "secdl/canaries", False),
        ("lib/secdl/canaries/x.py", "secdl/canaries", False),
        ("a/b/c_test.py", "*_test.py", True),
        ("a/b.py", "a/b.py", True),
        ("a/b.py", "", False),
    ],
)
def test_a_pattern_hides_a_file_a_folder_or_a_glob(path, pattern, hidden):
    assert excluded(path, (pattern,)) is hidden


def test_within_takes_the_root_and_never_a_mere_prefix():
    assert within("a/b.py", (".",))
    assert within("a/b.py", ("./a/",))
    assert not within("ab/b.py", ("a",))


def test_a_folder_without_exclusions_is_one_target():
    assert cover(("src",), ("src/a.py", "src/b/c.py"), ("docs",)) == ("src",)


def test_a_folder_with_an_excluded_folder_is_taken_apart_there_and_only_there():
    planned = ("src/a.py", "src/b/c.py", "src/d/e/f.py", "src/d/e/g.py")
    assert cover(("src",), planned, ("src/d/x",)) == ("src/a.py", "src/b", "src/d/e")


def test_the_root_is_never_a_target_because_run_folders_lie_in_it():
    assert cover((".",), ("noxfile.py", "src/a.py"), ()) == ("noxfile.py", "src")


def test_changed_files_are_targets_as_they_are():
    assert cover(("src/a.py",), ("src/a.py",), ("src/b",)) == ("src/a.py",)


def test_a_glob_leaves_only_files():
    assert cover(("src",), ("src/a.py", "src/b/c.py"), ("*.min.py",)) == ("src/a.py", "src/b/c.py")


folders = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=3).map("/".join)
files = st.builds("{}/{}".format, folders, st.sampled_from(["c.py", "d.py"]))


@given(
    planned=st.sets(files, max_size=8),
    sources=st.lists(folders | files | st.just("."), max_size=3),
    hide=st.lists(folders | files),
)
def test_targets_hold_every_planned_file_and_nothing_excluded(planned, sources, hide):
    planned = {path for path in planned if not excluded(path, hide) and within(path, sources)}
    targets = cover(sources, sorted(planned), hide)
    assert all(within(path, targets) for path in planned)
    assert "." not in targets
    assert not any(within(pattern, (target,)) for pattern in hide for target in targets)
