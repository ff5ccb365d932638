from pathlib import Path

import pytest

from secdl.model.finding import Level
from secdl.model.tool import Job, Stage
from secdl.pipeline.excerpts import capture, read_excerpts, with_source


def job(root: Path) -> Job:
    return Job(name="t", tool="t", stage=Stage.SAST, root=str(root), folder=str(root / ".secdl/t"))


def captured(root: Path, path: str, line: int = 2) -> list[str]:
    finding = job(root).finding(rule="r", level=Level.HIGH, message="m", path=path, line=line)
    target = root / "excerpts.jsonl"
    capture([finding], root, target)
    return [excerpt.text for excerpt in read_excerpts(target.read_bytes())] if target.exists() else []


def test_source_around_a_finding_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("\n".join(f"line {n}" for n in range(1, 20)))
    assert captured(tmp_path, "a.py", 10) == ["line 7\nline 8\nline 9\nline 10\nline 11\nline 12\nline 13"]
    assert captured(tmp_path, "a.py", 1) == ["line 1\nline 2\nline 3\nline 4"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "link", "fifo", "folder", "image:x/etc/passwd", "none"])
def test_nothing_but_regular_files_in_the_checkout_is_opened(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("1\n2\n3\n")
    (root / "link").symlink_to(tmp_path / "secret")
    __import__("os").mkfifo(root / "fifo")
    assert captured(root, path) == []


def test_a_finding_past_the_end_of_its_file_has_no_excerpt(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    assert captured(tmp_path, "a.py", 7) == []


def test_hostile_source_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\x1b[31m\xff" + b"x" * 5000)
    (text,) = captured(tmp_path, "a.py", 1)
    assert "\x1b" not in text
    assert len(text) == 300


def test_the_captured_line_is_the_snippet_where_the_tool_gave_none(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a\n  b()\nc\n")
    finding = job(tmp_path).finding(rule="r", level=Level.HIGH, message="m", path="a.py", line=2)
    capture([finding], tmp_path, tmp_path / "e")
    (filled,) = with_source([finding], read_excerpts((tmp_path / "e").read_bytes()))
    assert filled.snippet == "  b()"


def test_lines_are_counted_as_scanners_count_them(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_bytes("one\x0c two\u2028\x85\r\nthree\n".encode())
    assert captured(tmp_path, "a.c", 2) == ["one� two�\x85\nthree\n".replace("\x85", "�")]
