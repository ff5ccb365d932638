"""SARIF 2.1.0, any producer's, as findings and proof of work. Source: OASIS SARIF 2.1.0."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any
from urllib.parse import unquote

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.fingerprint import NAME as FINGERPRINT
from secdl.model.fingerprint import folded, numbered, without_digits
from secdl.model.sarif_types import (
    ArtifactLocation,
    Document,
    ReportingDescriptor,
    Result,
    RuleReference,
    Run,
    Summary,
)
from secdl.model.sarif_write import SCHEMA, UNKNOWN_VERSION, document, run_of
from secdl.model.text import clean, one_line
from secdl.model.tool import Job, position

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

_CWE = re.compile(r"\bCWE-0*(\d{1,5})\b", re.IGNORECASE)
_LEVEL = {"error": Level.HIGH, "warning": Level.MEDIUM, "note": Level.LOW, "none": Level.INFO}
_WORST = (Level.CRITICAL, Level.HIGH, Level.UNKNOWN, Level.MEDIUM, Level.LOW, Level.INFO)
_WELL = frozenset({"pass", "notApplicable", "informational"})
_HARMLESS = frozenset({"none", "note", "warning"})
_MAX_UNREAD = 100
_LEVEL_WORDS = frozenset(level.value for level in Level)
_BANDS = ((9.0, Level.CRITICAL), (7.0, Level.HIGH), (4.0, Level.MEDIUM))
_MAX_ARGUMENTS, _MAX_TEMPLATE, _MAX_LOCATIONS, _MAX_CONTEXT, _MAX_WORDS = 20, 8000, 50, 500, 50
_MAX_SNIPPET, _MAX_MESSAGE = 2000, 4000
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
    decode = _RESULT.decode
    for number, each in enumerate(run.results or ()):
        if number % codec.FORGET_EVERY == 0:
            codec.forget(raw)
        try:
            yield decode(each)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield codec.decode(memoryview(each), Result, where=f"{where}: results[{number}]")


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
        finding = Reader(run, job).finding
        for result in results(run, raw, where=where):
            if not set_aside(result):
                yield finding(result, seen)


def work(raw: codec.Raw, job: Job) -> Work:
    """The proof of work in `properties["secdl/work"]` as secdl's engines write it; else artifacts and results, and how
    many of these are suppressed. What the tool names as an error is unread. Raises `MalformedOutput` for a run that
    failed or has no results."""
    counts: Counter[str] = Counter()
    missed: list[str] = []
    for run in _own_runs(read(raw, where=f"{job.tool}: {job.output}"), job):
        missed.extend(unread(run))
        claimed = run.properties.get("secdl/work")
        if claimed is not None:
            stated = codec.convert(claimed, Work, where=f"{job.tool}: {job.output}: secdl/work")
            counts.update({one_line(unit, limit=40): count for unit, count in stated.read.items()})
            missed.extend(one_line(name) for name in stated.unread)
        else:
            aside = sum(map(suppressed, results(run, raw, where=f"{job.tool}: {job.output}")))
            counts.update(foreign_work(run, suppressed=aside))
    return Work(read=dict(counts), unread=tuple(missed))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _RuleView:
    """What the findings of one rule share."""

    name: str
    rule: ReportingDescriptor
    override: str
    cwe: tuple[str, ...]
    gain: str
    fix: str
    levels: dict[str, tuple[Level, str]]


class Reader:
    """Turns the results of one run into findings of one job; what rules and files share is worked out once."""

    def __init__(self, run: Run, job: Job) -> None:
        self._run = run
        self._job = job
        self._tool = job.tool
        self._by_index = run.tool.driver.rules
        components = (run.tool.driver, *run.tool.extensions)
        self._by_id = {rule.id: rule for component in components for rule in component.rules}
        self._overrides, self._unclear = _overrides(run)
        self._views: dict[str, _RuleView] = {}
        self._rules: dict[tuple[str, int], _RuleView] = {}
        self._paths: dict[tuple[str, str, int], str] = {}

    def finding(self, result: Result, seen: dict[str, int] | None = None) -> Finding:
        """`result` as a finding; with its fingerprint where `seen` counts those before it."""
        view = self._views.get(result.rule_id) or self._view(result)
        message = self._message(result, view)
        locations, snippet = self._places(result)
        own = result.properties
        context = _context(result) if own or result.partial_fingerprints or result.fingerprints else ""
        found = ""
        if seen is not None:
            path = locations[0].path if locations else ""
            text = context or folded(snippet) or without_digits(message)
            found = numbered(self._tool, view.name, path, text, seen)
        if own or result.kind != "fail":
            return self._with_own(result, view, message=message, locations=locations, snippet=snippet, found=found)
        if (known := view.levels.get(result.level)) is None:
            known = view.levels[result.level] = _level(result, view)
        return Finding(
            tool=self._tool,
            rule=view.name,
            level=known[0],
            message=message,
            locations=locations,
            word=known[1],
            snippet=snippet,
            context=context,
            cwe=view.cwe,
            gain=view.gain,
            fix=view.fix,
            fingerprint=found,
        )

    def fingerprint(self, result: Result, seen: dict[str, int]) -> str:
        """The fingerprint of `result`'s finding, without making the finding."""
        view = self._views.get(result.rule_id) or self._view(result)
        places = result.locations
        physical = places[0].physical_location if places else None
        path = self._path(physical.artifact_location) if physical is not None else ""
        text = ""
        if result.properties or result.partial_fingerprints or result.fingerprints:
            text = _context(result)
        if not text and physical is not None and (snippet := physical.region.snippet) is not None:
            text = folded(clean(snippet.text, limit=_MAX_SNIPPET))
        if not path or not text:
            locations, first_snippet = self._places(result)
            path = locations[0].path if locations else ""
            text = text or folded(first_snippet) or without_digits(self._message(result, view))
        return numbered(self._tool, view.name, path, text, seen)

    def _with_own(
        self,
        result: Result,
        view: _RuleView,
        *,
        message: str,
        locations: tuple[Location, ...],
        snippet: str,
        found: str,
    ) -> Finding:
        own = result.properties or {}
        level, word = _level(result, view)
        return Finding(
            tool=self._tool,
            rule=view.name,
            level=level,
            message=message,
            locations=locations,
            word=word,
            snippet=snippet,
            context=_context(result),
            cwe=_cwe(own, view.rule),
            aliases=_words(own, "secdl/aliases"),
            purl=_line(own, "secdl/purl") or None,
            gain=_line(own, "secdl/gain") or view.gain,
            fix=_line(own, "secdl/fix") or view.fix,
            fingerprint=found,
        )

    def artifacts(self) -> tuple[str, ...]:
        """Paths of the files that the run lists as looked at, sorted."""
        return tuple(sorted({self._path(artifact.location) for artifact in self._run.artifacts} - {""}))

    def _view(self, result: Result) -> _RuleView:
        index = result.rule_index if result.rule_index >= 0 else result.rule.index
        key = (result.rule_id or result.rule.id, index)
        view = self._rules.get(key)
        if view is None:
            named, rule = self._named(*key)
            view = self._rules[key] = _RuleView(
                name=one_line(named, limit=200),
                rule=rule,
                override=self._overrides.get(named) or self._overrides.get(rule.id) or self._unclear,
                cwe=_cwe({}, rule),
                gain=_line(rule.properties, "secdl/gain"),
                fix=_line(rule.properties, "secdl/fix"),
                levels={},
            )
        if result.rule_id in self._by_id:
            self._views[result.rule_id] = view
        return view

    def _named(self, named: str, index: int) -> tuple[str, ReportingDescriptor]:
        rule = self._by_id.get(named)
        if rule is None and 0 <= index < len(self._by_index):
            rule = self._by_index[index]
        if rule is None:
            rule = self._by_id.get(named.rpartition("/")[0])
        return named.strip() or (rule.id if rule else "") or "unnamed", rule or ReportingDescriptor()

    def _message(self, result: Result, view: _RuleView) -> str:
        message, rule = result.message, view.rule
        text = message.text
        if text and not message.arguments and len(text) <= _MAX_MESSAGE and text.isprintable():
            return text.strip()
        text = text or message.markdown
        if not text and message.id in rule.message_strings:
            text = rule.message_strings[message.id].text
        if message.arguments:
            for number, argument in enumerate(message.arguments[:_MAX_ARGUMENTS]):
                text = text[:_MAX_TEMPLATE].replace(f"{{{number}}}", argument[:_MAX_TEMPLATE])
        return clean((text or rule.short_description.text or view.name).strip(), limit=_MAX_MESSAGE)

    def _places(self, result: Result) -> tuple[tuple[Location, ...], str]:
        """The locations of `result`, and the first snippet among them."""
        found: list[Location] = []
        snippet = ""
        for location in result.locations[:_MAX_LOCATIONS]:
            physical = location.physical_location
            if physical is not None:
                region = physical.region
                if region.snippet is not None and not snippet:
                    snippet = clean(region.snippet.text, limit=_MAX_SNIPPET)
                if path := self._path(physical.artifact_location):
                    line, column = region.start_line, region.start_column
                    if line is not None:
                        line = position(line)
                    if column is not None:
                        column = position(column)
                    found.append(Location(path=path, line=line, column=column))
                    continue
            for logical in location.logical_locations[:1]:
                found.append(Location(path=self._job.path(logical.fully_qualified_name or logical.name)))
        return tuple(found), snippet

    def _path(self, location: ArtifactLocation) -> str:
        key = (location.uri, location.uri_base_id, location.index)
        path = self._paths.get(key)
        if path is None:
            uri = self._uri(location)
            path = self._paths[key] = self._job.path(uri) if uri else ""
        return path

    def _uri(self, location: ArtifactLocation) -> str:
        artifacts = self._run.artifacts
        if not location.uri and 0 <= location.index < len(artifacts):
            location = artifacts[location.index].location
        uri = unquote(location.uri)
        # RFC 8089 allows a file URI without an authority, and Java programs write it.
        if uri.startswith("file:/") and not uri.startswith("file://"):
            uri = uri.removeprefix("file:")
        base = self._run.original_uri_base_ids.get(location.uri_base_id)
        if base is not None and base.uri and "://" not in uri and not uri.startswith("/"):
            uri = unquote(base.uri).rstrip("/") + "/" + uri
        return uri


