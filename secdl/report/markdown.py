"""A judged run as Markdown for a pull request or a job's summary: short, and safe whatever the tools said."""

import re
from collections.abc import Iterable

from secdl.model import words
from secdl.model.finding import Finding
from secdl.model.record import Record
from secdl.model.text import clean, one_line
from secdl.model.verdict import Reason
from secdl.report.rows import Accepted, Row
from secdl.report.view import View, effect, view

MAX_BYTES = 60_000
"""GitHub refuses a comment of 65,536 characters and more."""
BLOCKERS = 10
REASONS = 40
ROWS = 30

_PUNCTUATION = re.compile(r"([\\`*_\[\]#!|~$]|(?<![^\n])[-+=]|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d\d\d)[.)])")
_ENTITY = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# A zero-width space is what stops GitHub from linking @names, #numbers and bare addresses: it works on the rendered
# text, so neither a backslash nor an entity does.
_LINKING = re.compile(r"(@|#|://|\bwww\.|\bGH-(?=\d)|\bmailto:|\bxmpp:)", re.IGNORECASE)
_GAP = "\u200b"
_NO_CODE = re.compile(r"[<>`|]|(?<!\S)[@#]|://")


def render(record: Record) -> bytes:
    """`record` as Markdown, UTF-8, at most `MAX_BYTES` long."""
    seen = view(record)
    for limit in (400, 200, 80):
        text = "\n".join(_document(seen, limit)) + "\n"
        if len(text.encode("utf-8")) <= MAX_BYTES:
            break
    return _cut(text).encode("utf-8")


def _cut(text: str) -> str:
    """`text`, of one that is still too long the lines that fit and one that says so."""
    if len(text.encode("utf-8")) <= MAX_BYTES:
        return text
    end = "\nToo long for a comment: the rest is in `report/report.html`.\n"
    kept, left = [], MAX_BYTES - len(end)
    for line in text.splitlines(keepends=True):
        left -= len(line.encode("utf-8"))
        if left < 0:
            break
        kept.append(line)
    return "".join(kept) + end


def prose(text: str, *, limit: int = 400) -> str:
    """Hostile `text` as one line of Markdown that renders to itself: no markup, link, mention or reference."""
    escaped = "".join(_ENTITY.get(char, char) for char in one_line(text, limit=limit))
    return _PUNCTUATION.sub(r"\\\1", _LINKING.sub(lambda found: _broken(found[1]), escaped))


def code(text: str, *, limit: int = 200) -> str:
    """`text` as a code span; as prose where it holds what some renderer could take for more than code."""
    line = one_line(text, limit=limit)
    return prose(line, limit=limit) if not line or _NO_CODE.search(line) else f"`{line}`"


def _broken(found: str) -> str:
    return found[0] + _GAP + found[1:] if len(found) > 1 else found + _GAP


def _document(seen: View, limit: int) -> Iterable[str]:
    record, verdict = seen.record, seen.verdict
    product = record.plan.product
    yield f"## secdl: {verdict.verdict.value}"
    yield ""
    yield f"**{verdict.verdict.value}.** {prose(seen.sentence)}"
    yield ""
    if seen.draft:
        yield f"> **Not for release:** {prose(seen.draft)}."
        yield ""
    yield f"{prose(product.name)} {prose(product.version)}, commit {code(product.commit or 'not from git')}, " + (
        f"profile {prose(verdict.profile)}, {words.moment(record.plan.as_of)}, run {code(record.plan.run)}"
    )
    yield ""
    yield from _counts(seen)
    yield from _section(
        "Reasons", (_reason(reason, limit) for reason in verdict.reasons), len(verdict.reasons), REASONS
    )
    yield from _section("Blockers", (_blocker(f, seen, limit) for f in seen.blockers), len(seen.blockers), BLOCKERS)
    yield from _section(
        "Not measured", (_row(row, limit) for row in seen.gaps), len(seen.gaps), ROWS, lead=seen.coverage
    )
    if verdict.baseline:
        yield from _section("Since the baseline", (_row(row, limit) for row in seen.since), len(seen.since), ROWS)
    yield from _section(
        "What signing accepts", (_accepted(item, limit) for item in seen.accepted), len(seen.accepted), ROWS
    )
    yield prose(seen.also)
    yield ""
    yield "The whole report is `report/report.html` in the run's folder or among the job's artefacts;"
    yield f"every finding is in `findings.jsonl`. Run digest {code(record.digest or 'not sealed')}."


def _counts(seen: View) -> Iterable[str]:
    counts = seen.verdict.counts
    names = ("total", "blocking", "waived", "advising", "new", "unchanged", "absent", "suppressed")
    yield "| findings | " + " | ".join(names[1:]) + " |"
    yield "|" + " ---: |" * len(names)
    yield "| " + " | ".join(str(getattr(counts, name)) for name in names) + " |"
    yield ""
    levels = {level: count for level, count in counts.by_level.items() if count}
    if levels:
        yield "By level: " + ", ".join(f"{count} {prose(level)}" for level, count in levels.items()) + "."
        yield ""


def _section(title: str, items: Iterable[str], total: int, most: int, *, lead: str = "") -> Iterable[str]:
    yield f"### {title}"
    yield ""
    if lead:
        yield prose(lead)
        yield ""
    if not total and not lead:
        yield "None."
        yield ""
        return
    for position, item in enumerate(items):
        if position == most:
            break
        yield f"- {item}"
    if total > most:
        yield f"- and {words.number(total - most)} more"
    if total:
        yield ""


def _reason(reason: Reason, limit: int) -> str:
    tool = f" {code(reason.tool)}" if reason.tool else ""
    return f"{effect(reason)}, {code(reason.kind.value)}{tool}: {prose(reason.message, limit=limit)}"


def _blocker(finding: Finding, seen: View, limit: int) -> str:
    return (
        f"**{finding.level.value}** {prose(clean(finding.message), limit=limit)} ({code(finding.tool)} "
        f"{code(finding.rule)})\n"
        f"  - gain: {prose(words.gain(finding), limit=limit)}\n"
        f"  - where: {code(words.where(finding))}; owner: {prose(words.owner(finding))}; "
        f"first seen: {prose(words.first_seen(finding, seen.today))}\n"
        f"  - next: {prose(words.action(finding), limit=limit)}"
    )


def _row(row: Row, limit: int) -> str:
    return ": ".join(
        prose(part, limit=limit) for part in (row.what, ", ".join(p for p in (row.figure, row.why) if p)) if part
    )


def _accepted(item: Accepted, limit: int) -> str:
    covers = "" if item.findings is None else f" ({words.some(item.findings, 'finding')})"
    who = ", ".join(prose(part) for part in (item.owner, item.approver, item.expires))
    return f"{prose(item.what)}{covers}: {prose(item.reason, limit=limit)}; {who}"
