"""What the gate decides, and every reason for it."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from secdl.model.evidence import CanaryResult, Evidence


class Word(StrEnum):
    """The four verdicts. FAIL wins over INCOMPLETE over PARTIAL over PASS; nothing but PASS is clean."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    PARTIAL = "PARTIAL"
    INCOMPLETE = "INCOMPLETE"
    FAIL = "FAIL"

    @property
    def exit_status(self) -> int:
        """What the command line returns."""
        return {"PASS": 0, "PARTIAL": 0, "INCOMPLETE": 3, "FAIL": 1}[self.value]


class ReasonKind(StrEnum):
    """Why a verdict is not PASS, or what a reader of a PASS should know. The list is closed."""

    BLOCKING_FINDING = "blocking_finding"  # FAIL
    WAIVER_INVALID = "waiver_invalid"  # FAIL: expired, too broad, too long, without approver
    REQUIRED_MISSING = "required_missing"  # INCOMPLETE: a required tool has no valid evidence
    REQUIRED_SUBJECT = "required_subject"  # INCOMPLETE: the profile requires a subject that is not configured
    CANARY_MISSED = "canary_missed"  # INCOMPLETE
    EVIDENCE_INVALID = "evidence_invalid"  # INCOMPLETE: digest of the evidence or of the tool does not match
    OVERRIDE_REFUSED = "override_refused"  # INCOMPLETE: the profile refuses tools named by path
    INTERRUPTED = "interrupted"  # INCOMPLETE
    NOTHING_JUDGED = "nothing_judged"  # INCOMPLETE: no tool left valid evidence
    NOT_MEASURED = "not_measured"  # PARTIAL: planned, tolerated, without valid evidence
    NOT_PLANNED = "not_planned"  # PARTIAL: left out by --only, --changed-since or import, or read by no scanner
    ADVISORIES_STALE = "advisories_stale"  # INCOMPLETE where required, else no effect
    ADVISORY = "advisory"  # no effect: findings that only advise
    WAIVER_UNUSED = "waiver_unused"  # no effect
    WAIVER_DUE = "waiver_due"  # no effect: expires within 21 days


WORD_OF_KIND = {
    ReasonKind.BLOCKING_FINDING: Word.FAIL,
    ReasonKind.WAIVER_INVALID: Word.FAIL,
    ReasonKind.REQUIRED_MISSING: Word.INCOMPLETE,
    ReasonKind.REQUIRED_SUBJECT: Word.INCOMPLETE,
    ReasonKind.CANARY_MISSED: Word.INCOMPLETE,
    ReasonKind.EVIDENCE_INVALID: Word.INCOMPLETE,
    ReasonKind.OVERRIDE_REFUSED: Word.INCOMPLETE,
    ReasonKind.INTERRUPTED: Word.INCOMPLETE,
    ReasonKind.NOTHING_JUDGED: Word.INCOMPLETE,
    ReasonKind.NOT_MEASURED: Word.PARTIAL,
    ReasonKind.NOT_PLANNED: Word.PARTIAL,
}
"""Reasons absent here change nothing. ADVISORIES_STALE carries REQUIRED_MISSING beside it where it counts."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason: its kind, the tool (or empty), one line for a person, and the findings it rests on."""

    kind: ReasonKind
    tool: str = ""
    message: str
    fingerprints: tuple[str, ...] = ()


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Findings in numbers. `total` is new + unchanged; absent ones stand apart.

    `blocking` + `waived` + `advising` = `total`, and `by_level` and `by_tool` sum to it; `absent_by_cause` to `absent`.
    """

    total: int = 0
    new: int = 0
    unchanged: int = 0
    absent: int = 0
    blocking: int = 0
    waived: int = 0
    advising: int = 0
    by_level: dict[str, int] = {}
    by_tool: dict[str, int] = {}
    absent_by_cause: dict[str, int] = {}
    suppressed: int = 0


class AcceptedWaiver(msgspec.Struct, frozen=True, kw_only=True):
    """A waiver that applied: what a signature accepts."""

    id: str
    reason: str
    owner: str
    approver: str
    expires: date
    findings: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What else differs from the baseline: `what` is `tool`, `rule` or `policy`; an empty side means not there."""

    what: str
    name: str
    before: str = ""
    after: str = ""


class EvidenceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `verdict.json`'s evidence: `valid` is the gate's own judgement of it."""

    job: str
    tool: str
    stage: str
    outcome: str
    valid: bool
    reason: str
    version: str
    origin: str
    digest: str
    work: dict[str, int]
    canary: CanaryResult | None
    advisories: dict[str, date | None]
    duration_s: float
    cpu_s: float
    peak_rss_bytes: int
    reused_from: str

    @classmethod
    def of(cls, evidence: Evidence, *, valid: bool, reason: str) -> "EvidenceSummary":
        """The summary of `evidence` with the gate's judgement."""
        return cls(
            job=evidence.job,
            tool=evidence.tool,
            stage=evidence.stage,
            outcome=evidence.outcome.value,
            valid=valid,
            reason=reason,
            version=evidence.version,
            origin=evidence.origin.value,
            digest=evidence.digest,
            work=evidence.work.read,
            canary=evidence.canary,
            advisories=evidence.advisories,
            duration_s=evidence.duration_s,
            cpu_s=evidence.cpu_s,
            peak_rss_bytes=evidence.peak_rss_bytes,
            reused_from=evidence.reused_from,
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict.json`. `partial` lists stages that were planned or could be, and were not measured whole.

    `changes` is empty without a baseline, and where the baseline does not say (a SARIF file names no policy).
    """

    schema: int = 1
    verdict: Word
    profile: str
    as_of: datetime
    partial: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    counts: Counts = Counts()
    evidence: tuple[EvidenceSummary, ...] = ()
    waivers: tuple[AcceptedWaiver, ...] = ()
    scope: str = ""
    baseline: str = ""
    policy: str = ""
    policy_digest: str = ""
    changes: tuple[Change, ...] = ()
