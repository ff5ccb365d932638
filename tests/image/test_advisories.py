from pathlib import Path

import pytest

from secdl import advisories as data
from secdl.advisories import NotCovered
from secdl.image.advisories import judge, rebuilt
from secdl.image.rootfs import ImageRefused
from secdl.image.tarball import open_tar
from tests.image.images import debian, file, status, tar

SNAPSHOT = data.load(Path(data.__file__).parent / "data")


def look(path: Path, of: tuple[str, str] = ("debian", "12")):
    with open_tar(path) as rootfs:
        return judge(rootfs, SNAPSHOT, image="i", of=of)


def test_a_missed_fix_is_found_by_the_source_package(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar"))
    (one,) = [finding for finding in found.findings if finding.rule == "CVE-2022-3602"]
    assert one.path == "package:pkg:deb/debian/openssl"
    assert one.purl == "pkg:deb/debian/openssl@3.0.5-1?arch=source&distro=debian-12"
    assert "libssl3" in one.message
    assert one.fix.startswith("update openssl to 3.0.7")
    assert found.work.read == {"packages": 2, "source_packages": 2, "sources_with_advisories": 1}


def test_several_binaries_of_one_source_make_one_finding(tmp_path: Path) -> None:
    rows = status(("libssl3", "3.0.5-1", "openssl"), ("openssl", "3.0.5-1", ""))
    found = look(tar(tmp_path / "a.tar", file("var/lib/dpkg/status", rows)))
    assert len([finding for finding in found.findings if finding.rule == "CVE-2022-3602"]) == 1
    contexts = [finding.context for finding in found.findings]
    assert len(contexts) == len(set(contexts))


@pytest.mark.parametrize("of", [("debian", "9"), ("debian", ""), ("ubuntu", "22.04"), ("", "")])
def test_a_release_without_advisories_is_not_measured(tmp_path: Path, of: tuple[str, str]) -> None:
    with pytest.raises(NotCovered):
        look(debian(tmp_path / "a.tar"), of)


def test_an_image_without_packages_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused):
        look(tar(tmp_path / "a.tar", file("etc/x", b"")))


def test_a_rebuild_for_an_older_release_holds_the_fix() -> None:
    assert rebuilt("2.9.14+dfsg-1.3~deb12u6", "2.9.14+dfsg-1.3")
    assert rebuilt("1.0-1~bpo12+1", "1.0-1")
    assert not rebuilt("2.9.14+dfsg-1.2", "2.9.14+dfsg-1.3")
    assert not rebuilt("1.0-1~rc1", "1.0-1")
    assert not rebuilt("1.0-1~deb12u1", "1.0-1~deb12u2")
    assert not rebuilt("1.0", "")
