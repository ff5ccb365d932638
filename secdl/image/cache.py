"""Folders that appear whole or not at all, whatever dies in between and whoever else is at it."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_USE = ".in-use"


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


@contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Path]:
    """An empty folder in `parent` for what is thrown away after the block; also clears those of runs that died.

    Others may pass through and create in it, as in /tmp: in a user namespace root is another user.
    """
    for left in parent.glob(f"{prefix}*"):
        _clear(left)
    room = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        with (room / _IN_USE).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            room.chmod(0o1777)
            yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _clear(room: Path) -> None:
    """Removes a scratch folder of ours that nobody uses and nothing is mounted in."""
    about = room.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or _mounted(room):
        return
    try:
        with (room / _IN_USE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(room, ignore_errors=True)
    except OSError:
        return


def _mounted(room: Path) -> bool:
    return f" {room}/" in Path("/proc/self/mountinfo").read_text()


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
