"""The verdict on a run: statuses, waivers, owners, what blocks, and every reason. Same values in, same bytes out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TypeVar

import msgspec

from secdl.gate import baseline as base
from secdl.gate.evidence import IMPORT_STAGE, Standing, missing_reasons, stale_advisories, standings, unplanned
from secdl.gate.owners import Owners
from secdl.gate.waivers import Desk
from secdl.model.evidence import Evidence
from secdl.model.finding import LEVELS, Finding, Level, Status
from secdl.model.plan import Plan
from secdl.model.policy import Block, Mode, Policy, ProfilePolicy, Stale, Waivers
from secdl.model.text import one_line
from secdl.model.tool import Stage
from secdl.model.verdict import WORD_OF_KIND, Counts, EvidenceSummary, Reason, ReasonKind, Verdict, Word
from secdl.model.words import some

_WORDS = (Word.FAIL, Word.INCOMPLETE, Word.PARTIAL, Word.PASS)
_KINDS = tuple(ReasonKind)
_T = TypeVar("_T")
# Findings by tool, level, status, whether they block, whether they are waived: looked at once, counted from.
_Tally = Counter[tuple[str, Level, Status, bool, bool]]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate derives from a run: `findings` in report order, absent ones last, and the verdict."""

    findings: tuple[Finding, ...]
    verdict: Verdict


def judge(
    *,
    plan: Plan,
    evidence: tuple[Evidence, ...],
    findings: Iterable[Finding],
    policy: Policy,
    waivers: Waivers,
    baseline: base.Baseline | None,
    owners: Owners,
    profile: str,
    interrupted: bool = False,
    altered: Mapping[str, str] | None = None,
    packages: frozenset[str] | None = None,
) -> Judgement:
    """The judgement of a run under `profile`; `plan.as_of` is the clock.

    `findings` carry their fingerprints. `altered` says by job why its files cannot be trusted (a digest that does not
    match, a report that no longer reads). `packages` are the purls in the run's SBOMs, None where there is none.
    Raises `PolicyError` for a profile that the policy does not have, `MalformedOutput` for a broken baseline.
    """
    asked = policy.profile(profile)
    standing = standings(plan, evidence, profile=asked, altered=altered or {})
    found = list(findings)
    compared = (
        base.compare(found, baseline, plan=plan, standings=standing, packages=packages)
        if baseline is not None
        else base.Compared(new=None, first_seen={}, day=None, absent=[])
    )
    desk = Desk(waivers, limits=policy.waivers, today=plan.as_of.date())
    judged = _weigh(
        found, compared, desk=desk, owners=owners, scale=_Scale(policy, asked, plan, standing), today=plan.as_of.date()
    )
    tally = Counter((f.tool, f.level, f.status, f.blocking, f.waiver is not None) for f in judged)
    absent = [msgspec.structs.replace(old, owner=owners.owner_of(old.path)) for old in compared.absent]
    reasons = [
        *_blocking(judged),
        *_gaps(plan, standing, profile=asked, interrupted=interrupted),
        *_strangers(tally, standing),
        *desk.reasons(whole=_whole(plan, standing)),
        *_advice(tally, standing, profile=asked, plan=plan),
    ]
    reasons.sort(key=lambda reason: (_KINDS.index(reason.kind), reason.tool, reason.message))
    verdict = Verdict(
        verdict=_word(reasons),
        profile=profile,
        as_of=plan.as_of,
        partial=_partial(plan, standing, profile=asked),
        reasons=tuple(dict.fromkeys(reasons)),
        counts=_count(tally, absent, standing),
        evidence=tuple(EvidenceSummary.of(one.evidence, valid=one.valid, reason=_why(one)) for one in standing),
        waivers=desk.accepted(),
        scope=plan.scope,
        baseline=baseline.name if baseline else "",
        policy=policy.reference,
        policy_digest=policy.digest,
        changes=base.changes(baseline, standing, policy_digest=policy.digest) if baseline else (),
    )
    return Judgement(findings=(*judged, *absent), verdict=verdict)


