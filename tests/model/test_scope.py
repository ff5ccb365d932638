"""What `exclude` hides, and what lies below a source."""

import pytest

from secdl.model.scope import excluded, within


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


@pytest.mark.parametrize("source", ["a/b", "./a/b/", "a//b", "a/./b", "a/../a/b"])
def test_a_source_is_the_same_however_its_path_is_written(source):
    assert within("a/b/c.py", (source,))
    assert excluded("a/b/c.py", (source,))
