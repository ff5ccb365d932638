import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from secdl.image.identify import identify
from secdl.image.oci import pack_folder
from secdl.image.rootfs import ImageRefused, Limits
from secdl.model.errors import ConfigError, MalformedOutput
from tests.image.images import debian, file, tar


def test_a_tar_is_identified_where_it_lies_and_not_copied(tmp_path: Path) -> None:
    path = debian(tmp_path / "a.tar")
    record = identify(path, name="i", cache=tmp_path / "cache")
    assert (record.kind, record.path, record.packages, record.distribution, record.release) == (
        "tar",
        str(path),
        2,
        "debian",
        "12",
    )
    assert record.digest.startswith("sha256:")
    whole = path.read_bytes()
    files = [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and not p.is_symlink()]
    assert not [p for p in files if p.read_bytes() == whole]


def test_the_oci_layout_names_the_same_bytes(tmp_path: Path) -> None:
    path = debian(tmp_path / "a.tar")
    record = identify(path, name="i", cache=tmp_path / "cache")
    layer = Path(record.oci) / "blobs/sha256" / record.digest.removeprefix("sha256:")
    assert layer.read_bytes() == path.read_bytes()
    assert (Path(record.oci) / "index.json").exists()


def test_a_tar_that_was_moved_is_found_again(tmp_path: Path) -> None:
    path = debian(tmp_path / "a.tar")
    identify(path, name="i", cache=tmp_path / "cache")
    record = identify(path.rename(tmp_path / "b.tar"), name="i", cache=tmp_path / "cache")
    layer = Path(record.oci) / "blobs/sha256" / record.digest.removeprefix("sha256:")
    assert layer.is_file()


def test_a_folder_is_identified(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\n")
    record = identify(root, name="i", cache=tmp_path / "cache")
    assert (record.kind, record.path, record.files) == ("folder", str(root), 1)
    assert (Path(record.oci) / "index.json").exists()


def test_a_folder_that_changes_while_it_is_packed_leaves_no_copy_under_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\n")

    def pack(source: Path, tar: Path) -> None:
        (root / "etc/os-release").write_text("ID=other\n")
        pack_folder(source, tar)

    monkeypatch.setattr("secdl.image.identify.pack_folder", pack)
    with pytest.raises(MalformedOutput, match="changed since it was identified"):
        identify(root, name="i", cache=tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache/layouts").iterdir() if p.is_dir()]


def test_copies_of_a_folder_that_keeps_changing_do_not_fill_the_cache(tmp_path: Path) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    for number in range(6):
        (tmp_path / "root/etc/x").write_text(str(number))
        identify(tmp_path / "root", name="i", cache=tmp_path / "cache")
    assert len([p for p in (tmp_path / "cache/layouts").iterdir() if not p.name.startswith(".")]) == 4


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_tar_is_unpacked_once(tmp_path: Path, pack) -> None:
    plain = debian(tmp_path / "a.tar").read_bytes()
    path = tmp_path / "a.tar.packed"
    path.write_bytes(pack(plain))
    first = identify(path, name="i", cache=tmp_path / "cache")
    assert Path(first.path).read_bytes() == plain
    before = Path(first.path).stat().st_mtime_ns
    assert identify(path, name="i", cache=tmp_path / "cache") == first
    assert Path(first.path).stat().st_mtime_ns == before


def test_a_compression_bomb_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(100 << 20)))
    with pytest.raises(ImageRefused, match="unpacks to more than"):
        identify(path, name="i", cache=tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.stat().st_size]


def test_a_total_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.tar.gz"
    path.write_bytes(gzip.compress(bytes(4 << 20)))
    with pytest.raises(ImageRefused, match="unpacks to more than"):
        identify(path, name="i", cache=tmp_path / "cache", limits=Limits(total_bytes=1 << 20))


@pytest.mark.parametrize("cut", [20, 100])
def test_a_compressed_tar_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(debian(tmp_path / "a.tar").read_bytes())[:-cut])
    with pytest.raises(ImageRefused):
        identify(path, name="i", cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"QFI\xfb\0\0\0\3", "qcow2"),
        (b"KDMV", "VMDK"),
        (b"hsqs", "squashfs"),
        (b"\x28\xb5\x2f\xfd", "zst"),
        (b"\xeb\x63\x90" + bytes(507) + b"\x55\xaa", "disk images are not read"),
        (b"PK\3\4", "not a tar"),
        (b"", "not a tar|not a whole tar|empty"),
    ],
)
def test_other_formats_are_refused_in_one_line_that_says_not_measured(tmp_path: Path, head: bytes, word: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(head and head.ljust(4096, b"\1"))
    with pytest.raises(ImageRefused, match=word) as error:
        identify(path, name="i", cache=tmp_path / "cache")
    assert "not measured" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_path_with_nothing_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no image at"):
        identify(tmp_path / "none.tar", name="i", cache=tmp_path / "cache")


def test_a_container_archive_is_no_root_file_system(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("manifest.json", b"[]"), file("0a/layer.tar", b"x"))
    with pytest.raises(ImageRefused, match="not a root file system"):
        identify(path, name="i", cache=tmp_path / "cache")
