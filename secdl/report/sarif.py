"""A judged run as one merged SARIF 2.1.0 file: a run for every planned tool, also for those that left no evidence."""

import gzip
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from secdl.model import codec, words
from secdl.model.evidence import Outcome
from secdl.model.finding import LEVELS, Finding, Level, Location
from secdl.model.record import Record
from secdl.model.sarif import SCHEMA, run_of
from secdl.model.text import clean, one_line
from secdl.model.tool import Rule
from secdl.report.rows import Ran
from secdl.report.view import View, view

# What GitHub code scanning takes: https://docs.github.com/code-security (SARIF support, limits).
RESULTS_PER_RUN = 25_000
RUNS_PER_FILE = 20
GZIPPED_BYTES = 10_000_000
LOCATIONS_PER_RESULT = 100

_URI = "https://github.com/secdl/secdl"
_SEVERITY = {Level.CRITICAL: "9.5", Level.HIGH: "8.0", Level.MEDIUM: "5.5", Level.LOW: "2.0"}


def render(record: Record) -> bytes:
    """`record` as SARIF. What GitHub's limits leave out is counted in a notification and in the run's properties."""
    seen = view(record)
    most = RESULTS_PER_RUN
    while True:
        raw = codec.encode(_document(seen, most))
        if most < 100 or len(raw) <= GZIPPED_BYTES or len(gzip.compress(raw, mtime=0)) <= GZIPPED_BYTES:
            return raw
        most //= 2


def _document(seen: View, most: int) -> dict[str, Any]:
    ran: dict[str, list[Ran]] = {}
    for run in seen.ran:
        ran.setdefault(run.evidence.tool, []).append(run)
    found: dict[str, list[Finding]] = {tool: [] for tool in ran}
    for finding in seen.present:
        found.setdefault(finding.tool, []).append(finding)
    tools = sorted(found, key=lambda tool: (min(map(words.worst_first, found[tool]), default=_LAST), tool))
    kept, over = (
        (tools, []) if len(tools) <= RUNS_PER_FILE else (tools[: RUNS_PER_FILE - 1], tools[RUNS_PER_FILE - 1 :])
    )
    names = set(kept)
    runs = [_run(seen, tool, ran.get(tool, []), found[tool], most) for tool in found if tool in names]
    if over:
        runs.append(_rest(seen, over, found))
    whole = {"$schema": SCHEMA, "version": "2.1.0", "runs": runs, "properties": _summary(seen)}
    cleaned: dict[str, Any] = _cleaned(whole)
    return cleaned


_LAST = (True, True, len(LEVELS), "", "", 0, "")


def _run(seen: View, tool: str, ran: list[Ran], findings: list[Finding], most: int) -> dict[str, Any]:
    listed = [_safe(finding) for finding in findings[:most]]
    notes = [] if len(findings) <= most else [_note(_omitted(len(findings) - most, len(findings)), "warning")]
    invocations = [_invocation(run, notes if not n else []) for n, run in enumerate(ran)]
    if not ran:
        invocations = [_failed("no evidence of this tool was planned in this run", notes)]
    described = {rule.id: rule for rule in seen.record.rules.get(tool, ())}
    run = run_of(
        tool,
        one_line(next((r.evidence.version for r in ran if r.evidence.version), ""), limit=60),
        listed,
        rules=_rules(listed, described),
        automationDetails={"id": _category(seen, one_line(tool), ran)},
        invocations=invocations,
        columnKind="unicodeCodePoints",
        properties={
            "secdl/stages": sorted({r.evidence.stage for r in ran}),
            "secdl/omitted": max(0, len(findings) - most),
        },
    )
    driver = run["tool"]["driver"]
    driver["informationUri"] = _URI
    worst = {finding.rule: finding.level for finding in sorted(listed, key=words.severity, reverse=True)}
    for rule in driver["rules"]:
        _describe(rule, worst.get(rule["id"]))
    for finding, result in zip(listed, run["results"], strict=True):
        _judge(seen, finding, result)
    return run


