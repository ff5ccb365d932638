"""Identity of a finding across runs: a hash that survives moved lines."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from secdl.model.finding import Finding

NAME = "secdl/v1"
"""Key under SARIF `partialFingerprints`."""

_SPACE = re.compile(r"\s+")
_DIGITS = re.compile(r"\d+")


def context(finding: Finding) -> str:
    """The text that identifies a finding beside tool, rule and path: its own context, else its snippet with white
    space folded, else its message without digits."""
    if finding.context:
        return finding.context
    if finding.snippet and (folded := _SPACE.sub(" ", finding.snippet).strip()):
        return folded
    return _DIGITS.sub("", finding.message)


def fingerprint(tool: str, rule: str, path: str, text: str, occurrence: int) -> str:
    """sha256, hexadecimal, of the five parts; `occurrence` counts from 0 among equals in report order."""
    parts = "\0".join((NAME, tool, rule, path, text, str(occurrence)))
    return sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


def identify(findings: Iterable[Finding]) -> Iterator[Finding]:
    """`findings` in their order, each with its fingerprint."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for finding in findings:
        key = (finding.tool, finding.rule, finding.path, context(finding))
        yield msgspec.structs.replace(finding, fingerprint=fingerprint(*key, seen[key]))
        seen[key] += 1


def pathless(finding: Finding) -> str:
    """The hash without path and occurrence: what a renamed file keeps."""
    return fingerprint(finding.tool, finding.rule, "", context(finding), 0)
