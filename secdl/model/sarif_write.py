"""SARIF 2.1.0 as secdl writes it: what is written here reads back to the same findings."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from secdl.model import codec
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.fingerprint import NAME as FINGERPRINT
from secdl.model.tool import Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
UNKNOWN_VERSION = "unknown"
"""What a run says for the version of a tool that is not known: one that never ran."""
_SARIF_LEVEL = {
    Level.CRITICAL: "error",
    Level.HIGH: "error",
    Level.MEDIUM: "warning",
    Level.LOW: "note",
    Level.INFO: "none",
    Level.UNKNOWN: "warning",
}
_SEVERITY = {Level.CRITICAL: "9.5", Level.HIGH: "8.0", Level.MEDIUM: "5.5", Level.LOW: "2.0", Level.INFO: "0.0"}


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
        "version": version or UNKNOWN_VERSION,
        "rules": [_descriptor(id_, described.get(id_)) for id_ in ids],
    }
    properties = dict(more.pop("properties", {}))
    if work is not None:
        properties["secdl/work"] = {"read": work.read, "unread": list(work.unread), "loaded": work.loaded}
    run: dict[str, Any] = {"tool": {"driver": driver}, **more}
    run["results"] = [_result(finding, index[finding.rule]) for finding in found]
    run.setdefault("invocations", [{"executionSuccessful": True}])
    if properties:
        run["properties"] = properties
    return run


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
