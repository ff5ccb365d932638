"""What was known before: which findings are new, which are unchanged, which are gone, and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import date
from itertools import filterfalse, islice

import msgspec

from secdl.gate.absent import Causes, ToolState, differ, state_of
from secdl.gate.evidence import IMPORT_PREFIX, Standing
from secdl.gate.imports import tool_name, version_of
from secdl.model import codec, sarif
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Evidence
from secdl.model.finding import AbsentCause, Finding, Status
from secdl.model.fingerprint import NAME, context, fingerprint, pathless
from secdl.model.plan import Plan
from secdl.model.text import one_line
from secdl.model.tool import Job, Stage
from secdl.model.verdict import Change

HINT = "a baseline is a run or a whole SARIF 2.1.0 file"

Split = tuple[set[str], dict[str, date | None], list[Finding]]


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Findings to compare with. `split` takes the fingerprints that are here now, each 0; it gives those of them that
    it does not know, the day each other was first seen where it says so, and the findings that are not here.

    `name` is how a report calls it. `day` is when it was judged. `tools` are its tools by name, `policy_digest` its
    policy's; both empty where the baseline does not say. `run` is the run of secdl that it is a report of, if any.
    """

    name: str
    split: Callable[[Mapping[str, int]], Split]
    day: date | None = None
    tools: Mapping[str, ToolState] = {}
    policy_digest: str = ""
    run: str = ""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Fingerprints that are new, the day each other was first seen where that is not `day`, and those that are gone.

    `new` is None where there is no baseline: then all are.
    """

    new: set[str] | None
    first_seen: dict[str, date | None]
    day: date | None
    absent: list[Finding]


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """What a line of findings.jsonl says that a match needs."""

    fingerprint: str
    status: Status
    absent_cause: AbsentCause | None = None
    first_seen: date | None = None


def of_run(
    name: str,
    lines: codec.Raw,
    *,
    evidence: Iterable[Evidence],
    day: date,
    policy_digest: str = "",
    where: str = "",
) -> Baseline:
    """The baseline that another run's findings.jsonl (`lines`) and evidence make; errors name it `where`."""
    return Baseline(
        name=name,
        split=lambda current: _split_lines(lines, current, where=f"{where or name}: findings.jsonl"),
        day=day,
        tools={one.tool: state_of(one) for one in evidence},
        policy_digest=policy_digest,
    )


def of_sarif(name: str, raw: codec.Raw, *, tools: Set[str] = frozenset(), root: str = "", where: str = "") -> Baseline:
    """The baseline that a SARIF file (`raw`) makes, secdl's own report or a foreign one.

    `root` is the checkout that absolute paths in it lie below. `tools` are those of the run that is judged: a driver is
    taken for the import of that name where there is one, else for the tool of that name. A run that failed knows what
    it lists, which can only make more findings new. Raises `MalformedOutput` where the file is not SARIF; errors name
    it `where`.
    """
    where = where or name
    report = sarif.scan(raw, where=where, hint=HINT)
    runs = report.runs
    names = tuple(_tool_of(run.tool.driver.name, tools) for run in runs)
    jobs = tuple(Job(name=tool, tool=tool, stage=Stage.SAST, root=root) for tool in names)
    return Baseline(
        name=name,
        split=lambda current: _split_runs(runs, raw, current, jobs=jobs, where=where),
        tools={tool: ToolState(version=version_of(run)) for run, tool in zip(runs, names, strict=True)},
        run=sarif.run_id(report),
    )


def compare(
    findings: list[Finding],
    baseline: Baseline,
    *,
    plan: Plan,
    standings: tuple[Standing, ...],
    packages: frozenset[str] | None,
) -> Compared:
    """`findings` against `baseline`: by fingerprint, then the leftovers one to one by the hash without path.

    What was not scanned may be where it was: the same finding in another place is a copy of it, and new. An import
    never lists the old name of a renamed file; its report is taken to speak of all that its tool looks at.
    """
    new, first_seen, gone = baseline.split({finding.fingerprint: 0 for finding in findings})
    why = Causes(baseline.tools, findings if gone else [], gone, plan=plan, standings=standings, packages=packages)
    causes = [why.cause(old) for old in gone]
    left_places = [
        old
        for old, cause in zip(gone, causes, strict=True)
        if cause is not AbsentCause.NOT_SCANNED or why.imported(old.tool)
    ]
    unknown = [finding for finding in findings if finding.fingerprint in new]
    moved = _moved(unknown, left_places) | _unquoted(unknown, gone)
    left = set(moved.values())
    new -= moved.keys()
    first_seen |= {now: old.first_seen for now, old in _pairs(moved, gone)}
    absent = [
        msgspec.structs.replace(
            old,
            status=Status.ABSENT,
            absent_cause=cause,
            blocking=False,
            waiver=None,
            first_seen=old.first_seen or baseline.day,
        )
        for old, cause in zip(gone, causes, strict=True)
        if old.fingerprint not in left
    ]
    absent.sort(key=lambda old: (old.tool, old.rule, old.path, old.fingerprint))
    return Compared(new=new, first_seen=first_seen, day=baseline.day, absent=absent)


