"""Foreign SARIF files as evidence: checked whole before anything is written, and never taken for a tool of secdl's."""

import re
from collections.abc import Iterable

import msgspec

from secdl.gate.evidence import IMPORT_PREFIX, IMPORT_STAGE
from secdl.model import codec, sarif
from secdl.model.evidence import Evidence, Origin, Outcome, Work
from secdl.model.text import free, one_line
from secdl.model.tool import Job, Stage

OUTPUT = "out.sarif"
_OTHER = re.compile(r"[^a-z0-9]+")
_MAX_SUBJECTS = 20_000


class _Runs(msgspec.Struct, frozen=True, gc=False):
    runs: list[msgspec.Raw]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a foreign file: its evidence, complete but for `files`, and `content`, the bytes of `OUTPUT`."""

    evidence: Evidence
    content: codec.Raw


def imported(name: str, raw: codec.Raw, *, root: str, taken: Iterable[str] = ()) -> tuple[Imported, ...]:
    """Evidence of each run in the SARIF file `name`, whose bytes are `raw`; every result has been read once.

    `root` is the checkout that its paths are relative to; `taken` are job names already used. A run that says of itself
    that it failed, or that has no results, is FAILED evidence, whose findings count all the same. Raises
    `MalformedOutput` naming `name` and the JSON path where the file is not SARIF 2.1.0; then no part of it may be used.
    """
    document = sarif.scan(raw, where=name, hint="give a whole SARIF 2.1.0 file")
    suppressed = [
        sum(map(sarif.suppressed, sarif.results(run, raw, where=f"{name}: runs[{n}]")))
        for n, run in enumerate(document.runs)
    ]
    used = set(taken)
    contents = _contents(raw, len(document.runs))
    found: list[Imported] = []
    for run, content, aside in zip(document.runs, contents, suppressed, strict=True):
        job = free(tool_name(run.tool.driver.name).replace(":", "-"), used)
        used.add(job)
        found.append(Imported(evidence=_evidence(run, job, root=root, suppressed=aside), content=content))
    return tuple(found)


def job_of(evidence: Evidence) -> Job:
    """The job that parses an import's report again, by `sarif.parse`."""
    return Job(
        name=evidence.job,
        tool=evidence.tool,
        stage=Stage.SAST,
        root=evidence.root,
        folder=evidence.folder,
        output=OUTPUT,
    )


def tool_name(driver: str) -> str:
    """The tool that stands for a foreign driver: `import:` and its name in lower-case letters, digits and hyphens."""
    bare = driver.removeprefix(IMPORT_PREFIX)[:200].lower()
    return IMPORT_PREFIX + (_OTHER.sub("-", bare).strip("-")[:60] or "unnamed")


def version_of(run: sarif.Run) -> str:
    """The version that a run's driver gives; empty where it gives none."""
    given = one_line(run.tool.driver.semantic_version or run.tool.driver.version, limit=80)
    return "" if given == sarif.UNKNOWN_VERSION else given


def _evidence(run: sarif.Run, job: str, *, root: str, suppressed: int) -> Evidence:
    failure = sarif.failure_of(run)
    reader = sarif.Reader(run, Job(name=job, tool=job, stage=Stage.SAST, root=root))
    return Evidence(
        job=job,
        tool=tool_name(run.tool.driver.name),
        stage=IMPORT_STAGE,
        outcome=Outcome.FAILED if failure else Outcome.OK,
        reason=failure,
        version=version_of(run),
        origin=Origin.IMPORT,
        subjects=reader.artifacts()[:_MAX_SUBJECTS],
        work=Work(read={"runs": 1} | sarif.foreign_work(run, suppressed=suppressed), unread=sarif.unread(run)),
        root=root,
    )


def _contents(raw: codec.Raw, count: int) -> list[codec.Raw]:
    if count == 1:
        return [raw]
    return [b'{"version":"2.1.0","runs":[' + bytes(run) + b"]}" for run in codec.decode(raw, _Runs, where="runs").runs]
