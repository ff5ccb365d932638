from collections.abc import Iterator
from pathlib import Path

import pytest

from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Outcome, Work
from secdl.model.finding import Finding, Level
from secdl.model.tool import Canary, Job, Stage, Tool
from secdl.pipeline.examine import Examined, examine, expected_hits, split
from secdl.run.process import Exit

JOB = Job(name="t", tool="t", stage=Stage.SAST, root="/r", folder="/r/.secdl/t", output="out", has_canary=True)
DONE = Exit(status=0)
EXPECTS = {"rule": 2}


def finding(path: str) -> Finding:
    return JOB.finding(rule="rule", level=Level.HIGH, message="m", path=path)


def tool(*, hits: int = 2, read: int = 1, unread: tuple[str, ...] = (), broken: bool = False) -> Tool:
    def parse(raw: bytes, job: Job) -> Iterator[Finding]:
        if broken:
            raise MalformedOutput("cut off", where="t: out")
        yield finding("a.py")
        for _ in range(hits):
            yield finding("/r/.secdl/t/canary/x.py")

    return Tool(
        name="t",
        stage=Stage.SAST,
        title="t",
        subjects=lambda config: (),
        argv=lambda job: (),
        parse=parse,
        work=lambda raw, job: Work(read={"files": read}, unread=unread),
        output="out",
        canary=Canary(folder="t"),
    )


def judged(folder: Path, subject: Tool, end: Exit = DONE) -> Examined:
    (folder / "out").write_bytes(b"x")
    return examine(subject, JOB, end, folder, EXPECTS)


def test_a_whole_report_with_its_canary_is_evidence(tmp_path: Path) -> None:
    good = judged(tmp_path, tool())
    assert good.outcome is Outcome.OK
    assert [found.path for found in good.findings] == ["a.py"]
    assert good.canary is not None
    assert good.canary.found == {"rule": 2}


@pytest.mark.parametrize(
    ("subject", "end", "reason"),
    [
        (tool(hits=1), DONE, "missed its canary: rule"),
        (tool(read=0), DONE, "read nothing"),
        (tool(unread=("b.py",)), DONE, "did not read 1 planned: b.py"),
        (tool(broken=True), DONE, "t: out: cut off; check the tool's version"),
        (tool(), Exit(status=3), "exit status 3"),
        (tool(), Exit(status=-11), "killed by SIGSEGV"),
        (tool(), Exit(status=None, fault="cannot start /x: No such file"), "cannot start /x"),
        (tool(), Exit(status=-9, fault="output of 9 bytes is over the cap of 1 bytes"), "over the cap"),
    ],
)
def test_anything_less_is_not(tmp_path: Path, subject: Tool, end: Exit, reason: str) -> None:
    bad = judged(tmp_path, subject, end)
    assert bad.outcome is Outcome.FAILED
    assert reason in bad.reason


def test_a_deadline_is_told_apart(tmp_path: Path) -> None:
    end = Exit(status=-9, fault="still running at its deadline of 1 s", timed_out=True)
    assert judged(tmp_path, tool(), end).outcome is Outcome.TIMED_OUT


def test_a_report_that_was_not_written_is_not_evidence(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("Traceback\nImportError: no module \x1b[31mx\n")
    bad = examine(tool(), JOB, DONE, tmp_path, EXPECTS)
    assert bad.outcome is Outcome.FAILED
    assert bad.reason == "wrote no report (out): ImportError: no module �[31mx"


def test_a_report_that_is_a_link_is_not_evidence(tmp_path: Path) -> None:
    """What it leads to may change at any time, and the seal would not know."""
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "out").symlink_to("elsewhere")
    bad = examine(tool(), JOB, DONE, tmp_path, EXPECTS)
    assert (bad.outcome, bad.reason) == (Outcome.FAILED, "its report (out) is a link, which nothing can seal")


def test_a_source_file_called_like_the_canary_hides_nothing() -> None:
    kept, canary = split([finding("canary:x.py")], EXPECTS)
    assert [found.path for found in kept] == ["./canary:x.py"]
    assert canary is not None
    assert canary.found == {}


def test_without_a_planned_canary_nothing_is_removed() -> None:
    job = Job(name="t", tool="t", stage=Stage.FUZZ, root="/r", folder="/r/t", engine=True)
    found = job.finding(rule="r", level=Level.HIGH, message="m", path="canary:x")
    assert split([found], None) == ((found,), None)


def test_planted_defects_are_counted_from_comments(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int x; /* canary: r.one */\n// canary: r.two\n// canary: r.two\n")
    assert expected_hits(tool(), tmp_path) == {"r.one": 1, "r.two": 2}


def test_a_canary_in_which_nothing_is_to_be_found_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x")
    blind = examine(tool(), JOB, DONE, tmp_path, {})
    assert (blind.outcome, blind.reason) == (Outcome.FAILED, "missed its canary: every rule")
