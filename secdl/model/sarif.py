"""SARIF 2.1.0, any producer's, as findings and proof of work. Source: OASIS SARIF 2.1.0."""

from collections import Counter
from collections.abc import Iterator
from itertools import filterfalse, islice

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding
from secdl.model.sarif_result import Reader
from secdl.model.sarif_types import Document, Result, Run, Summary
from secdl.model.sarif_write import SCHEMA, UNKNOWN_VERSION, document, run_of
from secdl.model.text import one_line
from secdl.model.tool import Job

__all__ = [
    "SCHEMA",
    "UNKNOWN_VERSION",
    "Reader",
    "Result",
    "Run",
    "document",
    "failure_of",
    "foreign_work",
    "identified",
    "parse",
    "read",
    "results",
    "run_id",
    "run_of",
    "scan",
    "set_aside",
    "suppressed",
    "unread",
    "work",
]

_WELL = frozenset({"pass", "notApplicable", "informational"})
_HARMLESS = frozenset({"none", "note", "warning"})
_MAX_UNREAD = 100
_RESULT = msgspec.json.Decoder(Result)


def scan(raw: codec.Raw, *, where: str, hint: str = "") -> Document:
    """`raw` as a SARIF document, its results not decoded yet. Raises `MalformedOutput`: not SARIF (`hint` says what to
    do), another version, no run, or a tool without name."""
    document = codec.decode(raw, Document, where=where, hint=hint)
    codec.forget(raw)
    if document.version != "2.1.0":
        raise MalformedOutput(
            f"SARIF version {one_line(document.version, limit=20)!r}", where=where, hint="2.1.0 is read"
        )
    if document.inline_external_properties or any(run.external_property_file_references for run in document.runs):
        what = "parts of a run stand outside of it (external properties), where findings would be lost"
        raise MalformedOutput(what, where=where, hint="have the tool write each run whole")
    if not document.runs:
        raise MalformedOutput("no runs", where=where, hint="an empty report is no evidence")
    for run in document.runs:
        if not run.tool.driver.name.strip():
            raise MalformedOutput("a run whose tool has no name", where=where)
    return document


def read(raw: codec.Raw, *, where: str) -> Document:
    """As `scan`, of runs that all ended well. Raises `MalformedOutput` for one that failed or has no results."""
    document = scan(raw, where=where)
    for run in document.runs:
        if failure := failure_of(run):
            raise MalformedOutput(failure, where=where, hint="repair the tool and run it again")
    return document


def run_id(report: Document) -> str:
    """The run of secdl that `report` is the merged report of; empty where it is another's."""
    try:
        return msgspec.json.decode(report.properties, type=Summary).run.id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def failure_of(run: Run) -> str:
    """Why `run` is no evidence, in one line; empty where it ended well."""
    name = one_line(run.tool.driver.name, limit=80)
    if any(not invocation.execution_successful for invocation in run.invocations):
        notes = (note for invocation in run.invocations for note in invocation.tool_execution_notifications)
        said = next((": " + one_line(note.message.text, limit=200) for note in notes if note.message.text), "")
        return f"{name} reports executionSuccessful: false{said}"
    return f"{name}: a run without results: the tool did not look" if run.results is None else ""


def unread(run: Run) -> tuple[str, ...]:
    """What `run` says that it could not do, one line each: then its results are not complete.

    Source: SARIF 2.1.0, appendix I, "Detecting incomplete result sets".
    """
    notes = (
        note
        for invocation in run.invocations
        for note in (*invocation.tool_execution_notifications, *invocation.tool_configuration_notifications)
    )
    texts = (
        note.message.text or note.message.markdown or note.message.id or note.descriptor.id or "an error without text"
        for note in notes
        if note.level not in _HARMLESS
    )
    return tuple(one_line(text, limit=200) for text in islice(texts, _MAX_UNREAD))


