"""Importing advisory data, whatever it is given."""

import json
import struct
import warnings
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from secdl.advisories import archive, build
from secdl.advisories.store import data_dates, folder_in_use, import_data, import_folder, shipped_folder, status
from secdl.model.errors import ConfigError, MalformedOutput, SecdlError

TODAY = date(2026, 11, 24)
Env = dict[str, str]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return {"XDG_DATA_HOME": str(tmp_path / "data")}


def record(id_: str = "PYSEC-2026-1", ecosystem: str = "PyPI", package: str = "a") -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]
    affected = [{"package": {"name": package, "ecosystem": ecosystem}, "ranges": ranges}]
    return {"id": id_, "modified": "2026-01-02T03:04:05Z", "affected": affected}


def zipped(path: Path, *entries: tuple[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, raw in entries:
            target.writestr(name, raw)
    return path


def of(*records: dict[str, Any]) -> list[tuple[str, bytes]]:
    return [(f"{one['id']}.json", json.dumps(one).encode()) for one in records]


def sources(env: Env) -> dict[str, tuple[str, int, date | None]]:
    return {s.ecosystem: (s.source, s.records, s.data_date) for s in status(folder_in_use(env), today=TODAY)}


def test_the_shipped_data_is_in_use_until_some_is_imported(env: Env) -> None:
    assert folder_in_use(env) == shipped_folder()
    assert {s.source for s in status(folder_in_use(env), today=TODAY)} == {"shipped"}
    (pypi,) = [s for s in status(folder_in_use(env), today=TODAY) if s.ecosystem == "PyPI"]
    assert pypi.age_days == 124


def test_an_import_replaces_its_ecosystems_and_keeps_the_others(env: Env, tmp_path: Path) -> None:
    source = zipped(tmp_path / "all.zip", *of(record(), record("PYSEC-2026-2")))
    import_data(source, env, today=TODAY, data_date=date(2026, 11, 1))
    found = sources(env)
    assert found["PyPI"] == ("imported", 2, date(2026, 11, 1))
    assert found["Debian"][0] == found["Go"][0] == "shipped"


def test_an_import_without_date_is_of_unknown_age(env: Env, tmp_path: Path) -> None:
    import_data(zipped(tmp_path / "all.zip", *of(record())), env, today=TODAY)
    assert data_dates(folder_in_use(env), ["PyPI", "npm"]) == {"PyPI": None, "npm": None}
    (pypi,) = [s for s in status(folder_in_use(env), today=TODAY) if s.ecosystem == "PyPI"]
    assert pypi.age_days is None


def test_a_folder_of_archives_and_records_is_taken_whole(env: Env, tmp_path: Path) -> None:
    source = tmp_path / "osv"
    zipped(source / "PyPI" / "all.zip", *of(record()))
    (source / "go").mkdir()
    (source / "go" / "GO-2026-1.json").write_text(json.dumps(record("GO-2026-1", "Go", "x.org/y")))
    (source / "README.md").write_text("not a record")
    import_data(source, env, today=TODAY, data_date=TODAY)
    assert {name: records for name, (kind, records, _) in sources(env).items() if kind == "imported"} == {
        "PyPI": 1,
        "Go": 1,
    }


def test_a_snapshot_brings_its_own_dates(env: Env, tmp_path: Path) -> None:
    archives = zipped(tmp_path / "osv" / "all.zip", *of(record())).parent
    made = tmp_path / "made"
    assert build.main([str(archives), "--out", str(made), "--data-date", "PyPI=2026-10-01"]) == 0
    import_data(made, env, today=TODAY)
    assert sources(env)["PyPI"] == ("imported", 1, date(2026, 10, 1))


def test_a_second_import_wins_and_the_first_stays_readable(env: Env, tmp_path: Path) -> None:
    first = import_data(zipped(tmp_path / "1.zip", *of(record())), env, today=TODAY)
    second = import_data(zipped(tmp_path / "2.zip", *of(record("PYSEC-2026-9"))), env, today=TODAY)
    assert folder_in_use(env) == second
    assert status(first, today=TODAY)
    third = import_data(zipped(tmp_path / "3.zip", *of(record("PYSEC-2026-8"))), env, today=TODAY)
    names = {path.name for path in import_folder(env).iterdir()}
    assert names == {".lock", "current", second.name, third.name}


def test_the_same_import_twice_is_the_same_data(env: Env, tmp_path: Path) -> None:
    source = zipped(tmp_path / "1.zip", *of(record()))
    assert import_data(source, env, today=TODAY) == import_data(source, env, today=TODAY)


def truncated(path: Path) -> Path:
    whole = zipped(path, *of(record(), record("PYSEC-2026-2"))).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def lying_size(path: Path) -> Path:
    """The directory claims that an entry of 40 MiB is 10 bytes long."""
    zipped(path, ("a.json", b" " * (40 << 20)))
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    struct.pack_into("<L", raw, at + 24, 10)
    path.write_bytes(raw)
    return path


def a_million_entries(path: Path) -> Path:
    raw = bytearray(zipped(path, *of(record())).read_bytes())
    at = raw.rfind(b"PK\x05\x06")
    struct.pack_into("<L", raw, at + 12, 80 << 20)
    path.write_bytes(raw)
    return path


def encrypted(path: Path) -> Path:
    raw = bytearray(zipped(path, *of(record())).read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", raw, raw.find(mark) + offset, 1)
    path.write_bytes(raw)
    return path


def link(path: Path) -> Path:
    path.mkdir()
    (path / "PYSEC-2026-1.json").symlink_to("/etc/passwd")
    return path


def text(path: Path) -> Path:
    path.write_bytes(b"hello")
    return path


def empty_folder(path: Path) -> Path:
    path.mkdir()
    return path


GOOD = json.dumps(record()).encode()
HOSTILE: dict[str, Callable[[Path], Path]] = {
    "absent": lambda path: path,
    "empty file": lambda path: (path.write_bytes(b""), path)[1],
    "text": text,
    "empty folder": empty_folder,
    "empty archive": lambda path: zipped(path),
    "archive without records": lambda path: zipped(path, ("README", b"hello")),
    "truncated": truncated,
    "lying size": lying_size,
    "a million entries": a_million_entries,
    "encrypted": encrypted,
    "zip bomb": lambda path: zipped(path, ("a.json", b" " * (archive.LARGEST_ENTRY + 1))),
    "path up": lambda path: zipped(path, ("../../evil.json", GOOD)),
    "absolute path": lambda path: zipped(path, ("/etc/evil.json", GOOD)),
    "backslashes": lambda path: zipped(path, ("..\\evil.json", GOOD)),
    "wrong JSON": lambda path: zipped(path, *of(record()), ("x.json", b'{"results": []}')),
    "JSON cut off": lambda path: zipped(path, ("x.json", GOOD[:40])),
    "deep JSON": lambda path: zipped(path, ("x.json", b"[" * 100_000)),
    "not UTF-8": lambda path: zipped(path, ("x.json", GOOD.replace(b'"a"', b'"\xff"'))),
    "unknown ecosystem": lambda path: zipped(path, *of(record("X-1", "npm"))),
    "one id, two records": lambda path: zipped(path, ("1.json", GOOD), ("2.json", GOOD.replace(b'"2"', b'"3"'))),
    "id with a newline": lambda path: zipped(path, *of(record("PYSEC-2026-1\n"))),
    "link": link,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_bad_archive_is_one_error_and_changes_nothing(env: Env, tmp_path: Path, case: str) -> None:
    import_data(zipped(tmp_path / "good.zip", *of(record())), env, today=TODAY)
    before = folder_in_use(env)
    listing = sorted(path.name for path in before.parent.iterdir())
    with pytest.raises(MalformedOutput) as caught:
        import_data(HOSTILE[case](tmp_path / "bad"), env, today=TODAY)
    assert "\n" not in str(caught.value)
    assert folder_in_use(env) == before
    assert sorted(path.name for path in before.parent.iterdir()) == listing


def test_too_many_entries_are_refused(env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 2)
    source = zipped(tmp_path / "1.zip", *of(*(record(f"PYSEC-2026-{number}") for number in range(3))))
    with pytest.raises(MalformedOutput, match="more than 2"):
        import_data(source, env, today=TODAY)


def test_too_much_in_all_is_refused(env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_TOTAL", 300)
    source = zipped(tmp_path / "1.zip", *of(*(record(f"PYSEC-2026-{number}") for number in range(3))))
    with pytest.raises(MalformedOutput, match="unpacks to more"):
        import_data(source, env, today=TODAY)


def test_a_date_in_the_future_is_refused(env: Env, tmp_path: Path) -> None:
    source = zipped(tmp_path / "1.zip", *of(record()))
    with pytest.raises(ConfigError, match="future"):
        import_data(source, env, today=TODAY, data_date=date(2027, 7, 9))


@pytest.mark.parametrize("file", ["manifest.json", "PyPI.json.xz", "Go.json.xz"])
def test_damaged_imported_data_is_an_error_and_the_shipped_does_not_stand_in(
    env: Env, tmp_path: Path, file: str
) -> None:
    folder = import_data(zipped(tmp_path / "1.zip", *of(record())), env, today=TODAY)
    (folder / file).write_bytes(b"{}")
    with pytest.raises(SecdlError):
        folder_in_use(env)


def test_a_relative_data_home_is_not_used(tmp_path: Path) -> None:
    assert import_folder({"XDG_DATA_HOME": "x", "HOME": str(tmp_path)}) == tmp_path / ".local/share/secdl/advisories"


def test_a_data_home_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = zipped(tmp_path / "1.zip", *of(record()))
    with pytest.raises(ConfigError):
        import_data(source, {"XDG_DATA_HOME": str(tmp_path / "file")}, today=TODAY)


def test_imported_data_that_is_gone_is_an_error_and_the_shipped_does_not_stand_in(env: Env, tmp_path: Path) -> None:
    folder = import_data(zipped(tmp_path / "1.zip", *of(record())), env, today=TODAY)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SecdlError):
        folder_in_use(env)
