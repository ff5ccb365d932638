"""What has changed since a revision: git that fails, and files that git does not see, are never "unchanged"."""

import shutil
import subprocess
from pathlib import Path

import pytest

from secdl.model.errors import ConfigError
from secdl.run.git import changes, commit

_SETTINGS = ("user.name=t", "user.email=t@x.invalid", "init.defaultBranch=main", "advice.addEmbeddedRepo=false")


def git(folder: Path, *arguments: str) -> str:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    program = shutil.which("git") or "git"
    return subprocess.run(
        [program, *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def save(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=x")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the committed files `a.py` and `real/b.py`."""
    (tmp_path / "real").mkdir()
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "real" / "b.py").write_text("b = 1\n")
    git(tmp_path, "init", "--quiet")
    save(tmp_path)
    return tmp_path


@pytest.fixture
def nested(root: Path) -> Path:
    """The submodule `sub` of it, which its configuration tells git to ignore, with the file `c.py`."""
    sub = root / "sub"
    sub.mkdir()
    (sub / "c.py").write_text("c = 1\n")
    git(sub, "init", "--quiet")
    save(sub)
    (root / ".gitmodules").write_text('[submodule "sub"]\n\tpath = sub\n\turl = ./sub\n\tignore = all\n')
    git(root, "config", "submodule.sub.url", "./sub")
    save(root)
    return sub


def held(root: Path, *names: str, since: str = "HEAD") -> list[str]:
    changed = changes(root, since)
    return [name for name in names if changed.hold(name)]


def test_git_that_cannot_compare_is_an_error_and_not_no_change(root: Path) -> None:
    (root / "a.py").write_text("a = eval(x)\n")
    save(root)
    tree = git(root, "rev-parse", "HEAD~1^{tree}")
    (root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(ConfigError, match="git diff failed"):
        changes(root, "HEAD~1")


def test_git_that_cannot_list_is_an_error_and_not_no_change(root: Path) -> None:
    (root / ".git" / "index").write_bytes(b"DIRC broken")
    with pytest.raises(ConfigError, match="git ls-files failed"):
        changes(root, "HEAD")


def test_where_git_holds_nothing_no_revision_is_called_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no git repository here"):
        changes(tmp_path, "HEAD")


@pytest.mark.parametrize("ref", ["nowhere", "--output=x", ""])
def test_a_revision_that_is_none_is_an_error(root: Path, ref: str) -> None:
    with pytest.raises(ConfigError, match="unknown revision"):
        changes(root, ref)


def test_only_what_differs_is_held(root: Path) -> None:
    assert held(root, "a.py", "real/b.py") == []
    (root / "a.py").write_text("a = 2\n")
    assert held(root, "a.py", "real/b.py") == ["a.py"]
    save(root)
    assert held(root, "a.py", "real/b.py", since="HEAD~1") == ["a.py"]
    assert changes(root, "HEAD~1").count == 1


def test_names_are_those_below_the_checkout_also_within_a_larger_repository(root: Path) -> None:
    (root / "real" / "b.py").write_text("b = 2\n")
    (root / "a.py").write_text("a = 2\n")
    assert held(root / "real", "b.py") == ["b.py"]
    assert changes(root / "real", "HEAD").count == 1


def test_a_removed_file_is_not_counted(root: Path) -> None:
    (root / "a.py").unlink()
    assert changes(root, "HEAD").count == 0


def test_a_changed_file_is_held_by_the_name_of_a_link_to_its_folder(root: Path) -> None:
    (root / "link").symlink_to("real")
    save(root)
    assert held(root, "link/b.py") == []
    (root / "real" / "b.py").write_text("b = 2\n")
    assert held(root, "link/b.py") == ["link/b.py"]


def test_a_file_that_git_does_not_track_or_lies_outside_is_held(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (root / ".gitignore").write_text("made.py\n")
    save(root)
    (root / "made.py").touch()
    (root / "new.py").touch()
    outside = tmp_path_factory.mktemp("outside")
    (outside / "d.py").touch()
    (root / "out").symlink_to(outside)
    names = ("made.py", "new.py", "out/d.py")
    assert held(root, "a.py", *names) == list(names)


@pytest.mark.parametrize("told", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_was_told_not_to_compare_is_held(root: Path, told: str) -> None:
    git(root, "update-index", told, "a.py")
    (root / "a.py").write_text("a = 2\n")
    assert held(root, "a.py", "real/b.py") == ["a.py"]


def test_files_of_a_submodule_are_held_once_it_is_dirty_whatever_it_says_to_ignore(root: Path, nested: Path) -> None:
    assert held(root, "a.py", "sub/c.py") == []
    (nested / "c.py").write_text("c = 2\n")
    assert held(root, "a.py", "sub/c.py") == ["sub/c.py"]
    assert commit(root).endswith("-dirty")


def test_files_of_a_submodule_are_held_once_its_commit_differs(root: Path, nested: Path) -> None:
    (nested / "c.py").write_text("c = 2\n")
    save(nested)
    git(root, "add", "--force", "sub")
    git(root, "commit", "--quiet", "--message=x")
    assert held(root, "sub/c.py", since="HEAD~1") == ["sub/c.py"]
    assert held(root, "sub/c.py") == []


def test_a_file_that_a_submodule_ignores_is_held(root: Path, nested: Path) -> None:
    (nested / ".git" / "info" / "exclude").write_text("made.py\n")
    (nested / "made.py").touch()
    assert held(root, "sub/c.py", "sub/made.py") == ["sub/made.py"]


def test_files_of_a_repository_that_nobody_declared_are_held(root: Path) -> None:
    (root / "vendored").mkdir()
    (root / "vendored" / "d.py").touch()
    git(root / "vendored", "init", "--quiet")
    save(root / "vendored")
    assert held(root, "vendored/d.py") == ["vendored/d.py"]


def test_the_commit_says_what_is_known_of_the_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    head = git(root, "rev-parse", "HEAD")
    assert commit(root) == head
    (root / ".secdl").mkdir()
    (root / ".secdl" / ".gitignore").write_text("*\n")
    assert commit(root) == head
    (root / "new.py").touch()
    assert commit(root) == f"{head}-dirty"
    (root / ".git" / "index").write_bytes(b"DIRC broken")
    assert commit(root) == f"{head}-unknown"
    assert commit(tmp_path_factory.mktemp("none")) == ""


def test_a_renamed_file_is_one_that_is_removed_and_a_copied_one_is_not(root: Path) -> None:
    (root / "copy.py").write_text("a = 1\n")
    assert changes(root, "HEAD").removed == ()
    (root / "real/b.py").rename(root / "c.py")
    assert changes(root, "HEAD").removed == ("real/b.py",)
    git(root, "add", "--all")
    assert changes(root, "HEAD").removed == ("real/b.py",)
