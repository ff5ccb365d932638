"""Why a finding that was known is no longer here."""

from collections.abc import Mapping
from datetime import date

import msgspec

from secdl.gate.evidence import Standing
from secdl.gate.reach import NAMED_PLACES, Reach
from secdl.model.evidence import Evidence, Origin
from secdl.model.finding import AbsentCause, Finding
from secdl.model.plan import Plan


class ToolState(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as the baseline knew it; an empty or None part is not known."""

    version: str = ""
    digest: str = ""
    rules: str = ""
    advisories: Mapping[str, date | None] = {}


_NOTHING = ToolState()


def state_of(evidence: Evidence) -> ToolState:
    """The tool behind `evidence`."""
    return ToolState(
        version=evidence.version, digest=evidence.digest, rules=evidence.rules_digest, advisories=evidence.advisories
    )


class Causes:
    """Why findings are gone. Only evidence that counts, of a tool that did not change, may say that code changed.

    `tools` are the baseline's, `findings` those that are here, `gone` those that may be asked about.
    """

    def __init__(
        self,
        tools: Mapping[str, ToolState],
        findings: list[Finding],
        gone: list[Finding],
        *,
        plan: Plan,
        standings: tuple[Standing, ...],
        packages: frozenset[str] | None,
    ) -> None:
        self._before = tools
        self._plan = plan
        self._packages = None if packages is None else frozenset(_bare(purl) for purl in packages)
        self._valid: dict[str, list[Evidence]] = {}
        self._all_valid: dict[str, bool] = {}
        for standing in standings:
            tool = standing.evidence.tool
            self._all_valid[tool] = self._all_valid.get(tool, True) and standing.valid
            if standing.valid:
                self._valid.setdefault(tool, []).append(standing.evidence)
        self._reach = Reach(plan)
        self._files: dict[str, frozenset[str]] = {}
        self._tool_causes: dict[str, AbsentCause | None] = {}
        asked = {old.path for old in gone}
        self._seen = {
            (finding.tool, place.path) for finding in findings for place in finding.locations if place.path in asked
        }

    def imported(self, tool: str) -> bool:
        """Whether a foreign report of `tool` counts."""
        return any(one.origin is Origin.IMPORT for one in self._valid.get(tool, ()))

    def cause(self, old: Finding) -> AbsentCause:
        """Why `old` is gone."""
        ran = self._valid.get(old.tool, [])
        covering = [one for one in ran if self._covers(one, old)]
        if not covering:
            return AbsentCause.NOT_SCANNED
        before = self._before.get(old.tool, _NOTHING)
        if (cause := self._tool_cause(before, covering[0])) is not None:
            return cause
        if old.purl:
            return self._package_cause(old.purl, before, state_of(covering[0]))
        return AbsentCause.FIXED

    def _tool_cause(self, before: ToolState, evidence: Evidence) -> AbsentCause | None:
        """Why nothing that `evidence` covers can be called fixed; None where its tool is the one of `before`."""
        if evidence.job not in self._tool_causes:
            after = state_of(evidence)
            parts = ("version", "digest", "rules")
            cause = None
            if evidence.origin is Origin.IMPORT and not (before.version and after.version):
                # A version is all that tells whether a foreign tool is the one that found it.
                cause = AbsentCause.NOT_SCANNED
            elif any(differ(getattr(before, part), getattr(after, part)) for part in parts):
                cause = AbsentCause.RULE_CHANGED
            self._tool_causes[evidence.job] = cause
        return self._tool_causes[evidence.job]

    def _package_cause(self, purl: str, before: ToolState, after: ToolState) -> AbsentCause:
        if self._packages is not None:
            return AbsentCause.ADVISORY_WITHDRAWN if _bare(purl) in self._packages else AbsentCause.FIXED
        # Without a list of packages, only unchanged advisory data proves that the package is what changed.
        return AbsentCause.FIXED if dict(before.advisories) == dict(after.advisories) else AbsentCause.RULE_CHANGED

    def _covers(self, evidence: Evidence, old: Finding) -> bool:
        path = old.path
        # A failed job's findings are kept, but that it looked into their files proves nothing.
        seen = self._all_valid[old.tool] and (old.tool, path) in self._seen and not path.startswith(NAMED_PLACES)
        if evidence.origin is Origin.IMPORT:
            # A foreign report looked at the files that it lists, and at no folder or place that it may name.
            return seen or path in self._listed(evidence)
        if not path or path.startswith(NAMED_PLACES):
            # A place that is no file: covered once every job of the tool ran, since jobs are made of such places.
            ran = self._all_valid[old.tool] and not self._plan.scope
            return ran and (not path or self._reach.holds_place(evidence.job, old))
        return self._reach.holds_file(evidence.job, old, evidence.subjects)

    def _listed(self, evidence: Evidence) -> frozenset[str]:
        if evidence.job not in self._files:
            self._files[evidence.job] = frozenset(evidence.subjects)
        return self._files[evidence.job]


def differ(before: str, after: str) -> bool:
    """Whether both sides are known, and not the same."""
    return bool(before and after and before != after)


def _bare(purl: str) -> str:
    return purl.partition("?")[0]
