"""What git says of the checkout, which may be none. Where git fails, that is said: it never counts as "no change"."""

import os
import shutil
import tempfile
from pathlib import Path

import msgspec

from secdl.model.errors import ConfigError
from secdl.model.text import one_line
from secdl.run.process import execute

_PLAIN = "H"
"""How `git ls-files -v` marks a tracked file that git compares; others it was told to take for unchanged."""


def commit(root: Path) -> str:
    """Commit id of HEAD, with `-dirty` where tracked files differ or files are there that git neither tracks nor
    ignores, `-unknown` where git cannot tell; empty outside git or before the first commit."""
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        return ""
    changed = _git(root, "status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none")
    return head.strip() + ("-unknown" if changed is None else "-dirty" if changed else "")


def refuse_tracked(root: Path, folder: Path) -> None:
    """Raises `ConfigError` where git tracks a file below `folder`, relative to `root`, or cannot say that it does not:
    what came with a checkout would be taken for what was made here."""
    where = root / folder
    if not os.path.lexists(where):
        return
    tracked = _git(root, "ls-files", "-z", "--", str(folder))
    if tracked:
        hint = f"`git rm -r --cached {folder}`, and delete it where you did not make it yourself"
        raise ConfigError("git tracks this folder, which only secdl may fill", where=str(where), hint=hint)
    if tracked is None and any(os.path.lexists(above / ".git") for above in (root, *root.parents)):
        what = "git cannot say whether it tracks this folder, which only secdl may fill"
        raise ConfigError(what, where=str(where), hint="install git, see what `git status` says, or delete the folder")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the files below `root`, a real path, since a revision; paths are relative to it.

    `differs` are files and submodules that are not as they were, removed ones included; `tracked` what git compares.
    """

    root: str
    differs: frozenset[str]
    tracked: frozenset[str]
    untracked: frozenset[str]

    @property
    def count(self) -> int:
        """Changed and untracked files that exist."""
        return sum(os.path.lexists(f"{self.root}/{name}") for name in self.differs | self.untracked)

    @property
    def removed(self) -> tuple[str, ...]:
        """Files that were there and are not any more, sorted."""
        return tuple(sorted(name for name in self.differs if not os.path.lexists(f"{self.root}/{name}")))

    def hold(self, name: str) -> bool:
        """Whether the file `name` may have changed: so it may unless git tracks what it really is and found it, and
        each folder above it, the same."""
        real = os.path.relpath(os.path.realpath(f"{self.root}/{name}"), self.root)
        above = (real[:at] for at, sign in enumerate(real) if sign == "/")
        return real not in self.tracked or real in self.differs or any(folder in self.differs for folder in above)


def changes(root: Path, ref: str) -> Changes:
    """What differs below `root` between merge-base(`ref`, HEAD) and the working tree.

    Raises `ConfigError` for an unknown `ref` and where git fails.
    """
    # The ref comes from a command line: one that begins with a dash would be an option.
    base = None if ref.startswith("-") else _git(root, "merge-base", ref, "HEAD")
    if base is None:
        if _git(root, "rev-parse", "--git-dir") is None:
            hint = "run without it, or in a clone that git can read"
            raise ConfigError("there is no git repository here", where="--changed-since", hint=hint)
        hint = "name a branch, tag or commit that this clone holds (a shallow clone may lack it)"
        raise ConfigError(f"unknown revision {one_line(ref, limit=80)!r}", where="--changed-since", hint=hint)
    compare = ("diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "--ignore-submodules=none", "-z")
    marked = _names(root, "ls-files", "-v", "--recurse-submodules", "-z")
    return Changes(
        root=os.path.realpath(root),
        differs=_names(root, *compare, base.strip(), "--"),
        tracked=frozenset(name[2:] for name in marked if name.startswith(f"{_PLAIN} ")),
        untracked=_names(root, "ls-files", "--others", "--exclude-standard", "-z"),
    )


def _names(root: Path, *arguments: str) -> frozenset[str]:
    printed = _git(root, *arguments)
    if printed is None:
        raise ConfigError(
            f"git {arguments[0]} failed, so what has changed is not known",
            where="--changed-since",
            hint=f"see what `git {' '.join(arguments)}` says, or run without --changed-since",
        )
    return frozenset(name for name in printed.split("\0") if name)


def _git(root: Path, *arguments: str) -> str | None:
    """Standard output of git, None where it fails or is not there."""
    program = shutil.which("git")
    if program is None:
        return None
    # A checkout may belong to another user (a CI volume), and its own configuration must not start programs.
    safe = ("--no-optional-locks", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
    with tempfile.TemporaryDirectory(prefix="secdl-") as folder:
        end = execute([program, *safe, *arguments], cwd=root, folder=Path(folder), timeout_s=60)
        if end.status != 0:
            return None
        return (Path(folder) / "stdout").read_text("utf-8", "surrogateescape")
