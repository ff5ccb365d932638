import os
from pathlib import Path

import pytest

from secdl.image.folder import folder_digest, open_folder
from secdl.image.rootfs import ImageRefused, Kind, Limits


def test_links_are_recorded_and_never_followed_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root")
    (root / "etc" / "shadow").symlink_to(secret)
    (root / "out").symlink_to(tmp_path)
    (root / "inside").symlink_to("/etc/passwd")
    with open_folder(root) as rootfs:
        assert rootfs.entries["out"].kind is Kind.LINK
        assert not [path for path in rootfs.entries if path.startswith("out/")]
        assert rootfs.text("etc/shadow") is None
        assert rootfs.text("out/secret") is None
        assert rootfs.text("inside") == "root"


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with open_folder(tmp_path) as rootfs:
        assert rootfs.entries["pipe"].kind is Kind.OTHER
        assert rootfs.text("pipe") is None


def test_a_file_swapped_for_a_link_after_the_listing_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("12345")
    (root / "a").write_text("12345")
    with open_folder(root) as rootfs:
        (root / "a").unlink()
        (root / "a").symlink_to(tmp_path / "secret")
        with pytest.raises(ImageRefused):
            rootfs.text("a")


def test_a_file_swapped_for_a_pipe_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    with open_folder(tmp_path) as rootfs:
        (tmp_path / "a").unlink()
        os.mkfifo(tmp_path / "a")
        with pytest.raises(ImageRefused):
            rootfs.text("a")


def test_a_file_that_shrank_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    with open_folder(tmp_path) as rootfs:
        (tmp_path / "a").write_text("1")
        with pytest.raises(ImageRefused):
            rootfs.text("a")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused), open_folder(tmp_path):
        pass


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(ImageRefused), open_folder(tmp_path, Limits(entries=3)):
        pass


def test_setuid_bits_are_kept_in_the_listing(tmp_path: Path) -> None:
    (tmp_path / "su").touch()
    (tmp_path / "su").chmod(0o4755)
    with open_folder(tmp_path) as rootfs:
        assert rootfs.entries["su"].mode == 0o4755


def test_the_digest_changes_with_content_mode_and_link(tmp_path: Path) -> None:
    def digest() -> str:
        with open_folder(tmp_path) as rootfs:
            return folder_digest(rootfs)

    (tmp_path / "a").write_text("1")
    (tmp_path / "l").symlink_to("a")
    seen = [digest(), digest()]
    assert seen[0] == seen[1]
    (tmp_path / "a").write_text("2")
    seen.append(digest())
    (tmp_path / "a").chmod(0o4755)
    seen.append(digest())
    (tmp_path / "l").unlink()
    (tmp_path / "l").symlink_to("b")
    seen.append(digest())
    assert len(set(seen)) == 4


def test_the_digest_changes_with_capabilities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    seen = set()
    for names in ([], ["security.capability"]):
        monkeypatch.setattr(os, "listxattr", lambda *_, names=names, **__: names)
        with open_folder(tmp_path) as rootfs:
            seen.add(folder_digest(rootfs))
    assert len(seen) == 2