def changes(baseline: Baseline, standings: tuple[Standing, ...], *, policy_digest: str) -> tuple[Change, ...]:
    """Tools, rules and policy that differ from the baseline's, where both sides say what they had."""
    found: list[Change] = []
    now = {standing.evidence.tool: state_of(standing.evidence) for standing in standings if standing.valid}
    for name in sorted({*baseline.tools, *now}):
        before, after = baseline.tools.get(name, ToolState()), now.get(name, ToolState())
        if differ(before.version, after.version):
            found.append(Change(what="tool", name=name, before=before.version, after=after.version))
        elif differ(before.digest, after.digest):
            found.append(Change(what="tool", name=name, before=before.digest, after=after.digest))
        if differ(before.rules, after.rules):
            found.append(Change(what="rule", name=name, before=before.rules, after=after.rules))
    if differ(baseline.policy_digest, policy_digest):
        found.append(Change(what="policy", name="policy", before=baseline.policy_digest, after=policy_digest))
    return tuple(found)


def _split_lines(lines: codec.Raw, current: Mapping[str, int], *, where: str) -> Split:
    first: dict[str, date | None] = {}
    gone: list[Finding] = []
    kept, whole = msgspec.json.Decoder(_Kept), msgspec.json.Decoder(Finding)
    for number, line in enumerate(codec.lines(lines), start=1):
        try:
            old = kept.decode(line)
            # What is gone for good is no longer known: should it come back, it is new.
            if old.status is Status.ABSENT and old.absent_cause is AbsentCause.FIXED:
                continue
            if old.fingerprint in current:
                first[old.fingerprint] = old.first_seen
            else:
                gone.append(whole.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            here = f"{where}:{number}"
            codec.decode(line, Finding, where=here, hint="every line is one finding as secdl writes it")
            # Only a byte order mark reads here and not above; and a line that is not read must not go unsaid.
            raise MalformedOutput("a byte order mark within the file", where=here) from None
    return current.keys() - first, first, gone


def _split_runs(
    runs: tuple[sarif.Run, ...], raw: codec.Raw, current: Mapping[str, int], *, jobs: tuple[Job, ...], where: str
) -> Split:
    known: set[str] = set()
    gone: list[Finding] = []
    seen = dict(current)
    for number, (run, job) in enumerate(zip(runs, jobs, strict=True)):
        reader = sarif.Reader(run, job)
        there = filterfalse(_nowhere, sarif.results(run, raw, where=f"{where}: runs[{number}]"))
        for result, own in reader.unmatched(there, seen):
            if own in current:
                known.add(own)
            else:
                old = next(reader.findings((result,)))
                gone.append(msgspec.structs.replace(old, fingerprint=one_line(own, limit=64)))
    # A SARIF file does not say when what it holds was first seen.
    return {own for own, count in islice(seen.items(), len(current)) if not count} - known, {}, gone


def _nowhere(result: sarif.Result) -> bool:
    """Whether `result` is set aside. What secdl's own report lists as suppressed was waived: that was there."""
    if not result.suppressions or result.kind != "fail" or result.baseline_state == "absent":
        return sarif.set_aside(result)
    ours = result.partial_fingerprints and NAME in result.partial_fingerprints
    return not ours and sarif.suppressed(result)


def _tool_of(driver: str, tools: Set[str]) -> str:
    if driver in tools:
        return driver
    imported = tool_name(driver)
    slug = imported.removeprefix(IMPORT_PREFIX)
    return slug if imported not in tools and slug in tools else imported


def _moved(new: list[Finding], gone: list[Finding]) -> dict[str, str]:
    """Fingerprint now → fingerprint then, of findings that a renamed file carries, where both sides are unique."""
    if not new or not gone:
        return {}
    old_keys = [_rename_key(old) for old in gone]
    wanted = set(old_keys)
    here = [(key, finding.fingerprint) for finding in new if (key := _rename_key(finding)) in wanted]
    count_new, count_old = Counter(key for key, _ in here), Counter(old_keys)
    old_by_key = dict(zip(old_keys, (old.fingerprint for old in gone), strict=True))
    return {now: old_by_key[key] for key, now in here if count_new[key] == count_old[key] == 1}


def _unquoted(new: list[Finding], gone: list[Finding]) -> dict[str, str]:
    """As `_moved`, of findings that a report without source text holds: the same words of the same rule at a file."""

    def key(finding: Finding) -> tuple[str, str, str, str]:
        return (finding.tool, finding.rule, finding.path, finding.message)

    bare = {old.fingerprint: key(old) for old in gone if not _has_source(old)}
    wanted = set(bare.values())
    here = {f.fingerprint: key(f) for f in new if wanted and key(f) in wanted and _has_source(f)}
    count_new, count_old = Counter(here.values()), Counter(bare.values())
    old_by_key = {words: then for then, words in bare.items()}
    return {now: old_by_key[words] for now, words in here.items() if count_new[words] == count_old[words] == 1}


def _has_source(finding: Finding) -> bool:
    return bool(finding.context or finding.snippet.strip())


def _rename_key(finding: Finding) -> str:
    if _has_source(finding):
        return pathless(finding)
    # A bare message says the same in every file: it follows a file to another folder, not to another name.
    return fingerprint(finding.tool, finding.rule, finding.path.rpartition("/")[2], context(finding), 0)


def _pairs(moved: dict[str, str], gone: list[Finding]) -> Iterator[tuple[str, Finding]]:
    by_fingerprint = {old.fingerprint: old for old in gone}
    return ((now, by_fingerprint[then]) for now, then in moved.items())
