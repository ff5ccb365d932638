"""A judged run as JUnit XML: one test case per job, per blocking finding, and one for the verdict."""

import re
from xml.sax.saxutils import escape, quoteattr

from secdl.model import words
from secdl.model.finding import Finding
from secdl.model.record import Record
from secdl.model.text import clean, one_line
from secdl.model.verdict import Word
from secdl.report.rows import Ran
from secdl.report.view import View, effect, view

LISTED = 2000
"""Blocking findings that get a test case of their own; the rest share one that says how many they are."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufdd0-\ufdef]")


def render(record: Record) -> bytes:
    """`record` as a JUnit document, UTF-8."""
    seen = view(record)
    suites = (
        ("secdl.verdict", [_verdict(seen)], _properties(seen)),
        ("secdl.evidence", [_job(run) for run in seen.ran], ""),
        ("secdl.findings", _blocking(seen.blockers), ""),
    )
    every = [case for _, cases, _ in suites for case in cases]
    head = f"<testsuites name={_attribute('secdl ' + seen.word)} {_tally(every)}>"
    body = (_suite(name, cases, properties) for name, cases, properties in suites)
    lines = ('<?xml version="1.0" encoding="UTF-8"?>', head, *body, "</testsuites>", "")
    return "\n".join(lines).encode("utf-8")


def _tally(cases: list[str]) -> str:
    counts = {mark: sum(f"<{mark} " in case for case in cases) for mark in ("failure", "error", "skipped")}
    return (
        f'tests="{len(cases)}" failures="{counts["failure"]}" errors="{counts["error"]}" skipped="{counts["skipped"]}"'
    )


def _suite(name: str, cases: list[str], properties: str) -> str:
    head = f'<testsuite name="{name}" {_tally(cases)}>'
    return "\n".join(part for part in (head, properties, *cases, "</testsuite>") if part)


def _properties(seen: View) -> str:
    verdict, plan, counts = seen.verdict, seen.record.plan, seen.verdict.counts
    pairs = [
        ("verdict", verdict.verdict.value),
        ("profile", verdict.profile),
        ("product", f"{plan.product.name} {plan.product.version}"),
        ("commit", plan.product.commit),
        ("as_of", words.moment(plan.as_of)),
        ("run", plan.run),
        ("digest", seen.record.digest),
    ]
    for name in ("total", "blocking", "waived", "advising", "new", "unchanged", "absent", "suppressed"):
        pairs.append((f"count.{name}", str(getattr(counts, name))))
    for reason in verdict.reasons:
        text = ": ".join(part for part in (reason.kind.value, reason.tool, reason.message) if part)
        pairs.append(("reason", text))
    body = "\n".join(f"<property name={_attribute(name)} value={_attribute(value)}/>" for name, value in pairs)
    return f"<properties>\n{body}\n</properties>"


def _verdict(seen: View) -> str:
    name = f"verdict {seen.word.value}"
    reasons = [f"{r.kind.value}: {r.tool}: {r.message}" for r in seen.verdict.reasons if effect(r) != "note"]
    mark = {Word.FAIL: "failure", Word.INCOMPLETE: "error", Word.PARTIAL: "skipped"}.get(seen.word)
    if mark is None:
        return _case("secdl.verdict", name)
    return _case("secdl.verdict", name, mark=mark, message=seen.sentence, text="\n".join(map(one_line, reasons)))


def _job(run: Ran) -> str:
    evidence = run.evidence
    kind = f"secdl.evidence.{evidence.stage}"
    if run.valid:
        return _case(kind, evidence.job, seconds=evidence.duration_s)
    mark = "skipped" if run.skipped else "error"
    return _case(kind, evidence.job, seconds=evidence.duration_s, mark=mark, message=f"{run.state}: {run.reason}")


def _blocking(blockers: tuple[Finding, ...]) -> list[str]:
    cases = [
        _case(
            f"secdl.findings.{finding.tool}",
            f"{finding.rule} at {words.where(finding)} ({finding.fingerprint[:12]})",
            mark="failure",
            message=one_line(finding.message),
            text=_explained(finding),
        )
        for finding in blockers[:LISTED]
    ]
    more = len(blockers) - LISTED
    if more > 0:
        text = f"{words.some(more, 'further blocking finding')}; findings.jsonl of the run lists all"
        cases.append(_case("secdl.findings", "not listed here", mark="failure", message=text))
    return cases


def _explained(finding: Finding) -> str:
    return "\n".join(
        (
            f"{finding.level.value}: {clean(finding.message)}",
            f"gain: {words.gain(finding)}",
            f"where: {words.where(finding)}",
            f"owner: {words.owner(finding)}",
            f"next: {words.action(finding)}",
            f"fingerprint: {finding.fingerprint}",
        )
    )


def _case(kind: str, name: str, *, seconds: float = 0.0, mark: str = "", message: str = "", text: str = "") -> str:
    head = f'<testcase classname={_attribute(kind)} name={_attribute(name)} time="{seconds:.3f}"'
    if not mark:
        return head + "/>"
    body = f"<{mark} message={_attribute(message)}" + (' type="secdl"' if mark != "skipped" else "")
    return f"{head}>{body}>{escape(_legal(text))}</{mark}></testcase>"


def _attribute(text: str) -> str:
    return quoteattr(_legal(one_line(text, limit=1000)))


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", clean(text))