def _level(result: Result, view: _RuleView) -> tuple[Level, str]:
    """The level and the word for it: the worse of the score and of what the result, or an override, states."""
    properties = result.properties or {}
    own = _text(properties, "secdl/level")
    if own in _LEVEL_WORDS:
        return Level(own), _line(properties, "secdl/word")
    # A result to be reviewed has to say `none`: it weighs what the rule does.
    stated = ("" if result.kind != "fail" and result.level == "none" else result.level) or view.override
    word = stated or view.rule.default_configuration.level
    by_word = _LEVEL.get(word, Level.UNKNOWN), one_line(word, limit=40)
    severity = properties.get("security-severity", view.rule.properties.get("security-severity"))
    if severity is None:
        return by_word
    shown = one_line(str(severity)[:80], limit=40)
    try:
        score = float(severity)
    except (TypeError, ValueError, OverflowError):
        return Level.UNKNOWN, shown
    if not 0 <= score <= 10:
        return Level.UNKNOWN, shown
    if score == 0:
        return by_word
    scored = next((level for least, level in _BANDS if score >= least), Level.LOW)
    return by_word if stated and _WORST.index(by_word[0]) < _WORST.index(scored) else (scored, shown)


def _overrides(run: Run) -> tuple[dict[str, str], str]:
    """The level that the invocations of `run` give to rules, by id, the worst where they differ; and the word for all
    other rules, empty but where an override does not say for which rule it is."""
    found: dict[str, set[str]] = {}
    unclear = ""
    counted: Counter[str] = Counter()
    for invocation in run.invocations:
        levels = {
            _named_rule(run, each.descriptor): each.configuration.level
            for each in invocation.rule_configuration_overrides
            if each.configuration.level
        }
        unclear = "an override of no known rule" if levels.pop("", "") else unclear
        counted.update(levels.keys())
        for rule, level in levels.items():
            found.setdefault(rule, set()).add(level)
    components = (run.tool.driver, *run.tool.extensions) if found else ()
    for known in (known for component in components for known in component.rules):
        if 0 < counted[known.id] < len(run.invocations):
            found[known.id].add(known.default_configuration.level)
    rank = {word: _WORST.index(level) for word, level in _LEVEL.items()}
    unknown = _WORST.index(Level.UNKNOWN)
    return {
        rule: min(sorted(words), key=lambda word: rank.get(word, unknown)) for rule, words in found.items()
    }, unclear


