"""SARIF 2.1.0: the typed subset that secdl reads, and the runs it writes.

Reading takes any producer's file; what secdl writes reads back to the same findings. Source: OASIS SARIF 2.1.0.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.fingerprint import NAME as FINGERPRINT
from secdl.model.text import one_line
from secdl.model.tool import Job, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_CWE = re.compile(r"\bCWE-0*(\d{1,5})\b", re.IGNORECASE)
_SARIF_LEVEL = {
    Level.CRITICAL: "error",
    Level.HIGH: "error",
    Level.MEDIUM: "warning",
    Level.LOW: "note",
    Level.INFO: "none",
    Level.UNKNOWN: "warning",
}
_LEVEL = {"error": Level.HIGH, "warning": Level.MEDIUM, "note": Level.LOW, "none": Level.INFO}
_LEVEL_WORDS = frozenset(level.value for level in Level)
_SEVERITY = {Level.CRITICAL: "9.5", Level.HIGH: "8.0", Level.MEDIUM: "5.5", Level.LOW: "2.0", Level.INFO: "0.0"}


class _Struct(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    pass


class Message(_Struct, frozen=True):
    text: str = ""
    markdown: str = ""
    id: str = ""
    arguments: tuple[str, ...] = ()


class ArtifactLocation(_Struct, frozen=True):
    uri: str = ""
    uri_base_id: str = ""
    index: int = -1


class Region(_Struct, frozen=True):
    start_line: int | None = None
    start_column: int | None = None
    snippet: Message | None = None


class PhysicalLocation(_Struct, frozen=True):
    artifact_location: ArtifactLocation = ArtifactLocation()
    region: Region = Region()


class LogicalLocation(_Struct, frozen=True):
    fully_qualified_name: str = ""
    name: str = ""


class SarifLocation(_Struct, frozen=True):
    physical_location: PhysicalLocation | None = None
    logical_locations: tuple[LogicalLocation, ...] = ()


class RuleReference(_Struct, frozen=True):
    id: str = ""
    index: int = -1


class Suppression(_Struct, frozen=True):
    status: str = "accepted"


class Result(_Struct, frozen=True):
    message: Message = Message()
    rule_id: str = ""
    rule_index: int = -1
    rule: RuleReference = RuleReference()
    kind: str = "fail"
    level: str = ""
    locations: tuple[SarifLocation, ...] = ()
    fingerprints: dict[str, str] = {}
    partial_fingerprints: dict[str, str] = {}
    suppressions: tuple[Suppression, ...] = ()
    properties: dict[str, Any] = {}


class Configuration(_Struct, frozen=True):
    level: str = "warning"


class ReportingDescriptor(_Struct, frozen=True):
    id: str = ""
    name: str = ""
    short_description: Message = Message()
    full_description: Message = Message()
    help: Message = Message()
    message_strings: dict[str, Message] = {}
    default_configuration: Configuration = Configuration()
    properties: dict[str, Any] = {}


class Driver(_Struct, frozen=True):
    name: str = ""
    version: str = ""
    semantic_version: str = ""
    rules: tuple[ReportingDescriptor, ...] = ()


class ToolComponent(_Struct, frozen=True):
    driver: Driver = Driver()
    extensions: tuple[Driver, ...] = ()


class Notification(_Struct, frozen=True):
    level: str = "warning"
    message: Message = Message()


class Invocation(_Struct, frozen=True):
    execution_successful: bool = True
    tool_execution_notifications: tuple[Notification, ...] = ()


class Artifact(_Struct, frozen=True):
    location: ArtifactLocation = ArtifactLocation()


class Run(_Struct, frozen=True):
    tool: ToolComponent
    results: tuple[Result, ...] | None = None
    invocations: tuple[Invocation, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    original_uri_base_ids: dict[str, ArtifactLocation] = {}
    properties: dict[str, Any] = {}


class Document(_Struct, frozen=True):
    version: str
    runs: tuple[Run, ...]


def read(raw: codec.Raw, *, where: str) -> Document:
    """`raw` as a SARIF document. Raises `MalformedOutput`: not SARIF, another version, no run, or a run that failed."""
    document = codec.decode(raw, Document, where=where)
    if document.version != "2.1.0":
        raise MalformedOutput(
            f"SARIF version {one_line(document.version, limit=20)!r}", where=where, hint="2.1.0 is read"
        )
    if not document.runs:
        raise MalformedOutput("no runs", where=where, hint="an empty report is no evidence")
    for run in document.runs:
        if not run.tool.driver.name:
            raise MalformedOutput("a run whose tool has no name", where=where)
        if any(not invocation.execution_successful for invocation in run.invocations):
            name = one_line(run.tool.driver.name, limit=80)
            raise MalformedOutput(f"{name} reports executionSuccessful: false", where=where, hint=_failure(run))
        if run.results is None:
            raise MalformedOutput(
                "a run without results", where=where, hint="the tool did not look: repair and rerun it"
            )
    return document


def parse(raw: codec.Raw, job: Job) -> Iterator[Finding]:
    """The findings of a SARIF report; results that are suppressed or of a kind other than `fail` are left out."""
    for run in read(raw, where=f"{job.tool}: {job.output}").runs:
        rules = _Rules(run)
        for result in run.results or ():
            if not set_aside(result):
                yield _finding(result, rules, run, job)


def work(raw: codec.Raw, job: Job) -> Work:
    """The proof of work in `properties["secdl/work"]` as secdl's engines write it; else artifacts and results."""
    read_counts: dict[str, int] = {}
    unread: list[str] = []
    for run in read(raw, where=f"{job.tool}: {job.output}").runs:
        claimed = run.properties.get("secdl/work")
        if isinstance(claimed, dict):
            for unit, count in claimed.get("read", {}).items():
                read_counts[one_line(str(unit), limit=40)] = read_counts.get(unit, 0) + int(count)
            unread.extend(one_line(str(name)) for name in claimed.get("unread", ()))
        else:
            read_counts["artifacts"] = read_counts.get("artifacts", 0) + len(run.artifacts)
            read_counts["results"] = read_counts.get("results", 0) + len(run.results or ())
    return Work(read=read_counts, unread=tuple(unread))


