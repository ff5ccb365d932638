"""Identity of a finding across runs: a hash that survives moved lines."""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from secdl.model.finding import Finding

NAME = "secdl/v1"
"""Key under SARIF `partialFingerprints`."""

MORE_PLACES = " (and {:,} more places in the report)"
"""Ends the message of a finding of which not all places are kept."""
_MORE_PLACES = re.compile(r" \(and [\d,]+ more places in the report\)\Z")
_DIGITS = re.compile(r"\d+")


def context(finding: Finding) -> str:
    """The text that identifies a finding beside tool, rule and path: its own context, else its snippet with white
    space folded, else its message without digits."""
    return finding.context or folded(finding.snippet) or without_digits(finding.message)


def folded(snippet: str) -> str:
    """`snippet` with each run of white space as one space: what survives a new indentation."""
    return " ".join(snippet.split())


def without_digits(message: str) -> str:
    """`message` without its digits, and without `MORE_PLACES`: what survives a line number and one more place."""
    return _DIGITS.sub("", _MORE_PLACES.sub("", message))


def fingerprint(tool: str, rule: str, path: str, text: str, occurrence: int) -> str:
    """sha256, hexadecimal, of the five parts; `occurrence` counts from 0 among equals in report order."""
    parts = f"{NAME}\0{tool}\0{rule}\0{path}\0{text}\0{occurrence}"
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def numbered(tool: str, rule: str, path: str, text: str, seen: dict[str, int]) -> str:
    """The fingerprint of the next finding with these parts; `seen` counts equals, by the fingerprint of their first."""
    found = fingerprint(tool, rule, path, text, 0)
    count = seen.get(found, 0)
    seen[found] = count + 1
    return fingerprint(tool, rule, path, text, count) if count else found


def identify(findings: Iterable[Finding], seen: dict[str, int] | None = None) -> Iterator[Finding]:
    """`findings` in their order, each with its fingerprint; `seen` goes on counting equals from earlier ones."""
    seen = {} if seen is None else seen
    for finding in findings:
        found = numbered(finding.tool, finding.rule, finding.path, context(finding), seen)
        yield msgspec.structs.replace(finding, fingerprint=found)


def pathless(finding: Finding) -> str:
    """The hash without path and occurrence: what a renamed file keeps."""
    return fingerprint(finding.tool, finding.rule, "", context(finding), 0)
