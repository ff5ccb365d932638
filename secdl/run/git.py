"""What git says of the checkout; every answer is empty or None outside a repository."""

import shutil
import tempfile
from pathlib import Path

from secdl.model.errors import ConfigError
from secdl.model.text import one_line
from secdl.run.process import execute


def commit(root: Path) -> str:
    """Commit id of HEAD, with `-dirty` where tracked files differ; empty outside git or before the first commit."""
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        return ""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return head.strip() + ("-dirty" if changed else "")


def changed_files(root: Path, ref: str) -> tuple[str, ...]:
    """Files below `root` that differ between merge-base(`ref`, HEAD) and the working tree, untracked ones included.

    Paths are relative to `root`, sorted; deleted files are left out. Raises `ConfigError` for an unknown `ref`.
    """
    # The ref comes from a command line: one that begins with a dash would be an option.
    base = None if ref.startswith("-") else _git(root, "merge-base", ref, "HEAD")
    if base is None:
        hint = "name a branch, tag or commit that this clone holds (a shallow clone may lack it)"
        raise ConfigError(f"unknown revision {one_line(ref, limit=80)!r}", where="--changed-since", hint=hint)
    differs = _git(root, "diff", "--name-only", "-z", "--relative", "--diff-filter=d", base.strip()) or ""
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z") or ""
    return tuple(sorted({name for name in (differs + untracked).split("\0") if name}))


def _git(root: Path, *arguments: str) -> str | None:
    """Standard output of git, None where it fails or is not there."""
    program = shutil.which("git")
    if program is None:
        return None
    # A checkout may belong to another user (a CI volume), and its own configuration must not start programs.
    safe = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
    with tempfile.TemporaryDirectory(prefix="secdl-") as folder:
        end = execute([program, *safe, *arguments], cwd=root, folder=Path(folder), timeout_s=60)
        if end.status != 0:
            return None
        return (Path(folder) / "stdout").read_text("utf-8", "surrogateescape")
