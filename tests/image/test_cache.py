import fcntl
from pathlib import Path

import pytest

from secdl.image.cache import published, scratch


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with pytest.raises(FileNotFoundError), published(target) as fresh:
        (fresh / "folder/absent/x").write_text("half")
    assert list(tmp_path.iterdir()) == []
    with published(target) as fresh:
        (fresh / "x").write_text("whole")
        assert not target.exists()
    assert (target / "x").read_text() == "whole"


def test_scratch_is_removed_and_clears_what_a_dead_run_left(tmp_path: Path) -> None:
    dead = tmp_path / "secdl-image-dead"
    dead.mkdir()
    (dead / ".in-use").touch()
    (dead / "rootfs").mkdir()
    with scratch(tmp_path, "secdl-image-") as room:
        assert not dead.exists()
        assert room.stat().st_mode & 0o7777 == 0o1777
    assert list(tmp_path.iterdir()) == []


def test_scratch_of_a_living_run_stays(tmp_path: Path) -> None:
    alive = tmp_path / "secdl-image-alive"
    alive.mkdir()
    with (alive / ".in-use").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with scratch(tmp_path, "secdl-image-"):
            assert alive.exists()
    assert alive.exists()


def test_a_link_with_the_name_of_scratch_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / ".in-use").touch()
    (tmp_path / "secdl-image-trap").symlink_to(precious)
    with scratch(tmp_path, "secdl-image-"):
        pass
    assert precious.exists()
