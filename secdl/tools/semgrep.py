"""semgrep: secdl's own rule packs for Python and for QEMU-style device code in C, and packs of the repository."""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from secdl.model.codec import decode
from secdl.model.config import Config, Language, RelativePath, Source
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Count, Work
from secdl.model.finding import Finding, Level
from secdl.model.scope import within
from secdl.model.shipped import shipped
from secdl.model.text import one_line
from secdl.model.tool import CANARY, LAID, Canary, Checkout, Job, Rule, Stage, Subject, Tool
from secdl.tools._plain_c import variants
from secdl.tools._sources import lay_python, python_files

PACKS = "policies/semgrep"
"""Folder of the rule packs that ship with secdl."""

_LEVEL = {
    "CRITICAL": Level.CRITICAL,
    "HIGH": Level.HIGH,
    "ERROR": Level.HIGH,
    "MEDIUM": Level.MEDIUM,
    "WARNING": Level.MEDIUM,
    "LOW": Level.LOW,
    "INFO": Level.INFO,
}
_ARMS = "arms"
"""Folder in the evidence folder for sources with further arms of an `#if`, each below its number."""
_PACKS = "packs"
"""Folder in the evidence folder where packs of the repository are laid."""
_SCOPES = (("secdl.device.", "device"), ("secdl.python.", "python"))
_CODE = re.compile(r"`([^`]+)`")
_CWE = re.compile(r"CWE-\d+")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tools.semgrep]`: `packs` are rule files or folders of the repository, run beside secdl's own."""

    packs: tuple[RelativePath, ...] = ()


class Position(msgspec.Struct, frozen=True):
    line: Count
    col: Count = 0


class Metadata(msgspec.Struct, frozen=True):
    """What a rule says of itself; rules of other makers may say anything."""

    cwe: Any = ()
    gain: Any = ""
    fix: Any = ""


class Extra(msgspec.Struct, frozen=True):
    message: str
    severity: str
    metadata: Metadata = Metadata()


class Result(msgspec.Struct, frozen=True):
    check_id: str
    path: str
    start: Position
    extra: Extra


class Span(msgspec.Struct, frozen=True):
    start: Position
    end: Position


class Fault(msgspec.Struct, frozen=True):
    """One entry of `errors`; `type` is a word, or a list of a word and its arguments."""

    level: str
    type: Any
    message: str = ""
    path: str = ""
    rule_id: str = ""
    spans: tuple[Span, ...] = ()

    @property
    def kind(self) -> str:
        """The word of `type`."""
        return str(self.type[0] if isinstance(self.type, list) and self.type else self.type)


class Paths(msgspec.Struct, frozen=True):
    scanned: tuple[str, ...]


class SkippedRule(msgspec.Struct, frozen=True):
    rule_id: str = ""


class Report(msgspec.Struct, frozen=True):
    """semgrep's JSON report."""

    version: str
    results: tuple[Result, ...]
    errors: tuple[Fault, ...]
    paths: Paths
    engine_requested: str
    skipped_rules: tuple[SkippedRule, ...] = ()


class RuleEntry(msgspec.Struct, frozen=True):
    """A rule as our packs write it."""

    id: str
    message: str
    severity: str
    metadata: dict[str, Any]


class Pack(msgspec.Struct, frozen=True):
    rules: tuple[RuleEntry, ...]


def subjects(config: Config) -> tuple[Subject, ...]:
    """One job over every source that holds Python, and every guest-facing one that holds C."""
    python = config.sources(Language.PYTHON)
    device = config.sources(Language.C, guest_facing=True)
    if not python and not device:
        return ()
    packs = config.settings("semgrep", Settings).packs
    return (
        Subject(
            # The packs of the repository are inputs too: a changed rule is a changed result.
            sources=tuple(dict.fromkeys((*_paths(python), *_paths(device), *packs))),
            settings={
                "python": list(_paths(python)),
                "device": list(_paths(device)),
                "packs": list(packs),
                "scopes": {"secdl.python.": list(_paths(python)), "secdl.device.": list(_paths(device))},
                "rules": _digest(),
            },
        ),
    )


def argv(job: Job) -> tuple[str, ...]:
    """Arguments for one scan of all sources and the canary, without network and without the user's own settings."""
    packs: list[str] = job.settings.get("packs", [])
    return (
        "scan",
        "--json",
        f"--output={job.out}",
        "--quiet",
        "--metrics=off",
        "--disable-version-check",
        "--oss-only",
        f"--config={shipped(PACKS)}",
        *(f"--config={job.folder}/{_PACKS}/{pack}" for pack in packs),
        "--no-rewrite-rule-ids",
        # What the tree's own files would hide stays visible: ignore files, suppressing comments, large files.
        "--no-git-ignore",
        "--x-ignore-semgrepignore-files",
        "--disable-nosem",
        "--max-target-bytes=0",
        # Seconds per rule and file; a file is never given up after some rules timed out (threshold 0).
        "--timeout=60",
        "--timeout-threshold=0",
        "--",
        *((job.laid,) if _python(job) or _device(job) else ()),
        f"{job.folder}/{_ARMS}",
        job.canary,
    )


def lay(job: Job, checkout: Checkout) -> Mapping[str, bytes]:
    """The planned sources and the packs of the repository; C as semgrep can parse it, every line and column kept.

    Given folders of the checkout, semgrep reads every language in them that it has a rule for: ROMs among Python, too.
    """
    laid = lay_python(_python(job), checkout)
    laid[f"{_ARMS}/README"] = b"Sources again, with other arms of those #if that a parser cannot take whole.\n"
    for path in _device(job):
        first, *others = variants(checkout.read(path).decode("utf-8", "replace"))
        laid[f"{LAID}/{path}"] = first.encode()
        laid |= {f"{_ARMS}/{arm}/{path}": other.encode() for arm, other in enumerate(others, start=1)}
    for pack in job.settings.get("packs", ()):
        laid |= {f"{_PACKS}/{path}": checkout.read(path) for path in checkout.files(pack)}
    return laid


def parse(raw: bytes, job: Job) -> Iterator[Finding]:
    """The findings of semgrep's JSON report, each rule's only where its pack applies, one for a line and message."""
    seen: set[tuple[str, str, int, str]] = set()
    for result in _report(raw, job).results:
        path = job.path(reported := _unlaid(result.path, job))
        key = (result.check_id, path, result.start.line, result.extra.message)
        if key in seen or not _applies(result.check_id, path, job):
            continue
        seen.add(key)
        metadata = result.extra.metadata
        yield job.finding(
            rule=result.check_id,
            level=_LEVEL.get(result.extra.severity, Level.UNKNOWN),
            message=result.extra.message,
            path=reported,
            line=result.start.line,
            column=result.start.col,
            word=one_line(result.extra.severity, limit=40),
            context=_context(result),
            cwe=_cwe(metadata.cwe),
            gain=_sentence(metadata.gain),
            fix=_sentence(metadata.fix),
        )


def work(raw: bytes, job: Job) -> Work:
    """Files read, and lines that semgrep's C parser stepped over; a rule that ran out of time makes a file unread."""
    report = _report(raw, job)
    scanned = (job.path(_unlaid(name, job)) for name in report.paths.scanned)
    read = {path for path in scanned if not path.startswith(CANARY)}
    planned = set(map(job.path, (*_python(job), *_device(job))))
    unread = {path: "not read" for path in planned if path not in read}
    partly: dict[str, int] = {}
    for fault in report.errors:
        path = job.path(_unlaid(fault.path, job)) if fault.path else ""
        if fault.kind == "PartialParsing" and fault.spans:
            skipped = sum(max(0, span.end.line - span.start.line + 1) for span in fault.spans)
            partly[path] = partly.get(path, 0) + skipped
        else:
            name = " ".join(part for part in (fault.kind, fault.rule_id) if part)
            unread[path or "a source"] = one_line(name, limit=100)
    read -= unread.keys()
    partly = {path: lines for path, lines in partly.items() if path in read}
    return Work(
        read={"files": len(read), "files_read_in_part": len(partly), "lines_not_parsed": sum(partly.values())},
        unread=tuple(f"{path}: {reason}" for path, reason in sorted(unread.items())),
    )


def rules() -> tuple[Rule, ...]:
    """The rules of the packs that ship with secdl, by id."""
    found = (
        Rule(
            id=entry.id,
            title=str(entry.metadata.get("title", entry.id)),
            # The message ends in the code that was matched, as the rule's placeholders.
            help=entry.message.partition("`")[0].rstrip(" ,:"),
            gain=_sentence(entry.metadata.get("gain")),
            fix=_sentence(entry.metadata.get("fix")),
            cwe=_cwe(entry.metadata.get("cwe")),
        )
        for path in pack_files()
        for entry in msgspec.yaml.decode(path.read_bytes(), type=Pack).rules
    )
    return tuple(sorted(found, key=lambda rule: rule.id))


