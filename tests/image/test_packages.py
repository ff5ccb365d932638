import json
from pathlib import Path

import pytest

from secdl.image.dpkg import installed, os_release, parse_status
from secdl.image.packages import compare
from secdl.image.rootfs import ImageRefused
from secdl.image.tarball import open_tar
from secdl.model.errors import MalformedOutput
from secdl.model.rulebook import rulebook
from secdl.model.shipped import shipped
from tests.image.images import OS_RELEASE, debian, file, status, tar

RULES = rulebook(shipped("policies/hardening/packages.toml"))


def sbom(*purls: str) -> bytes:
    components = [{"type": "library", "name": "x", "purl": purl} for purl in purls]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}).encode()


def look(path: Path, document: bytes):
    with open_tar(path) as rootfs:
        return compare(rootfs, document, prefix="image:i/", rules=RULES)


SSL = "pkg:deb/debian/libssl3@3.0.5-1?arch=amd64&distro=debian-12"
TOOL = "pkg:deb/debian/tool@1.0-1?arch=amd64&distro=debian-12"


def test_equal_lists_make_no_finding_and_say_how_many(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar"), sbom(SSL, TOOL, "pkg:maven/a/b@1"))
    assert found.findings == ()
    assert found.work.read == {"packages": 2, "sbom_packages": 2}


def test_each_difference_is_a_finding(tmp_path: Path) -> None:
    document = sbom(SSL.replace("3.0.5-1", "3.0.5-2"), SSL.replace("libssl3", "ghost"))
    found = look(debian(tmp_path / "a.tar"), document)
    assert [(f.rule, f.message.split()[0].rstrip(":")) for f in found.findings] == [
        ("package-only-in-sbom", "ghost:amd64"),
        ("package-version-differs", "libssl3:amd64"),
        ("package-missing-from-sbom", "tool:amd64"),
    ]


def test_an_epoch_is_compared_decoded(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", file("var/lib/dpkg/status", status(("qemu", "1:7.2+dfsg-7~deb12u1", ""))))
    document = sbom("pkg:deb/debian/qemu@1%3A7.2%2Bdfsg-7~deb12u1?arch=amd64")
    assert look(path, document).findings == ()


@pytest.mark.parametrize("document", [sbom(), sbom("pkg:pypi/x@1")])
def test_an_empty_sbom_is_not_measured(tmp_path: Path, document: bytes) -> None:
    # syft lists nothing of a disk image and exits 0.
    with pytest.raises(ImageRefused):
        look(debian(tmp_path / "a.tar"), document)


@pytest.mark.parametrize(
    "document", [b"", b"{}", b'{"spdxVersion": "SPDX-2.3"}', sbom(SSL)[:-5], b'{"bomFormat": "x"}']
)
def test_another_document_is_malformed(tmp_path: Path, document: bytes) -> None:
    with pytest.raises(MalformedOutput):
        look(debian(tmp_path / "a.tar"), document)


def test_an_image_without_a_package_database_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="no dpkg package database"):
        look(tar(tmp_path / "a.tar", file("etc/x", b"")), sbom(SSL))


def test_an_rpm_image_is_not_measured_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="rpm"):
        look(tar(tmp_path / "a.tar", file("usr/lib/sysimage/rpm/rpmdb.sqlite", b"")), sbom(SSL))


def test_packages_count_of_which_files_are_there() -> None:
    text = "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\n\n"
    text += "Package: b\nStatus: hold ok installed\nVersion: 2\n\n"
    text += "Package: c\nStatus: purge ok not-installed\n"
    assert [package.name for package in parse_status(text)] == ["b"]


@pytest.mark.parametrize(
    "state", ["half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"]
)
def test_a_package_that_is_not_configured_is_there_all_the_same(state: str) -> None:
    (package,) = parse_status(f"Package: openssl\nStatus: install reinstreq {state}\nVersion: 3.0.1-1\n")
    assert package.name == "openssl"


def test_a_package_whose_unpacking_was_cut_off_is_named() -> None:
    with pytest.raises(ImageRefused, match="openssl is half-installed, of no known version"):
        parse_status("Package: openssl\nStatus: install reinstreq half-installed\nArchitecture: amd64\n")


@pytest.mark.parametrize("letter", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_only_a_line_feed_ends_a_field(letter: str) -> None:
    text = f"Package: a\nStatus: install ok installed\nVersion: 1\nDescription: b{letter}Status: purge ok x\n"
    assert [package.name for package in parse_status(text)] == ["a"]


def test_a_source_with_a_version_of_its_own_is_kept() -> None:
    (package,) = parse_status("Package: a\nStatus: install ok installed\nSource: b (1.0-1)\nVersion: 1.0-1+b2\n")
    assert (package.source, package.source_version) == ("b", "1.0-1")


@pytest.mark.parametrize(
    "text",
    [
        "Package: a\nVersion: 1\n",
        "Package: a\nStatus: install ok installed\n",
        "Package: a\nStatus: install ok gone\nVersion: 1\n",
        "Package: a b\nStatus: install ok installed\nVersion: 1\n",
        "Package: a\nStatus: install ok installed\nVersion: 1\nSource: x (1\n",
    ],
)
def test_a_damaged_record_is_refused_not_skipped(text: str) -> None:
    with pytest.raises(ImageRefused):
        parse_status(text)


def test_images_without_dpkg_keep_a_file_for_each_package(tmp_path: Path) -> None:
    record = b"Package: base-files\nArchitecture: amd64\nVersion: 12.4\n"
    path = tar(
        tmp_path / "a.tar",
        file("var/lib/dpkg/status.d/base", record),
        file("var/lib/dpkg/status.d/base.md5sums", b"0 x"),
        file("etc/os-release", OS_RELEASE),
    )
    with open_tar(path) as rootfs:
        assert [package.name for package in installed(rootfs)] == ["base-files"]
        assert os_release(rootfs) == ("debian", "12")
