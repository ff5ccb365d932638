"""The checkout as tools see it before their run: regular files only, none outside it."""

import os
from collections.abc import Iterator
from pathlib import Path

from secdl.model.errors import MalformedOutput

LARGEST = 64 << 20
ENVIRONMENTS = frozenset({".nox", ".tox", ".venv", "node_modules"})
"""Folders that hold the code of others, installed for this checkout."""
NEVER = ENVIRONMENTS | {".git", ".hg", ".secdl", "__pycache__"}
"""Folders that are not what a repository declares: environments, history, runs of secdl, caches."""


class Checkout:
    """Implements `secdl.model.tool.Checkout` over a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def files(self, path: str) -> tuple[str, ...]:
        """The regular files at or below `path`, sorted; links are not followed."""
        top = self._inside(path)
        if not top.exists():
            raise MalformedOutput("does not exist", where=path)
        found = [top] if top.is_file() else list(_below(top))
        return tuple(sorted(file.relative_to(self._root).as_posix() for file in found if not file.is_symlink()))

    def read(self, path: str) -> bytes:
        """The content of one of them."""
        try:
            # Not blocking on a pipe that somebody put there, and no link taken in place of the file.
            fd = os.open(self._inside(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as stream:
                raw = stream.read(LARGEST + 1)
        except OSError as error:
            raise MalformedOutput(error.strerror or "unreadable", where=path) from error
        if len(raw) > LARGEST:
            raise MalformedOutput(f"larger than {LARGEST >> 20} MiB", where=path)
        return raw

    def _inside(self, path: str) -> Path:
        target = self._root / path
        if not target.resolve().is_relative_to(self._root):
            raise MalformedOutput("leads out of the checkout", where=path)
        return target


def _below(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in NEVER]
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file():
                yield path
