"""What a tool may look at before its run."""

import os
from pathlib import Path

import pytest

from secdl.model.errors import MalformedOutput
from secdl.run import checkout
from secdl.run.checkout import Checkout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "x.txt").write_text("x")
    (root / "a" / "link.txt").symlink_to("x.txt")
    (root / "out").symlink_to(tmp_path)
    os.mkfifo(root / "a" / "pipe.txt")
    (tmp_path / "secret").write_text("s")
    return root


def test_only_regular_files_are_seen(tree: Path) -> None:
    assert Checkout(tree).files("a") == ("a/x.txt",)
    assert Checkout(tree).files("a/x.txt") == ("a/x.txt",)
    assert Checkout(tree).read("a/x.txt") == b"x"


def test_runs_environments_and_caches_are_not_seen(tree: Path) -> None:
    for name in (".secdl", ".venv", "node_modules"):
        (tree / "a" / name).mkdir()
        (tree / "a" / name / "requirements.txt").write_text("a==1\n")
    assert Checkout(tree).files(".") == ("a/x.txt",)


@pytest.mark.parametrize("path", ["../secret", "out/secret", "/etc/passwd", "a/link.txt", "a/none.txt", "a"])
def test_what_is_outside_a_link_absent_or_a_folder_is_not_read(tree: Path, path: str) -> None:
    with pytest.raises(MalformedOutput):
        Checkout(tree).read(path)


@pytest.mark.parametrize("path", ["..", "out", "none"])
def test_what_is_outside_or_absent_is_not_listed(tree: Path, path: str) -> None:
    with pytest.raises(MalformedOutput):
        Checkout(tree).files(path)


def test_a_pipe_does_not_hang_the_reader(tree: Path) -> None:
    assert Checkout(tree).read("a/pipe.txt") == b""


def test_a_huge_file_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "LARGEST", 3)
    (tree / "big").write_bytes(b"1234")
    with pytest.raises(MalformedOutput, match="larger than"):
        Checkout(tree).read("big")
