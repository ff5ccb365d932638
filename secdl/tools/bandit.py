"""bandit: known-dangerous calls and settings in Python source."""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

import msgspec

from secdl.model.codec import decode
from secdl.model.config import Config, Language
from secdl.model.evidence import Count, Work
from secdl.model.finding import Finding, Level
from secdl.model.shipped import shipped
from secdl.model.tool import CANARY, Canary, Checkout, Job, Rule, Stage, Subject, Tool
from secdl.tools._bandit_rules import RULES
from secdl.tools._sources import lay_python, python_files

_LEVEL = {"HIGH": Level.HIGH, "MEDIUM": Level.MEDIUM, "LOW": Level.LOW}
_NUMBERED = re.compile(r"^([0-9]{1,9}) ?(.*)$")
_TOTALS = "_totals"
_INI = "policies/bandit.ini"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tools.bandit]`: with `ignore_nosec`, comments `# nosec` in the code suppress nothing."""

    ignore_nosec: bool = False


class Cwe(msgspec.Struct, frozen=True):
    id: int = 0


class Result(msgspec.Struct, frozen=True):
    filename: str
    test_id: str
    test_name: str
    issue_severity: str
    issue_confidence: str
    issue_text: str
    line_number: int
    code: str = ""
    col_offset: int = -1
    line_range: tuple[int, ...] = ()
    issue_cwe: Cwe = Cwe()
    more_info: str = ""


class Unparsed(msgspec.Struct, frozen=True):
    filename: str
    reason: str


class Metrics(msgspec.Struct, frozen=True):
    loc: Count
    nosec: Count = 0
    skipped_tests: Count = 0


class Report(msgspec.Struct, frozen=True):
    """bandit's JSON report; `metrics` has one entry per file read, and `_totals`."""

    errors: tuple[Unparsed, ...]
    generated_at: str
    metrics: dict[str, Metrics]
    results: tuple[Result, ...]


def subjects(config: Config) -> tuple[Subject, ...]:
    """One job over every source that holds Python."""
    sources = config.sources(Language.PYTHON)
    if not sources:
        return ()
    settings = config.settings("bandit", Settings)
    return (
        Subject(
            sources=tuple(source.path for source in sources),
            settings={"ignore_nosec": settings.ignore_nosec, "rules": _digest(settings)},
        ),
    )


def _digest(settings: Settings) -> str:
    """sha256 over what decides which results bandit gives for the same code, beside its version."""
    return sha256(shipped(_INI).read_bytes() + str(settings.ignore_nosec).encode()).hexdigest()


def argv(job: Job) -> tuple[str, ...]:
    """Arguments for one recursive scan of sources and canary."""
    return (
        "--recursive",
        "--quiet",
        "--format=json",
        f"--output={job.out}",
        # A .bandit file in the scanned tree may switch tests off, and two of them end the run: bandit gets ours.
        f"--ini={shipped(_INI)}",
        # The default excludes every path that contains ".git" or "CVS" anywhere, our own evidence folder included.
        "--exclude=",
        *(("--ignore-nosec",) if job.settings.get("ignore_nosec") else ()),
        "--",
        *((job.laid,) if python_files(job) else ()),
        job.canary,
    )


def lay(job: Job, checkout: Checkout) -> Mapping[str, bytes]:
    """The planned files. Given folders of the checkout, bandit follows links, out of it and to nowhere."""
    return lay_python(python_files(job), checkout)


def parse(raw: bytes, job: Job) -> Iterator[Finding]:
    """The findings of bandit's JSON report."""
    for result in _report(raw, job).results:
        about = RULES.get(result.test_id)
        yield job.finding(
            rule=result.test_id,
            level=_LEVEL.get(result.issue_severity, Level.UNKNOWN),
            message=result.issue_text,
            path=result.filename,
            line=result.line_number,
            column=result.col_offset + 1 if result.col_offset >= 0 else None,
            word=f"{result.issue_severity}, confidence {result.issue_confidence}",
            snippet=_snippet(result),
            cwe=(f"CWE-{result.issue_cwe.id}",) if result.issue_cwe.id else (),
            gain=about.gain if about else "",
            fix=about.fix if about else "",
        )


def work(raw: bytes, job: Job) -> Work:
    """Files and lines read; `suppressed` counts the results that `# nosec` comments hid."""
    report = _report(raw, job)
    read: dict[str, Metrics] = {}
    for name, metrics in report.metrics.items():
        path = job.path(name)
        if name != _TOTALS and not path.startswith(CANARY):
            read[path] = metrics
    unread = {job.path(error.filename): error.reason for error in report.errors}
    unread |= {path: "not read" for path in map(job.path, python_files(job)) if path not in read and path not in unread}
    for path in unread:
        read.pop(path, None)
    return Work(
        read={
            "files": len(read),
            "lines": sum(metrics.loc for metrics in read.values()),
            "suppressed": sum(metrics.nosec + metrics.skipped_tests for metrics in read.values()),
        },
        unread=tuple(f"{path}: {reason}" for path, reason in sorted(unread.items())),
    )


def rules() -> tuple[Rule, ...]:
    """What `secdl explain` can say of bandit's tests."""
    return tuple(RULES.values())


def _report(raw: bytes, job: Job) -> Report:
    return decode(raw, Report, where=f"bandit: {job.output}")


def _snippet(result: Result) -> str:
    """The lines of `result.code` that the result is about: bandit numbers each and adds its neighbours."""
    wanted = set(result.line_range) | {result.line_number}
    lines = (_NUMBERED.match(line) for line in result.code.splitlines())
    return "\n".join(match[2] for match in lines if match and int(match[1]) in wanted)


TOOL = Tool(
    name="bandit",
    stage=Stage.SAST,
    title="Dangerous calls in Python",
    subjects=subjects,
    argv=argv,
    lay=lay,
    parse=parse,
    work=work,
    # bandit exits 1 when it has findings, so 1 is a completed run.
    completed=frozenset({0, 1}),
    canary=Canary(folder="bandit"),
    rules=rules,
    narrows=True,
    weight_s=4.0,
    settings=Settings,
)