def results(run: Run, raw: codec.Raw, *, where: str) -> Iterator[Result]:
    """The results of `run`, one at a time; `raw` is the document they came from. Raises `MalformedOutput` that names
    the position of a wrong one."""
    texts = run.results or []
    for start in range(0, len(texts), codec.FORGET_EVERY):
        codec.forget(raw)
        some = texts[start : start + codec.FORGET_EVERY]
        try:
            yield from map(_RESULT.decode, some)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            for number, text in enumerate(some, start):
                codec.decode(memoryview(text), Result, where=f"{where}: results[{number}]")
            raise


def parse(raw: codec.Raw, job: Job) -> Iterator[Finding]:
    """The findings of a SARIF report; results that are suppressed, or say that all is well, are left out.

    Those of a run that failed are given too: `work` says that it is no evidence, and what it found is found."""
    return _parse(raw, job, None)


def identified(raw: codec.Raw, job: Job, seen: dict[str, int] | None = None) -> Iterator[Finding]:
    """As `parse`, each with its fingerprint: what `fingerprint.identify` makes of them, in one step."""
    return _parse(raw, job, {} if seen is None else seen)


def _parse(raw: codec.Raw, job: Job, seen: dict[str, int] | None) -> Iterator[Finding]:
    where = f"{job.tool}: {job.output}"
    for run in _own_runs(scan(raw, where=where), job):
        yield from Reader(run, job).findings(filterfalse(set_aside, results(run, raw, where=where)), seen)


def work(raw: codec.Raw, job: Job) -> Work:
    """The proof of work in `properties["secdl/work"]` as secdl's engines write it; else artifacts and results, and how
    many of these are suppressed. What the tool names as an error is unread. Raises `MalformedOutput` for a run that
    failed or has no results."""
    counts: Counter[str] = Counter()
    missed: list[str] = []
    loaded: dict[str, str] = {}
    for run in _own_runs(read(raw, where=f"{job.tool}: {job.output}"), job):
        missed.extend(unread(run))
        claimed = run.properties.get("secdl/work")
        if claimed is not None:
            stated = codec.convert(claimed, Work, where=f"{job.tool}: {job.output}: secdl/work")
            counts.update({one_line(unit, limit=40): count for unit, count in stated.read.items()})
            missed.extend(one_line(name) for name in stated.unread)
            loaded |= stated.loaded
        else:
            aside = sum(map(suppressed, results(run, raw, where=f"{job.tool}: {job.output}")))
            counts.update(foreign_work(run, suppressed=aside))
    return Work(read=dict(counts), unread=tuple(missed), loaded=loaded)


def _own_runs(report: Document, job: Job) -> tuple[Run, ...]:
    """The runs of a report; that of an engine of secdl must be the engine's own."""
    for run in report.runs:
        if job.engine and run.tool.driver.name != job.tool:
            name = one_line(run.tool.driver.name, limit=80)
            where = f"{job.tool}: {job.output}"
            raise MalformedOutput(f"a report of {name}", where=where, hint=f"{job.tool} did not write it")
    return report.runs


def foreign_work(run: Run, *, suppressed: int) -> dict[str, int]:
    """What a run of a foreign tool shows of its work: artifacts, results, and how many of these are suppressed."""
    found = {"artifacts": len(run.artifacts), "results": len(run.results or ())}
    return found | ({"suppressed": suppressed} if suppressed else {})


def set_aside(result: Result) -> bool:
    """Whether `result` is no finding: it says that all is well, gone since a baseline, or suppressed. What is open, or
    for somebody to review, is one."""
    if result.kind == "fail" and not result.suppressions:
        return result.baseline_state == "absent"
    return result.kind in _WELL or result.baseline_state == "absent" or suppressed(result)


def suppressed(result: Result) -> bool:
    """Whether `result` is suppressed: not where one of its suppressions was rejected or is under review."""
    return bool(result.suppressions) and all(each.status == "accepted" for each in result.suppressions)