def _named_rule(run: Run, descriptor: RuleReference) -> str:
    if descriptor.id:
        return descriptor.id
    at = descriptor.tool_component.index if descriptor.tool_component is not None else -1
    component = run.tool.extensions[at] if 0 <= at < len(run.tool.extensions) else run.tool.driver
    return component.rules[descriptor.index].id if 0 <= descriptor.index < len(component.rules) else ""


def _context(result: Result) -> str:
    if result.properties and (given := _text(result.properties, "secdl/context")):
        return _short(given)
    own = result.fingerprints or result.partial_fingerprints or {}
    return _short("|".join(f"{key}={own[key]}" for key in sorted(own) if key != FINGERPRINT))


def _short(context: str) -> str:
    if len(context) > _MAX_CONTEXT:
        return "sha256:" + sha256(context.encode("utf-8", "surrogatepass")).hexdigest()
    return clean(context)


def _cwe(own: Mapping[str, Any], rule: ReportingDescriptor) -> tuple[str, ...]:
    words: list[str] = []
    for properties in (own, rule.properties):
        for key in ("cwe", "tags"):
            value = properties.get(key, ())
            words.extend(str(item)[:200] for item in (value if isinstance(value, list | tuple) else (value,)))
    found = {f"CWE-{match[1]}" for word in words for match in _CWE.finditer(word)}
    return tuple(sorted(found, key=lambda cwe: int(cwe[4:])))[:_MAX_WORDS]


def _text(properties: Mapping[str, Any], key: str) -> str:
    value = properties.get(key, "")
    return value if isinstance(value, str) else ""


def _line(properties: Mapping[str, Any], key: str) -> str:
    return one_line(_text(properties, key))


def _words(properties: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = properties.get(key, ())
    named = value if isinstance(value, list | tuple) else ()
    return tuple(one_line(str(word)[:400], limit=100) for word in named[:_MAX_WORDS])
