import json
from pathlib import Path

import pytest

from secdl.cli.main import main
from secdl.cli.table import print_rows
from secdl.run.toolchain import Row, State

RECORD = {
    "id": "PYSEC-2026-1",
    "modified": "2026-07-01T00:00:00Z",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "x"}, "versions": ["1"]}],
}


def test_what_is_only_good_to_have_is_optional_not_missing(capsys):
    print_rows(
        [
            Row(name="bandit", state=State.MISSING, remedy="install it"),
            Row(name="trivy", state=State.MISSING, needed=False, remedy="perhaps"),
            Row(name="advisories PyPI", state=State.OLD, needed=False, remedy="import newer ones"),
            Row(name="git", state=State.THERE, needed=False, remedy="none"),
        ]
    )
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told == [
        ["missing", "bandit"],
        ["→", "install", "it"],
        ["optional", "trivy"],
        ["→", "perhaps"],
        ["old", "advisories", "PyPI"],
        ["→", "import", "newer", "ones"],
        ["there", "git"],
    ]


@pytest.fixture
def osv(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "osv"
    folder.mkdir()
    (folder / "PYSEC-2026-1.json").write_text(json.dumps(RECORD))
    return str(folder)


def test_an_import_of_unknown_date_or_of_older_data_says_so_and_is_done(osv, capsys):
    assert main(["db", "import", osv]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err == "secdl: PyPI: of unknown date: counts as stale; --data-date says when the data was taken\n"
    assert main(["db", "import", osv, "--data-date", "2026-07-02"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["db", "import", osv, "--data-date", "2026-07-01"]) == 0
    assert capsys.readouterr().err == "secdl: PyPI: this data is of 2026-07-01; what it replaces was of 2026-07-02\n"


def test_an_import_mends_damaged_data(osv, capsys):
    assert main(["db", "import", osv, "--data-date", "2026-07-02"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    damaged = next(path for path in folder.iterdir() if path.name.startswith("PyPI"))
    damaged.write_bytes(damaged.read_bytes() + b"x")
    assert main(["db", "status"]) == 2
    assert "import the data again" in capsys.readouterr().err
    assert main(["db", "import", osv, "--data-date", "2026-07-02"]) == 0
    assert main(["db", "status"]) == 0


def test_old_advisories_are_old_in_the_doctors_table_and_say_what_to_do(osv, capsys):
    assert main(["db", "import", osv, "--data-date", "2026-01-01"]) == 0
    capsys.readouterr()
    main(["doctor"])
    table = capsys.readouterr().out.splitlines()
    (at,) = [number for number, line in enumerate(table) if "advisories PyPI" in line]
    assert table[at].startswith("old ")
    assert "secdl db import ARCHIVE" in table[at + 1]