def pack_files() -> tuple[Path, ...]:
    """The rule files that ship with secdl, sorted."""
    return tuple(sorted(shipped(PACKS).rglob("*.yaml")))


def _digest() -> str:
    """sha256 over the shipped packs, so that a changed rule never reuses an old result."""
    digest = sha256()
    for path in pack_files():
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _report(raw: bytes, job: Job) -> Report:
    """The report. Raises `MalformedOutput` where semgrep itself says that a rule or the whole scan failed.

    semgrep drops a rule that it cannot read, names it in `errors`, and exits 0.
    """
    where = f"semgrep: {job.output}"
    report = decode(raw, Report, where=where)
    for fault in report.errors:
        if fault.level == "error" or not fault.path:
            raise MalformedOutput(one_line(f"{fault.kind}: {fault.message}", limit=300), where=where)
    if report.skipped_rules:
        names = ", ".join(rule.rule_id for rule in report.skipped_rules[:5])
        raise MalformedOutput(f"rules left out: {one_line(names)}", where=where)
    return report


def _applies(rule: str, path: str, job: Job) -> bool:
    if path.startswith(CANARY):
        return True
    return all(within(path, job.settings.get(key, ())) for prefix, key in _SCOPES if rule.startswith(prefix))


def _python(job: Job) -> list[str]:
    """The planned files that the rules for Python apply to."""
    return python_files(job, job.settings.get("python", ()))