class _Scale:
    """Whether a finding blocks, by profile, stage, level and rule; answers are remembered per rule and level."""

    def __init__(self, policy: Policy, profile: ProfilePolicy, plan: Plan, standing: tuple[Standing, ...]) -> None:
        self._policy = policy
        self._profile = profile
        self._advising = frozenset(str(stage) for stage in profile.advises)
        stages: dict[str, set[str]] = {}
        for tool, stage in [(job.tool, str(job.stage)) for job in plan.jobs] + [
            (one.evidence.tool, one.evidence.stage) for one in standing
        ]:
            stages.setdefault(tool, set()).add(stage)
        # A tool that stands in several stages advises only where all of them do.
        self._stages = stages
        self._known: dict[tuple[str, str, Level], bool] = {}

    def blocks(self, finding: Finding, status: Status) -> bool:
        if status is Status.UNCHANGED and self._profile.block is Block.NEW:
            return False
        key = (finding.tool, finding.rule, finding.level)
        try:
            return self._known[key]
        except KeyError:
            answer = self._known[key] = self._heavy(*key)
            return answer

    def _heavy(self, tool: str, rule: str, level: Level) -> bool:
        mode = self._policy.mode(tool, rule)
        if mode is not None:
            return mode is Mode.BLOCK
        stages = self._stages.get(tool)
        if stages and stages <= self._advising:
            return False
        counted = self._profile.unknown_as if level is Level.UNKNOWN else level
        return counted in self._profile.levels


def _weigh(
    found: list[Finding], compared: base.Compared, *, desk: Desk, owners: Owners, scale: _Scale, today: date
) -> list[Finding]:
    waived = list(map(desk.waive, found))
    broad = desk.too_broad()
    new, days, day = compared.new, compared.first_seen, compared.day
    owner_of, replace, blocks = owners.owner_of, msgspec.structs.replace, scale.blocks
    for position, finding in enumerate(found):
        waiver = waived[position]
        held = waiver if waiver is not None and waiver not in broad else None
        fresh = new is None or finding.fingerprint in new
        status = Status.NEW if fresh else Status.UNCHANGED
        # In place, so that the finding as it came can go: a hundred thousand of each would not fit the budget.
        found[position] = replace(
            finding,
            status=status,
            absent_cause=None,
            blocking=held is None and blocks(finding, status),
            waiver=held,
            owner=owner_of(finding.path),
            first_seen=today if fresh else days.get(finding.fingerprint) or day,
        )
    return found


def _blocking(judged: list[Finding]) -> list[Reason]:
    by_rule: dict[tuple[str, str, Level], list[Finding]] = {}
    for finding in judged:
        if finding.blocking:
            by_rule.setdefault((finding.tool, finding.rule, finding.level), []).append(finding)
    reasons = []
    for (tool, rule, level), findings in by_rule.items():
        message = f"{tool}: {one_line(rule, limit=120)}: {some(len(findings), 'finding')} of level {level}"
        reasons.append(
            Reason(
                kind=ReasonKind.BLOCKING_FINDING,
                tool=tool,
                message=message + (" blocks" if len(findings) == 1 else " block") + _place(findings[0], len(findings)),
                fingerprints=tuple(sorted(finding.fingerprint for finding in findings)),
            )
        )
    return reasons


def _place(first: Finding, count: int) -> str:
    if not first.locations:
        return ""
    path, line = one_line(first.locations[0].path, limit=200), first.locations[0].line
    more = "" if count == 1 else f" and {count - 1} more"
    return f": {path}:{line}{more}" if line else f": {path}{more}"


def _gaps(plan: Plan, standing: tuple[Standing, ...], *, profile: ProfilePolicy, interrupted: bool) -> list[Reason]:
    reasons = list(missing_reasons(standing, plan=plan, profile=profile))
    if interrupted:
        message = "the run was interrupted before its end"
        reasons.append(Reason(kind=ReasonKind.INTERRUPTED, message=message))
    # A change that touches nothing of what the asked stages read leaves nothing to judge, and says so by its scope.
    untouched = bool(plan.scope) and bool(standing) and all(one.skipped for one in standing)
    if not any(one.valid for one in standing) and not untouched:
        message = "no tool left valid evidence: nothing was judged"
        reasons.append(Reason(kind=ReasonKind.NOTHING_JUDGED, message=message))
    if plan.imports:
        message = "foreign reports alone were judged: no check of secdl's own ran"
        reasons.append(Reason(kind=ReasonKind.NOT_PLANNED, message=message))
    else:
        for stage in sorted(set(plan.left_out)):
            reasons.append(Reason(kind=ReasonKind.NOT_PLANNED, message=f"stage {one_line(stage)} was left out"))
    for one in plan.unread:
        message = f"source {one_line(one.source)}: nothing read, {one_line(one.reason)}"
        reasons.append(Reason(kind=ReasonKind.NOT_PLANNED, message=message))
    if plan.scope:
        message = f"only changes were looked at: {one_line(plan.scope)}"
        reasons.append(Reason(kind=ReasonKind.NOT_PLANNED, message=message))
    return reasons


