import random
import tarfile
from pathlib import Path

import pytest

from secdl.image.rootfs import ImageRefused, Kind, Limits
from secdl.image.tarball import open_tar
from tests.image.images import debian, file, link, member, tar


def refused(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(ImageRefused) as error, open_tar(path, limits or Limits()):
        pass
    return str(error.value)


def test_files_are_read_from_their_place_in_the_tar(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("./etc/hostname", b"one\n"), file("etc/motd", b"two\n", 0o600))
    with open_tar(path) as rootfs:
        assert [(e.path, rootfs.read(e)) for e in rootfs.files()] == [
            ("etc/hostname", b"one\n"),
            ("etc/motd", b"two\n"),
        ]
        assert rootfs.entries["etc/motd"].mode == 0o600


def test_absolute_links_of_a_merged_usr_stay_inside_the_image(tmp_path: Path) -> None:
    path = debian(
        tmp_path / "a.tar", link("./etc/alias", "/etc/os-release"), link("./etc/up", "../../../etc/os-release")
    )
    with open_tar(path) as rootfs:
        assert rootfs.find("/bin/weak") == rootfs.entries["usr/bin/weak"]
        assert "debian" in (rootfs.text("etc/alias") or "")
        assert "debian" in (rootfs.text("etc/up") or "")


def test_a_link_to_a_file_of_this_machine_reads_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    path = tar(tmp_path / "a.tar", link("etc/shadow", str(secret)), file("etc/x", b"x"))
    with open_tar(path) as rootfs:
        assert rootfs.find("etc/shadow") is None
        assert rootfs.text("etc/shadow") is None


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", link("a", "b"), link("b", "a"), file("etc/x", b"x"))
    with open_tar(path) as rootfs:
        assert rootfs.find("a/etc/x") is None


def test_a_name_below_a_link_lands_where_the_link_leads(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", link("lib", "usr/lib"), file("lib/x.so", b"x"))
    with open_tar(path) as rootfs:
        assert "usr/lib/x.so" in rootfs.entries


def test_a_later_member_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("etc/x", b"clean"), file("etc/x", b"evil!"))
    with open_tar(path) as rootfs:
        assert rootfs.text("etc/x") == "evil!"


def test_a_name_that_climbs_out_is_refused(tmp_path: Path) -> None:
    assert "leads out" in refused(tar(tmp_path / "a.tar", file("../../etc/passwd", b"x")))


def test_an_absolute_name_counts_as_inside(tmp_path: Path) -> None:
    with open_tar(tar(tmp_path / "a.tar", file("/etc/passwd", b"x"))) as rootfs:
        assert list(rootfs.entries) == ["etc/passwd"]


def test_device_nodes_and_pipes_are_listed_and_never_files(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar",
        (member("dev/sda", tarfile.BLKTYPE), b""),
        (member("dev/mem", tarfile.CHRTYPE), b""),
        (member("run/pipe", tarfile.FIFOTYPE), b""),
    )
    with open_tar(path) as rootfs:
        assert {entry.kind for entry in rootfs.entries.values()} == {Kind.OTHER}
        assert not list(rootfs.files())
        assert rootfs.text("dev/mem") is None


def test_a_hard_link_reads_as_its_original(tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar", file("usr/bin/a", b"same", 0o4755), (member("b", tarfile.LNKTYPE, link="./usr/bin/a"), b"")
    )
    with open_tar(path) as rootfs:
        assert rootfs.text("b") == "same"
        assert rootfs.entries["b"].mode == 0o4755


@pytest.mark.parametrize("target", ["/etc/shadow", "../../etc/shadow", "not/there"])
def test_a_hard_link_to_nothing_in_the_image_is_refused(tmp_path: Path, target: str) -> None:
    refused(tar(tmp_path / "a.tar", file("etc/x", b"x"), (member("b", tarfile.LNKTYPE, link=target), b"")))


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 1000, 1024, 1536])
def test_a_tar_that_is_cut_off_anywhere_is_refused(tmp_path: Path, keep: int) -> None:
    # tarfile takes a missing header for the end: at 1024 and 1536 a member ends.
    whole = tar(tmp_path / "a.tar", file("etc/a", b"a" * 512), file("etc/b", b"b" * 512)).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[:keep])
    refused(tmp_path / "b.tar")


def test_a_broken_header_in_the_middle_is_refused_not_taken_for_the_end(tmp_path: Path) -> None:
    raw = bytearray(tar(tmp_path / "a.tar", file("etc/a", b"a"), file("etc/b", b"b")).read_bytes())
    raw[1024 + 150] ^= 0xFF
    (tmp_path / "b.tar").write_bytes(raw)
    assert "end mark" in refused(tmp_path / "b.tar")


def test_data_behind_the_end_mark_is_refused(tmp_path: Path) -> None:
    first = tar(tmp_path / "a.tar", file("etc/a", b"a")).read_bytes()
    second = tar(tmp_path / "b.tar", file("etc/hidden", b"b")).read_bytes()
    (tmp_path / "c.tar").write_bytes(first + second)
    assert "behind the end mark" in refused(tmp_path / "c.tar")


def test_an_empty_tar_is_refused(tmp_path: Path) -> None:
    assert "empty" in refused(tar(tmp_path / "a.tar"))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", *(file(f"etc/{n}", b"") for n in range(11)))
    assert "more than 10 entries" in refused(path, Limits(entries=10))


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("etc/a", bytes(600)), file("etc/b", bytes(600)))
    assert "more than 1,000 bytes" in refused(path, Limits(total_bytes=1000))


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("etc/a", bytes(600)))
    with open_tar(path, Limits(file_bytes=500)) as rootfs, pytest.raises(ImageRefused):
        rootfs.text("etc/a")


def test_a_size_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    info = member("etc/a", size=1 << 40)
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(tmp_path / "a.tar")


def test_a_negative_size_is_refused_and_ends(tmp_path: Path) -> None:
    info = member("etc/a", size=-1024)
    (tmp_path / "a.tar").write_bytes(file("etc/x", b"")[0].tobuf() * 2 + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    refused(tmp_path / "a.tar")


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    info = member("etc/a")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "etc/a"}
    info.size = 512
    path = tar(tmp_path / "a.tar", (info, b"1\n0\n512\n".ljust(512, b"\0")))
    refused(path)


def test_names_that_are_not_utf_8_are_kept_and_can_be_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(member("etc/caf\udce9"))
    with open_tar(path) as rootfs:
        assert list(rootfs.entries) == ["etc/caf\udce9"]


def test_no_damage_makes_anything_but_a_whole_image_or_a_refusal(tmp_path: Path) -> None:
    raw = debian(tmp_path / "a.tar", link("a", "b")).read_bytes()
    rng = random.Random(1)  # noqa: S311 - the same damage each time
    path = tmp_path / "b.tar"
    refusals = 0
    for _ in range(300):
        broken = bytearray(raw)
        header = rng.randrange(len(raw) // 512) * 512
        for _ in range(rng.randint(1, 4)):
            broken[header + rng.randrange(512)] = rng.choice(b"07LKxgS\0\x80\xff")
        if rng.random() < 0.5:
            # With the right sum the header is believed.
            broken[header + 148 : header + 156] = b" " * 8
            broken[header + 148 : header + 156] = b"%06o\0 " % sum(broken[header : header + 512])
        path.write_bytes(broken[: len(broken) - rng.choice((0, 0, 512, 700))])
        try:
            with open_tar(path) as rootfs:
                assert all(".." not in name.split("/") for name in rootfs.entries)
        except ImageRefused:
            refusals += 1
    assert refusals > 100
