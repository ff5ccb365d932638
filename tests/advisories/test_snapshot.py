"""What the snapshot says of a package version."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from secdl.advisories import Match, NotCovered, Snapshot, load
from secdl.advisories.bundle import documents, write
from secdl.advisories.canary import plant
from secdl.advisories.osv import read
from secdl.model.errors import MalformedOutput, SecdlError
from secdl.model.finding import Level

DATA = Path(__file__).resolve().parents[2] / "secdl" / "advisories" / "data"


def affected(package: str, *events: dict[str, str], ecosystem: str = "PyPI", **more: Any) -> dict[str, Any]:
    kind = "SEMVER" if ecosystem == "Go" else "ECOSYSTEM"
    ranges = [{"type": kind, "events": list(events)}] if events else []
    return {"package": {"name": package, "ecosystem": ecosystem}, "ranges": ranges, **more}


def record(id_: str, *packages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": id_, "modified": "2026-01-02T03:04:05Z", "affected": list(packages), **more}


def snapshot(folder: Path, *records: dict[str, Any]) -> Snapshot:
    found = [read(json.dumps(one).encode(), where=one["id"]) for one in records]
    write(folder, documents(found, where="test"), {"PyPI": date(2026, 1, 1)}, imported=False)
    return load(folder)


def ids(matches: tuple[Match, ...]) -> list[str]:
    return [match.id for match in matches]


@pytest.mark.parametrize(
    ("version", "hit"),
    [("0.9", False), ("1.0rc1", False), ("1.0", True), ("1.4", True), ("1.5rc1", True), ("1.5", False), ("2.1", True)],
)
def test_events_bound_what_is_affected(tmp_path: Path, version: str, hit: bool) -> None:
    events = ({"fixed": "1.5"}, {"introduced": "2.0"}, {"introduced": "1.0"})
    opened = snapshot(tmp_path, record("PYSEC-2026-1", affected("a", *events)))
    assert bool(opened.match(ecosystem="PyPI", package="a", version=version)) is hit


def test_last_affected_is_affected(tmp_path: Path) -> None:
    opened = snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"}, {"last_affected": "1.5"})))
    assert opened.match(ecosystem="PyPI", package="a", version="1.5.0")
    assert not opened.match(ecosystem="PyPI", package="a", version="1.5.1")


def test_a_version_that_is_only_listed_is_affected(tmp_path: Path) -> None:
    listed = affected("a", versions=["1.0", "weird"])
    opened = snapshot(tmp_path, record("PYSEC-2026-1", listed))
    assert ids(opened.match(ecosystem="PyPI", package="a", version="1.0.0")) == ["PYSEC-2026-1"]
    assert opened.match(ecosystem="PyPI", package="a", version="weird")
    assert not opened.match(ecosystem="PyPI", package="a", version="1.1")


def test_a_bound_that_is_no_version_does_not_hide_a_vulnerability(tmp_path: Path) -> None:
    opened = snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"}, {"fixed": "someday"})))
    assert opened.match(ecosystem="PyPI", package="a", version="99")


def test_names_are_compared_normalised(tmp_path: Path) -> None:
    opened = snapshot(tmp_path, record("PYSEC-2026-1", affected("Zope.Interface", {"introduced": "0"})))
    (match,) = opened.match(ecosystem="PyPI", package="zope_interface", version="1")
    assert match.package == "zope-interface"


def test_a_withdrawn_record_affects_nothing_and_can_be_looked_up(tmp_path: Path) -> None:
    more = {"withdrawn": "2026-02-03T00:00:00Z"}
    opened = snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"}), **more))
    assert opened.advisory("PyPI", "PYSEC-2026-1") is not None
    assert not opened.covers("PyPI")


def test_records_of_one_vulnerability_are_one_match(tmp_path: Path) -> None:
    low = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
    opened = snapshot(
        tmp_path,
        record("PYSEC-2026-1", affected("a", {"introduced": "0"}, {"fixed": "2"}), aliases=["CVE-2026-5"]),
        record(
            "GHSA-aaaa-bbbb-cccc",
            affected("a", {"introduced": "0"}, {"fixed": "3"}),
            aliases=["CVE-2026-5"],
            severity=[{"type": "CVSS_V3", "score": low}],
            summary="bad",
        ),
    )
    (match,) = opened.match(ecosystem="PyPI", package="a", version="1")
    assert (match.id, match.fixed, match.level) == ("CVE-2026-5", "3", Level.LOW)
    assert match.aliases == ("GHSA-aaaa-bbbb-cccc", "PYSEC-2026-1")
    assert match.summary == "bad"


def test_related_and_many_upstreams_are_no_aliases(tmp_path: Path) -> None:
    debian = affected("linux", {"introduced": "0"}, {"fixed": "6.1.1-1"}, ecosystem="Debian:12")
    opened = snapshot(
        tmp_path,
        record("DEBCL-CVE-2026-1", debian, upstream=["CVE-2026-1"], related=["CVE-2026-7"]),
        record("DSA-5000-1", debian, upstream=["CVE-2026-1", "CVE-2026-2"]),
        record("DSA-5001-1", debian, aliases=["CVE-2026-1", "CVE-2026-2"]),
    )
    found = opened.match(ecosystem="Debian:12", package="linux", version="6.1.0-1")
    assert [(match.id, match.aliases) for match in found] == [
        ("CVE-2026-1", ("DEBCL-CVE-2026-1",)),
        ("DSA-5000-1", ()),
        ("DSA-5001-1", ()),
    ]


def test_debian_is_judged_by_release(tmp_path: Path) -> None:
    opened = snapshot(
        tmp_path,
        record(
            "DEBCL-CVE-2026-1",
            affected("qemu", {"introduced": "0"}, {"fixed": "1:7.2+dfsg-7+deb12u1"}, ecosystem="Debian:12"),
            affected("qemu", {"introduced": "0"}, {"fixed": "1:10.0+ds-1"}, ecosystem="Debian:13"),
            upstream=["CVE-2026-1"],
        ),
    )
    assert not opened.match(ecosystem="Debian:12", package="qemu", version="1:7.2+dfsg-7+deb12u18")
    (match,) = opened.match(ecosystem="Debian:13", package="qemu", version="1:9.0-1")
    assert match.fixed == "1:10.0+ds-1"


def test_debian_records_as_debian_publishes_them(tmp_path: Path) -> None:
    urgent = {"ecosystem_specific": {"urgency": "low"}}
    debian = affected("qemu", {"introduced": "0"}, ecosystem="Debian:12", **urgent)
    opened = snapshot(tmp_path, record("DEBIAN-CVE-2026-1", debian, upstream=["CVE-2026-1"]))
    (match,) = opened.match(ecosystem="Debian:12", package="qemu", version="1:7.2+dfsg-7+deb12u18")
    assert (match.id, match.fixed, match.level, match.word) == ("CVE-2026-1", "", Level.LOW, "vendor:low")


def test_an_ecosystem_or_release_without_data_is_an_error_not_clean(tmp_path: Path) -> None:
    opened = snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"})))
    for ecosystem in ("Debian:12", "PyPI:3", "npm", ""):
        with pytest.raises(NotCovered):
            opened.match(ecosystem=ecosystem, package="a", version="1")


def test_data_of_unknown_date_has_none(tmp_path: Path) -> None:
    go = affected("x.org/y", {"introduced": "0"}, ecosystem="Go")
    assert snapshot(tmp_path, record("GO-2026-1", go)).data_dates() == {"Go": None}


@pytest.mark.parametrize("damage", ["absent", "flipped", "cut", "other"])
def test_a_damaged_snapshot_is_an_error(tmp_path: Path, damage: str) -> None:
    snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"})))
    file = tmp_path / "PyPI.json.xz"
    raw = file.read_bytes()
    if damage == "absent":
        file.unlink()
    else:
        file.write_bytes({"flipped": raw[:-1] + b"?", "cut": raw[:40], "other": b"{}"}[damage])
    with pytest.raises(MalformedOutput):
        load(tmp_path).match(ecosystem="PyPI", package="a", version="1")


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b'{"schema":9,"ecosystems":{}}', b'{"schema":1,"ecosystems":{}}']
)
def test_a_wrong_manifest_is_an_error(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises(SecdlError):
        load(tmp_path)


def test_a_manifest_with_an_ecosystem_that_cannot_be_compared_is_an_error(tmp_path: Path) -> None:
    snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"})))
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"PyPI": {', rb'"\u001b[31mnpm": {'))
    with pytest.raises(MalformedOutput) as caught:
        load(tmp_path)
    assert "\x1b" not in str(caught.value)


def test_a_file_name_in_the_manifest_cannot_leave_the_folder(tmp_path: Path) -> None:
    snapshot(tmp_path, record("PYSEC-2026-1", affected("a", {"introduced": "0"})))
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"PyPI.json.xz", b"../PyPI.json.xz"))
    with pytest.raises(MalformedOutput):
        load(tmp_path)


def test_the_shipped_snapshot_is_small_and_whole() -> None:
    opened = load(DATA)
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_000_000
    assert opened.data_dates() == {
        "Debian": date(2026, 11, 24),
        "Go": date(2026, 8, 21),
        "PyPI": date(2026, 7, 23),
    }
    assert [opened.covers(name) for name in ("PyPI", "Go", "Debian:12", "Debian:13", "Debian:11")] == [True] * 4 + [
        False
    ]


@pytest.mark.parametrize(
    ("ecosystem", "package", "version", "expected"),
    [
        ("PyPI", "Jinja2", "2.4.1", "CVE-2019-10906"),
        ("PyPI", "requests", "2.19.0", "CVE-2018-18074"),
        ("Go", "golang.org/x/net", "v0.7.0", "CVE-2023-39325"),
        ("Debian:12", "openssl", "3.0.9-1", "CVE-2023-2975"),
    ],
)
def test_the_shipped_snapshot_knows_old_vulnerabilities(
    ecosystem: str, package: str, version: str, expected: str
) -> None:
    assert expected in ids(load(DATA).match(ecosystem=ecosystem, package=package, version=version))


def test_a_database_older_than_its_newest_record_keeps_its_date() -> None:
    # Two PYSEC records are dated 2027: the newest record must not make the data look fresh.
    opened = load(DATA)
    advisory = opened.advisory("PyPI", "PYSEC-2025-19")
    assert advisory is not None
    assert advisory.modified.startswith("2027-")
    assert opened.data_dates()["PyPI"] == date(2026, 7, 23)


@pytest.mark.parametrize("ecosystem", ["PyPI", "Debian:12"])
def test_the_canary_is_matched_like_all_others_and_leaves_them_alone(ecosystem: str) -> None:
    opened, plain = load(DATA), load(DATA)
    plant(opened, ecosystem)
    assert ids(opened.match(ecosystem=ecosystem, package="secdl-canary", version="1.0-1")) == ["SECDL-CANARY-1"]
    assert not opened.match(ecosystem=ecosystem, package="secdl-canary", version="2.0")
    for package, version in (("jinja2", "2.4.1"), ("openssl", "3.0.9-1")):
        asked = {"ecosystem": ecosystem, "package": package, "version": version}
        assert opened.match(**asked) == plain.match(**asked)
