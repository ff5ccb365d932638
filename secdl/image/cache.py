"""Folders that appear whole or not at all, whatever dies in between and whoever else is at it."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of `folder` among all processes of this machine; waits for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def published(folder: Path) -> Iterator[Path]:
    """A fresh folder to fill; it becomes `folder` when the block ends well and vanishes when it does not."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        yield fresh
        for path in sorted(fresh.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def prune(folder: Path, *, keep: int) -> None:
    """Removes all but the `keep` newest of the published folders in `folder`, and what a killed run left behind."""
    ours = [path for path in folder.iterdir() if path.is_dir()]
    whole = sorted((path for path in ours if not path.name.startswith(".")), key=lambda path: path.stat().st_mtime)
    left = [path for path in ours if path.name.startswith(".") and path.name.endswith(".tmp")]
    for path in (*whole[: max(0, len(whole) - keep)], *left):
        key = path.name.lstrip(".").partition(".")[0]
        with (folder / f".{key}.lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path, ignore_errors=True)
