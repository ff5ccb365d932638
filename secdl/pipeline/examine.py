"""Whether what a tool left is evidence: it ended, its report is whole, it read what was planned and saw its canary."""

import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from secdl.model.errors import MalformedOutput
from secdl.model.evidence import CanaryResult, Outcome, Work
from secdl.model.finding import Finding
from secdl.model.text import one_line
from secdl.model.tool import CANARY, Job, Tool
from secdl.run.process import Exit

_HINT = "check the tool's version and that its report was not cut off"


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of one tool's output; `findings` are those in what it was asked to read, canary removed."""

    outcome: Outcome
    reason: str = ""
    work: Work = msgspec.field(default_factory=Work)
    canary: CanaryResult | None = None
    findings: tuple[Finding, ...] = ()


def examine(tool: Tool, job: Job, end: Exit, folder: Path, expects: Mapping[str, int]) -> Examined:
    """Judges the output in `folder`; `expects` counts the planted defects by rule."""
    if end.fault:
        return Examined(outcome=Outcome.TIMED_OUT if end.timed_out else Outcome.FAILED, reason=one_line(end.fault))
    if end.status not in tool.completed:
        return Examined(outcome=Outcome.FAILED, reason=f"{_ended(end.status)}{_last_words(folder)}")
    report = folder / job.output
    if report.is_symlink():
        return Examined(outcome=Outcome.FAILED, reason=f"its report ({job.output}) is a link, which nothing can seal")
    try:
        raw = report.read_bytes()
    except OSError:
        return Examined(outcome=Outcome.FAILED, reason=f"wrote no report ({job.output}){_last_words(folder)}")
    try:
        work = tool.work(raw, job)
        found, canary = split(tool.parse(raw, job), expects if job.has_canary else None)
    except MalformedOutput as error:
        hint = "" if error.hint else f"; {_HINT}"
        return Examined(outcome=Outcome.FAILED, reason=one_line(f"{error}{hint}"))
    good = Examined(outcome=Outcome.OK, work=work, canary=canary, findings=found)
    if work.unread:
        names = ", ".join(work.unread[:3]) + (f" and {len(work.unread) - 3} more" if len(work.unread) > 3 else "")
        return replace(good, outcome=Outcome.FAILED, reason=f"did not read {len(work.unread)} planned: {names}")
    if not any(work.read.values()):
        return replace(good, outcome=Outcome.FAILED, reason="read nothing")
    if canary is not None and canary.missed:
        return replace(good, outcome=Outcome.FAILED, reason=f"missed its canary: {', '.join(canary.missed[:5])}")
    return good


def split(
    findings: Iterable[Finding], expects: Mapping[str, int] | None
) -> tuple[tuple[Finding, ...], CanaryResult | None]:
    """`findings` without those in the canary, and the canary's result; None where no canary was planted."""
    kept: list[Finding] = []
    hits: Counter[str] = Counter()
    for finding in findings:
        if expects is not None and finding.path.startswith(CANARY):
            hits[finding.rule] += 1
        else:
            kept.append(finding)
    if expects is None:
        return tuple(kept), None
    # What the canary finds beyond what is expected is no matter; count only the rules that are.
    return tuple(kept), CanaryResult(expected=dict(sorted(expects.items())), found=dict(sorted(hits.items())))


def expected_hits(tool: Tool, folder: Path) -> dict[str, int]:
    """Planted defects by rule: as the tool says, else counted from comments `canary: RULE` in `folder`."""
    if tool.canary is None:
        return {}
    if tool.canary.expects:
        return dict(tool.canary.expects)
    hits: Counter[str] = Counter()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for line in path.read_text("utf-8", "replace").splitlines():
                _, mark, rule = line.partition("canary: ")
                if mark:
                    hits[rule.split()[0].rstrip("*/")] += 1
    return dict(hits)


def _ended(status: int | None) -> str:
    if status is not None and status < 0:
        return f"killed by {signal.Signals(-status).name}" if -status in list(signal.Signals) else f"signal {-status}"
    return f"exit status {status}"


def _last_words(folder: Path) -> str:
    for name in ("stderr", "stdout"):
        try:
            lines = (folder / name).read_bytes()[-4000:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            continue
        if lines:
            return f": {one_line(lines[-1], limit=200)}"
    return ""