def set_aside(result: Result) -> bool:
    """Whether `result` is no finding: not of kind `fail`, or suppressed (a rejected suppression suppresses nothing)."""
    return result.kind != "fail" or any(s.status == "accepted" for s in result.suppressions)


def document(runs: Iterable[Mapping[str, Any]]) -> bytes:
    """A SARIF document of `runs` as `run_of` makes them."""
    return codec.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": list(runs)})


def run_of(
    tool: str,
    version: str,
    findings: Iterable[Finding],
    *,
    rules: Iterable[Rule] = (),
    work: Work | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One SARIF run; `more` are further members of the run (invocations, properties, automationDetails…)."""
    found = tuple(findings)
    described = {rule.id: rule for rule in rules}
    ids = sorted({finding.rule for finding in found} | set(described))
    index = {id_: position for position, id_ in enumerate(ids)}
    driver = {
        "name": tool,
        "version": version or "unknown",
        "rules": [_descriptor(id_, described.get(id_)) for id_ in ids],
    }
    properties = dict(more.pop("properties", {}))
    if work is not None:
        properties["secdl/work"] = {"read": work.read, "unread": list(work.unread)}
    run: dict[str, Any] = {"tool": {"driver": driver}, **more}
    run["results"] = [_result(finding, index[finding.rule]) for finding in found]
    run.setdefault("invocations", [{"executionSuccessful": True}])
    if properties:
        run["properties"] = properties
    return run


class _Rules:
    """The rules of a run, found by index or id."""

    def __init__(self, run: Run) -> None:
        self._by_index = run.tool.driver.rules
        components = (run.tool.driver, *run.tool.extensions)
        self._by_id = {rule.id: rule for component in components for rule in component.rules}

    def of(self, result: Result) -> tuple[str, ReportingDescriptor]:
        index = result.rule_index if result.rule_index >= 0 else result.rule.index
        named = result.rule_id or result.rule.id
        rule = self._by_id.get(named)
        if rule is None and 0 <= index < len(self._by_index):
            rule = self._by_index[index]
        if rule is None:
            rule = self._by_id.get(named.rpartition("/")[0])
        return named or (rule.id if rule else "") or "unnamed", rule or ReportingDescriptor()


def _finding(result: Result, rules: _Rules, run: Run, job: Job) -> Finding:
    name, rule = rules.of(result)
    own = result.properties
    level, word = _level(result, rule)
    snippet = _snippet(result)
    return job.finding(
        rule=name,
        level=level,
        message=_message(result.message, rule) or rule.short_description.text or name,
        locations=tuple(_locations(result, run, job)),
        word=word,
        snippet=snippet,
        context=_text(own, "secdl/context") or _own_fingerprint(result),
        cwe=_cwe(own, rule),
        aliases=tuple(str(alias) for alias in own.get("secdl/aliases", ())),
        purl=_text(own, "secdl/purl") or None,
        gain=_text(own, "secdl/gain") or _text(rule.properties, "secdl/gain"),
        fix=_text(own, "secdl/fix") or _text(rule.properties, "secdl/fix"),
    )


def _level(result: Result, rule: ReportingDescriptor) -> tuple[Level, str]:
    word = result.level or rule.default_configuration.level
    own = _text(result.properties, "secdl/level")
    if own in _LEVEL_WORDS:
        return Level(own), _text(result.properties, "secdl/word")
    severity = result.properties.get("security-severity", rule.properties.get("security-severity"))
    if severity is not None:
        try:
            score = float(severity)
        except (TypeError, ValueError):
            return Level.UNKNOWN, one_line(str(severity), limit=40)
        if not 0 <= score <= 10:
            return Level.UNKNOWN, one_line(str(severity), limit=40)
        if score > 0:
            band = (
                Level.CRITICAL
                if score >= 9
                else Level.HIGH
                if score >= 7
                else Level.MEDIUM
                if score >= 4
                else Level.LOW
            )
            return band, str(severity)
    return _LEVEL.get(word, Level.UNKNOWN), one_line(word, limit=40)


def _message(message: Message, rule: ReportingDescriptor) -> str:
    text = message.text or message.markdown
    if not text and message.id in rule.message_strings:
        text = rule.message_strings[message.id].text
    for position, argument in enumerate(message.arguments):
        text = text.replace(f"{{{position}}}", argument)
    return text


def _locations(result: Result, run: Run, job: Job) -> Iterator[Location]:
    for location in result.locations:
        physical = location.physical_location
        if physical is not None:
            uri = _uri(physical.artifact_location, run)
            if uri:
                region = physical.region
                yield Location(path=job.path(uri), line=region.start_line or None, column=region.start_column or None)
                continue
        for logical in location.logical_locations[:1]:
            yield Location(path=job.path(logical.fully_qualified_name or logical.name))


def _uri(location: ArtifactLocation, run: Run) -> str:
    if not location.uri and 0 <= location.index < len(run.artifacts):
        location = run.artifacts[location.index].location
    uri = unquote(location.uri)
    base = run.original_uri_base_ids.get(location.uri_base_id)
    if base is not None and base.uri and "://" not in uri and not uri.startswith("/"):
        uri = unquote(base.uri).rstrip("/") + "/" + uri
    return uri


def _snippet(result: Result) -> str:
    for location in result.locations:
        physical = location.physical_location
        if physical is not None and physical.region.snippet is not None:
            return physical.region.snippet.text
    return ""


def _own_fingerprint(result: Result) -> str:
    given = result.fingerprints or {k: v for k, v in result.partial_fingerprints.items() if k != FINGERPRINT}
    return "|".join(f"{key}={given[key]}" for key in sorted(given))


def _cwe(own: Mapping[str, Any], rule: ReportingDescriptor) -> tuple[str, ...]:
    words: list[str] = []
    for properties in (own, rule.properties):
        for key in ("cwe", "tags"):
            value = properties.get(key, ())
            words.extend(str(item) for item in (value if isinstance(value, list | tuple) else (value,)))
    found = {f"CWE-{match[1]}" for word in words for match in _CWE.finditer(word)}
    return tuple(sorted(found, key=lambda cwe: int(cwe[4:])))


def _text(properties: Mapping[str, Any], key: str) -> str:
    value = properties.get(key, "")
    return value if isinstance(value, str) else ""


def _failure(run: Run) -> str:
    for invocation in run.invocations:
        for notification in invocation.tool_execution_notifications:
            if notification.message.text:
                return one_line(notification.message.text, limit=200)
    return "repair the tool and run it again"


def _descriptor(id_: str, rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"id": id_, "shortDescription": {"text": id_}}
    properties: dict[str, Any] = {}
    if rule.cwe:
        properties["tags"] = ["security", *(f"external/cwe/{cwe.lower()}" for cwe in rule.cwe)]
    if rule.gain:
        properties["secdl/gain"] = rule.gain
    if rule.fix:
        properties["secdl/fix"] = rule.fix
    return {
        "id": id_,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.help or rule.title},
        "properties": properties,
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    properties: dict[str, Any] = {"secdl/level": finding.level.value}
    for key in ("word", "context", "purl", "gain", "fix"):
        if value := getattr(finding, key):
            properties[f"secdl/{key}"] = value
    if finding.aliases:
        properties["secdl/aliases"] = list(finding.aliases)
    if finding.cwe:
        properties["cwe"] = list(finding.cwe)
    if finding.level in _SEVERITY:
        properties["security-severity"] = _SEVERITY[finding.level]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _SARIF_LEVEL[finding.level],
        "message": {"text": finding.message or finding.rule},
        "locations": [_location(place, finding.snippet if not n else "") for n, place in enumerate(finding.locations)],
        "properties": properties,
    }
    if finding.fingerprint:
        result["partialFingerprints"] = {FINGERPRINT: finding.fingerprint}
    return result


def _location(place: Location, snippet: str) -> dict[str, Any]:
    # A colon is encoded too: `image:NAME/…` would read as a URI of another scheme, which GitHub refuses.
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(place.path, safe="/@+~,=")}}
    if place.line:
        region: dict[str, Any] = {"startLine": place.line}
        if place.column:
            region["startColumn"] = place.column
        if snippet:
            region["snippet"] = {"text": snippet}
        physical["region"] = region
    return {"physicalLocation": physical}
