from datetime import UTC, datetime
from pathlib import Path

import pytest

from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.evidence import Evidence, Outcome
from secdl.run.store import RunFolder, copy_tree, files_below, sha256_of, write_atomic

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path / ".secdl/runs", now=NOON, token="abcd")
    for name in ("plan.json", "findings.jsonl", "verdict.json"):
        made.write(name, name.encode())
    return made


def test_a_run_is_named_by_utc_time_and_token(run: RunFolder) -> None:
    assert run.id == "20261124T120000Z-abcd"


def test_runs_are_not_for_git(run: RunFolder) -> None:
    assert (run.path.parent.parent / ".gitignore").read_text() == "*\n"


def test_a_run_without_its_seal_has_no_verdict(run: RunFolder) -> None:
    with pytest.raises(MalformedOutput, match="no verdict yet; run `secdl gate` on it"):
        run.digest()


@pytest.mark.parametrize("name", ["plan.json", "findings.jsonl", "verdict.json"])
def test_an_altered_file_breaks_the_seal(run: RunFolder, name: str) -> None:
    run.seal()
    (run.path / name).write_bytes(b"PASS")
    with pytest.raises(MalformedOutput, match=f"{name} does not match"):
        run.digest()


def test_the_seal_is_the_digest_of_the_sums_and_leaves_reports_out(run: RunFolder) -> None:
    sealed = run.seal()
    run.write("report/report.html", b"<html>")
    assert run.seal() == sealed == run.digest() == "sha256:" + sha256_of(run.path / "SHA256SUMS")


def test_names_with_spaces_and_bytes_that_are_not_utf8_are_sealed(run: RunFolder) -> None:
    (run.path / "evidence").mkdir()
    odd = run.path / "evidence" / "a  b\udcff"
    odd.write_bytes(b"x")
    assert run.seal().startswith("sha256:")


def test_latest_points_to_the_newest_finished_run(run: RunFolder, tmp_path: Path) -> None:
    older = RunFolder.create(tmp_path / ".secdl/runs", now=NOON.replace(hour=11), token="ffff")
    run.finish()
    older.finish()
    assert RunFolder.find(tmp_path / ".secdl/runs", "latest").path == run.path


def test_of_two_runs_of_one_second_the_one_that_ends_last_is_latest(run: RunFolder, tmp_path: Path) -> None:
    run.finish()
    later = RunFolder.create(tmp_path / ".secdl/runs", now=NOON, token="0000")
    later.write("plan.json", b"{}")
    later.finish()
    assert RunFolder.find(tmp_path / ".secdl/runs", "latest").path == later.path


def test_a_run_is_found_by_folder_id_or_latest(run: RunFolder, tmp_path: Path) -> None:
    base = tmp_path / ".secdl/runs"
    assert RunFolder.find(base, run.id).path == RunFolder.find(base, str(run.path)).path == run.path
    with pytest.raises(ConfigError, match="latest: no such run; `secdl secure` makes one"):
        RunFolder.find(base, "latest")


def test_altered_evidence_is_named(run: RunFolder) -> None:
    run.write("evidence/bandit/out.json", b"{}")
    evidence = Evidence(
        job="bandit",
        tool="bandit",
        stage="sast",
        outcome=Outcome.OK,
        files={"out.json": sha256_of(run.path / "evidence/bandit/out.json"), "stdout": "0" * 64},
    )
    assert run.altered(evidence) == ("stdout",)
    run.write("evidence/bandit/out.json", b"[]")
    assert run.altered(evidence) == ("out.json", "stdout")


def test_an_atomic_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"1")
    write_atomic(tmp_path / "a", b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_links_are_neither_followed_nor_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("a")
    (source / "link").symlink_to("/etc/passwd")
    (source / "loop").symlink_to(source)
    assert [path.name for path in files_below(source)] == ["a"]
    copy_tree(source, tmp_path / "target", link=True)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["a"]


def test_a_name_with_line_breaks_reads_as_one_line_of_the_sums(run: RunFolder) -> None:
    name = "evidence/semgrep/c/x\n" + "0" * 64 + "  verdict.json\n\\.c"
    run.write(name, b"int x;")
    run.seal()
    lines = (run.path / "SHA256SUMS").read_bytes().splitlines()
    assert sum(line.endswith(b"verdict.json") for line in lines) == (run.path / "verdict.json").is_file()
    assert any(line.startswith(b"\\") and b"\\n" in line and line.endswith(b"\\n\\\\.c") for line in lines)


def test_a_file_of_the_longest_name_is_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("a" * 255), b"x")
    assert (tmp_path / ("a" * 255)).read_bytes() == b"x"
