import os
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.evidence import Evidence, Outcome
from secdl.run.store import RunFolder, copy_tree, files_below, measured, sha256_of, write_atomic, write_out

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


def test_what_was_looked_at_once_and_altered_in_place_since_breaks_the_seal(run: RunFolder) -> None:
    run.seal()
    file = run.path / "verdict.json"
    before = file.stat()
    assert run.broken() == ()
    time.sleep(0.05)
    file.write_bytes(b"x" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run.broken() == ("verdict.json",)


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


def test_a_file_is_copied_whole(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(3 << 20))
    write_atomic(tmp_path / "copy", tmp_path / "large")
    assert sha256_of(tmp_path / "copy") == sha256_of(tmp_path / "large")
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "other", tmp_path / "absent")
    assert {path.name for path in tmp_path.iterdir()} == {"large", "copy"}


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


def test_the_seal_names_what_is_gone_new_or_altered(run: RunFolder) -> None:
    for name in ("evidence/t/out.json", "evidence/t/a\nb\\c.py", "evidence/gone/out.json", "inputs/gate.toml"):
        run.write(name, b"x")
    assert run.broken() == ()
    run.seal()
    assert run.broken() == ()
    run.write("evidence/t/out.json", b"y")
    run.write("evidence/t/a\nb\\c.py", b"y")
    run.write("evidence/new/evidence.json", b"{}")
    run.write("inputs/gate.toml", b"y")
    (run.path / "evidence/gone/out.json").unlink()
    changed = ("evidence/gone/out.json", "evidence/new/evidence.json", "evidence/t/a\nb\\c.py", "evidence/t/out.json")
    assert run.broken(only=measured) == changed
    assert run.broken() == (*changed, "inputs/gate.toml")


def test_what_lies_behind_a_link_is_no_part_of_a_run(run: RunFolder, tmp_path: Path) -> None:
    evidence = Evidence(
        job="t", tool="t", stage="sast", outcome=Outcome.OK, files={"out.json": sha256(b"x").hexdigest()}
    )
    run.commit(evidence)
    run.write("evidence/t/out.json", b"x")
    run.seal()
    (run.path / "evidence/t").rename(tmp_path / "t")
    (run.path / "evidence/t").symlink_to(tmp_path / "t")
    (run.path / "inputs").mkdir()
    (run.path / "inputs/waivers.toml").symlink_to(tmp_path / "t/out.json")
    assert run.read("inputs/waivers.toml") is None
    assert run.map("evidence/t/out.json") is None
    assert run.evidence("t") is None
    assert run.altered(evidence) == ("out.json",)


def test_the_newest_run_is_the_one_that_began_last_judged_or_not(run: RunFolder, tmp_path: Path) -> None:
    base = tmp_path / ".secdl/runs"
    run.finish()
    for hour, token in ((13, "0000"), (11, "ffff")):
        RunFolder.create(base, now=NOON.replace(hour=hour), token=token).write("plan.json", b"{}")
    assert RunFolder.newest(base).id == "20261124T130000Z-0000"
    with pytest.raises(ConfigError, match="no run here yet; `secdl secure` makes one"):
        RunFolder.newest(tmp_path)


def test_latest_leaves_a_run_that_lost_its_seal(run: RunFolder, tmp_path: Path) -> None:
    base = tmp_path / ".secdl/runs"
    older = RunFolder.create(base, now=NOON.replace(hour=11), token="ffff")
    older.write("plan.json", b"{}")
    older.seal()
    run.seal()
    run.finish()
    run.unseal()
    assert RunFolder.find(base, "latest").path == older.path
    older.unseal()
    with pytest.raises(ConfigError, match="no such run"):
        RunFolder.find(base, "latest")


def test_a_pipe_is_written_through_and_a_link_followed(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link.html"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_out(pipe, b"report")
    assert os.read(reader, 100) == b"report"
    assert pipe.is_fifo()
    os.close(reader)
    link.symlink_to(tmp_path / "real.html")
    write_out(link, b"report")
    assert (link.is_symlink(), (tmp_path / "real.html").read_bytes()) == (True, b"report")
    with pytest.raises(ConfigError, match="no such folder; make it first"):
        write_out(tmp_path / "none/report.html", b"")