def _device(job: Job) -> list[str]:
    """The planned files that the rules for device code apply to."""
    sources = job.settings.get("device", ())
    return [path for path in job.settings.get("planned", ()) if path.endswith((".c", ".h")) and within(path, sources)]


def _unlaid(reported: str, job: Job) -> str:
    """`reported`, or for a source with another arm of its `#if`s the first one's name."""
    arms = f"{job.folder}/{_ARMS}/"
    return f"{job.laid}/{reported.removeprefix(arms).partition('/')[2]}" if reported.startswith(arms) else reported


def _paths(sources: tuple[Source, ...]) -> tuple[str, ...]:
    return tuple(source.path for source in sources)


def _context(result: Result) -> str:
    """The code in the message: our messages put the code that was matched, and nothing else, between backticks.

    semgrep withholds the matched lines and its own fingerprint from users without an account; a reworded message must
    not change a finding's identity.
    """
    return " | ".join(" ".join(code.split()) for code in _CODE.findall(result.extra.message))


def _cwe(value: object) -> tuple[str, ...]:
    words = value if isinstance(value, list | tuple) else (value,)
    return tuple(dict.fromkeys(number for word in words for number in _CWE.findall(str(word))))


def _sentence(value: object) -> str:
    return one_line(value, limit=600) if isinstance(value, str) else ""


TOOL = Tool(
    name="semgrep",
    stage=Stage.SAST,
    title="secdl's rules for device code and Python",
    subjects=subjects,
    argv=argv,
    parse=parse,
    work=work,
    canary=Canary(folder="semgrep"),
    lay=lay,
    env={"SEMGREP_SEND_METRICS": "off", "SEMGREP_ENABLE_VERSION_CHECK": "0"},
    rules=rules,
    narrows=True,
    weight_s=15.0,
    # All of QEMU's hw/ takes some six minutes of CPU.
    timeout_s=1800.0,
    settings=Settings,
)
