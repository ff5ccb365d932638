"""A run folder in memory: all that gate and report may look at."""

from collections.abc import Callable, Mapping

import msgspec

from secdl.model.evidence import Evidence
from secdl.model.finding import Finding
from secdl.model.plan import Plan
from secdl.model.threat import ThreatCoverage
from secdl.model.tool import Rule
from secdl.model.verdict import Verdict


class Excerpt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Source around a finding, captured with the evidence; `text` begins at line `first`, `line` was reported."""

    path: str
    line: int
    first: int
    text: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A judged run. `digest` is the sha256 of SHA256SUMS (`sha256:…`).

    `file(job, name)` gives the bytes of a further file in that job's evidence folder (an SBOM, a diagram), None where
    there is none. `evidence` is in plan order, one per planned job; `findings` in report order, absent ones last.
    `rules` are, by tool, the rules it describes; `threats`, by job of the threat-model tool, how its answers fared.
    """

    plan: Plan
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict
    excerpts: tuple[Excerpt, ...]
    digest: str
    file: Callable[[str, str], bytes | None]
    rules: Mapping[str, tuple[Rule, ...]] = {}
    threats: Mapping[str, ThreatCoverage] = {}