def _strangers(tally: _Tally, standing: tuple[Standing, ...]) -> list[Reason]:
    known = {one.evidence.tool for one in standing}
    strange = _sum((tool, count) for (tool, *_), count in tally.items() if tool not in known)
    return [
        Reason(
            kind=ReasonKind.EVIDENCE_INVALID,
            tool=tool,
            message=f"{one_line(tool)}: {some(count, 'finding')} of a tool that has no evidence in this run",
        )
        for tool, count in strange.items()
    ]


def _advice(tally: _Tally, standing: tuple[Standing, ...], *, profile: ProfilePolicy, plan: Plan) -> list[Reason]:
    advising = _sum((tool, count) for (tool, *_, blocking, waived), count in tally.items() if not (blocking or waived))
    reasons = [
        Reason(
            kind=ReasonKind.ADVISORY,
            tool=tool,
            message=f"{one_line(tool)}: {some(count, 'finding')} that only advise{'s' if count == 1 else ''}",
        )
        for tool, count in advising.items()
    ]
    if profile.advisory_stale is Stale.WARN:
        for one in standing:
            if one.valid and (stale := stale_advisories(one.evidence, profile=profile, today=plan.as_of.date())):
                message = f"{one.evidence.job}: {stale}"
                reasons.append(Reason(kind=ReasonKind.ADVISORIES_STALE, tool=one.evidence.tool, message=message))
    return reasons


def _whole(plan: Plan, standing: tuple[Standing, ...]) -> bool:
    return not (plan.left_out or plan.scope or plan.imports) and all(one.fault is None for one in standing)


def _word(reasons: Iterable[Reason]) -> Word:
    words = {WORD_OF_KIND.get(reason.kind, Word.PASS) for reason in reasons} | {Word.PASS}
    return next(word for word in _WORDS if word in words)


def _partial(plan: Plan, standing: tuple[Standing, ...], *, profile: ProfilePolicy) -> tuple[str, ...]:
    if plan.imports:
        return (IMPORT_STAGE,)
    stages = {one.evidence.stage for one in standing if one.fault is not None} | set(plan.left_out)
    stages |= {str(stage) for stage, _ in unplanned(standing, plan=plan, profile=profile)}
    stages |= {str(Stage.SAST)} if plan.unread else set()
    if plan.scope:
        # Whole-tree tools look at everything even so; where the plan does not say which were cut down, all count.
        stages |= {str(job.stage) for job in plan.jobs if job.narrowed} or set(plan.stages)
    order = [str(stage) for stage in Stage]
    return tuple(sorted(stages, key=lambda stage: (order.index(stage) if stage in order else len(order), stage)))


def _count(tally: _Tally, absent: list[Finding], standing: tuple[Standing, ...]) -> Counts:
    levels = _sum((level, count) for (_, level, *_), count in tally.items())
    tools = _sum((tool, count) for (tool, *_), count in tally.items())
    total = tally.total()
    new = sum(count for (_, _, status, _, _), count in tally.items() if status is Status.NEW)
    blocking = sum(count for (*_, blocks, _), count in tally.items() if blocks)
    waived = sum(count for (*_, held), count in tally.items() if held)
    causes = Counter(finding.absent_cause.value for finding in absent if finding.absent_cause is not None)
    return Counts(
        total=total,
        new=new,
        unchanged=total - new,
        absent=len(absent),
        blocking=blocking,
        waived=waived,
        advising=total - blocking - waived,
        by_level={level.value: levels[level] for level in LEVELS if levels[level]},
        by_tool=dict(sorted(tools.items())),
        absent_by_cause=dict(sorted(causes.items())),
        suppressed=sum(one.evidence.work.read.get("suppressed", 0) for one in standing),
    )


def _sum(counted: Iterable[tuple[_T, int]]) -> Counter[_T]:
    total: Counter[_T] = Counter()
    for key, count in counted:
        total[key] += count
    return total


def _why(standing: Standing) -> str:
    if standing.fault is not None:
        return standing.fault.message.removeprefix(f"{standing.evidence.job}: ")
    return one_line(standing.evidence.reason)
