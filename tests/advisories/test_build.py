"""The builder of the shipped snapshot."""

from pathlib import Path

import pytest

from secdl.advisories.build import main
from secdl.advisories.store import shipped_folder

OSV = Path(__file__).resolve().parents[3] / "shared" / "vulndb" / "osv"
DATES = ("PyPI=2026-07-23", "Debian=2026-11-24", "Go=2026-08-21")


@pytest.mark.skipif(not OSV.is_dir(), reason="the OSV archives (../shared/vulndb/osv) are not here")
def test_the_shipped_snapshot_is_what_the_builder_makes_of_the_archives(tmp_path: Path) -> None:
    only = [word for name in ("PyPI", "Debian", "Go") for word in ("--only", name)]
    dates = [word for date in DATES for word in ("--data-date", date)]
    assert main([str(OSV), "--out", str(tmp_path), *only, *dates]) == 0
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in shipped_folder().iterdir()}


@pytest.mark.parametrize("date", ["PyPI", "PyPI=yesterday", "=2026-01-01=2", "2026-01-01"])
def test_a_wrong_date_is_one_line(tmp_path: Path, date: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "out"), "--data-date", date]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_without_records_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "holds no OSV record" in capsys.readouterr().err