def _category(seen: View, tool: str, ran: list[Ran]) -> str:
    """GitHub takes all but the last part for the category, and closes every alert of it that a new file does not hold.

    So what was not measured whole goes under a category of its own.
    """
    plan = seen.record.plan
    lost = any(not run.valid and not run.skipped for run in ran) or not ran
    whole = not (plan.left_out or plan.scope or plan.imports or lost)
    return f"secdl/{one_line(seen.verdict.profile)}{'' if whole else '-partial'}/{tool}/{one_line(plan.run)}"


def _rest(seen: View, over: list[str], found: dict[str, list[Finding]]) -> dict[str, Any]:
    lost = sum(len(found[tool]) for tool in over)
    notes = [
        _note(
            f"{one_line(tool)}: its run and {words.some(len(found[tool]), 'finding')} are not in this file: "
            f"GitHub takes {RUNS_PER_FILE} runs a file; findings.jsonl lists all",
            "warning",
        )
        for tool in over
    ]
    run = run_of(
        "secdl",
        seen.record.plan.secdl,
        (),
        automationDetails={"id": _category(seen, "rest", [])},
        invocations=[{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        properties={"secdl/omitted": lost},
    )
    run["tool"]["driver"]["informationUri"] = _URI
    return run


def _summary(seen: View) -> dict[str, Any]:
    verdict, plan = seen.verdict, seen.record.plan
    return {
        "secdl/verdict": {
            "verdict": verdict.verdict.value,
            "profile": one_line(verdict.profile),
            "sentence": one_line(seen.sentence),
            "counts": codec.builtins(verdict.counts),
            "reasons": [
                {"kind": r.kind.value, "tool": one_line(r.tool), "message": r.message} for r in verdict.reasons
            ],
        },
        "secdl/notMeasured": [
            {"what": one_line(row.what), "figure": one_line(row.figure), "why": one_line(row.why)} for row in seen.gaps
        ],
        "secdl/run": {
            "id": one_line(plan.run),
            "digest": seen.record.digest,
            "asOf": plan.as_of.isoformat(),
            "product": one_line(plan.product.name),
            "version": one_line(plan.product.version),
            "commit": one_line(plan.product.commit),
        },
    }


def _invocation(run: Ran, notes: list[dict[str, Any]]) -> dict[str, Any]:
    evidence = run.evidence
    if not run.valid:
        # Configuration that names no subject is not a failure, yet nothing was looked at either.
        reason = f"{one_line(evidence.job)}: {run.state}: {one_line(run.reason) or 'no reason recorded'}"
        invocation = _failed(reason, notes)
    else:
        invocation = {"executionSuccessful": True}
        if notes:
            invocation["toolExecutionNotifications"] = notes
    if evidence.started is not None:
        end = evidence.started + timedelta(seconds=evidence.duration_s)
        invocation["startTimeUtc"] = _instant(evidence.started.isoformat())
        invocation["endTimeUtc"] = _instant(end.isoformat())
    if evidence.exit_status is not None:
        invocation["exitCode"] = evidence.exit_status
    properties: dict[str, Any] = {
        "secdl/job": one_line(evidence.job),
        "secdl/outcome": evidence.outcome.value,
        "secdl/origin": evidence.origin.value,
        "secdl/digest": one_line(evidence.digest),
        "secdl/work": {one_line(unit): count for unit, count in evidence.work.read.items()},
    }
    if evidence.canary is not None:
        properties["secdl/canary"] = {"missed": [one_line(rule) for rule in evidence.canary.missed]}
    if evidence.reused_from:
        properties["secdl/reusedFrom"] = one_line(evidence.reused_from)
    if evidence.outcome is Outcome.SKIPPED:
        properties["secdl/skipped"] = True
    return invocation | {"properties": properties}


def _instant(text: str) -> str:
    return text.replace("+00:00", "Z")


def _failed(reason: str, notes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"executionSuccessful": False, "toolExecutionNotifications": [_note(reason, "error"), *notes]}


def _note(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": text if text.endswith(".") else text + "."}}


def _omitted(count: int, total: int) -> str:
    return (
        f"{words.number(count)} of {words.number(total)} results, the least severe, are not in this file: "
        "GitHub limits results and size; findings.jsonl of the run lists all"
    )


def _rules(findings: Iterable[Finding], described: dict[str, Rule]) -> list[Rule]:
    rules = dict(described)
    for finding in findings:
        if finding.rule not in rules:
            rules[finding.rule] = Rule(
                id=finding.rule, title=finding.rule, gain=finding.gain, fix=finding.fix, cwe=finding.cwe
            )
    return list(rules.values())


def _describe(rule: dict[str, Any], worst: Level | None) -> None:
    title = _sentence(rule["shortDescription"]["text"])
    rule["shortDescription"] = rule["fullDescription"] = {"text": title}
    rule["name"] = _pascal(rule["id"])
    rule.setdefault("help", {"text": title})
    properties = rule.setdefault("properties", {})
    if worst in _SEVERITY:
        properties["security-severity"] = _SEVERITY[worst]
    properties.setdefault("tags", ["security"])


def _sentence(text: str) -> str:
    line = one_line(text, limit=900) or "unnamed"
    return line if line[-1] in ".!?" else line + "."


def _pascal(id_: str) -> str:
    """A readable name that differs from the id, as SARIF1001 wants it."""
    parts = "".join(char if char.isalnum() and char.isascii() else " " for char in id_).split()
    name = "".join(part[:1].upper() + part[1:] for part in parts)[:180] or "Rule"
    return f"{name}Rule" if name == id_ or not name[0].isalpha() else name


def _judge(seen: View, finding: Finding, result: dict[str, Any]) -> None:
    result["baselineState"] = finding.status.value
    result["properties"]["secdl/blocking"] = finding.blocking
    if finding.owner:
        result["properties"]["secdl/owner"] = finding.owner
    if finding.first_seen is not None:
        result["properties"]["secdl/firstSeen"] = finding.first_seen.isoformat()
    if finding.waiver is not None:
        result["suppressions"] = [_suppression(seen, finding.waiver)]


def _suppression(seen: View, waiver_id: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"secdl/waiver": waiver_id}
    justification = "waived"
    for waiver in seen.verdict.waivers:
        if waiver.id == waiver_id:
            justification = waiver.reason or justification
            properties |= {
                "secdl/owner": one_line(waiver.owner),
                "secdl/approver": one_line(waiver.approver),
                "secdl/expires": waiver.expires.isoformat(),
            }
    return {"kind": "external", "status": "accepted", "justification": justification, "properties": properties}


def _safe(finding: Finding) -> Finding:
    """`finding` with a rule and a message that are there, and locations that SARIF can hold."""
    return msgspec.structs.replace(
        finding,
        rule=one_line(finding.rule, limit=200) or "unnamed",
        message=finding.message.strip() or one_line(finding.rule, limit=200) or "unnamed",
        locations=tuple(_place(place) for place in finding.locations[:LOCATIONS_PER_RESULT] if place.path)
        or (_nowhere(finding),),
    )


def _nowhere(finding: Finding) -> Location:
    """GitHub refuses a result without a location: the package stands in, or words that say so."""
    package = (finding.purl or "").removeprefix("pkg:")
    return Location(path=one_line(f"package:{package}" if package else "outside:no location given", limit=1000))


def _cleaned(value: Any) -> Any:
    """`value` with every text in it, keys too, safe to show and to encode as UTF-8."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _cleaned(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(member) for member in value]
    return value


def _place(place: Location) -> Location:
    path = one_line(place.path, limit=1000)
    good = path == place.path and (place.line is None or place.line > 0) and (place.column is None or place.column > 0)
    if good:
        return place
    return Location(path=path, line=max(place.line or 0, 0) or None, column=max(place.column or 0, 0) or None)
