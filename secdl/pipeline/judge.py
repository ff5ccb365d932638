"""Run folder → findings, verdict, record. Reads only the run, and whatever an option names once."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from secdl.gate.decide import Judgement, judge
from secdl.gate.evidence import IMPORT_STAGE
from secdl.gate.imports import job_of
from secdl.gate.owners import owners
from secdl.model import codec, sarif
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Evidence, Origin, Outcome
from secdl.model.finding import Finding
from secdl.model.fingerprint import identify
from secdl.model.plan import Plan
from secdl.model.policy import parse_policy, parse_waivers
from secdl.model.record import Excerpt, Record
from secdl.model.threat import ThreatCoverage
from secdl.model.tool import Job, Tool
from secdl.model.verdict import Verdict
from secdl.pipeline import baselines
from secdl.pipeline.examine import split
from secdl.pipeline.excerpts import EXCERPTS, read_excerpts, with_source
from secdl.pipeline.inputs import INTERRUPTED, POLICY, WAIVERS, config_of
from secdl.pipeline.plan import tools_of
from secdl.pipeline.threats import threat_coverage
from secdl.run.store import RUNS, RunFolder, files_below, measured, sha256_of

FINDINGS = "findings.jsonl"
VERDICT = "verdict.json"
_LINES_AT_ONCE = 1024
SBOM_TOOLS = ("syft", "image-sbom")


def judge_folder(run: RunFolder, *, profile: str, baseline_called: str = "") -> Judgement:
    """Judges what lies in `run` and nothing else; an empty `profile` is the plan's. Errors in the run's baseline name
    it `baseline_called`."""
    broken = run.broken(only=measured)
    for name in broken:
        if not name.startswith("evidence/"):
            hint = "what it says is no longer what ran: `secdl secure` makes a new run"
            raise MalformedOutput(f"{name} was altered since the run was sealed", where=str(run.path), hint=hint)
    plan = run.plan()
    lost = {name.split("/")[1]: f"{name} was altered since the run was sealed" for name in reversed(broken)}
    evidence = tuple(_evidence(run, plan, lost))
    altered = {
        one.job: f"{', '.join(names[:3])} altered since the scan" for one in evidence if (names := run.altered(one))
    } | lost
    tools = _tools(run, plan)
    # Before the findings: the first look at a large baseline takes memory that they need later.
    known = frozenset(one.tool for one in evidence)
    baseline = baselines.read(run, plan, tools=known, called=baseline_called)
    findings: list[Finding] = []
    # Equals are told apart over all jobs, as a baseline of several runs does it.
    seen: dict[str, int] = {}
    for one in evidence:
        if one.job not in altered:
            try:
                findings.extend(findings_of(run, plan, one, tools, seen))
            except MalformedOutput as error:
                altered[one.job] = str(error)
    policy = parse_policy(_text(run, POLICY), where=str(run.path / POLICY))
    waivers = parse_waivers(_text(run, WAIVERS), where=str(run.path / WAIVERS))
    named = profile or plan.profile
    # What a stage that was left out would have shown is not missing: the verdict says that it was left out.
    if not plan.left_out and not plan.scope:
        tables = threat_coverage(
            run,
            plan,
            (one for one in evidence if one.job not in altered),
            findings=tuple(findings),
            policy=policy,
            profile=named,
        )
        findings.extend(identify((finding for table in tables.values() for finding in table.findings), seen))
    return judge(
        plan=plan,
        evidence=evidence,
        findings=_drained(findings),
        policy=policy,
        waivers=waivers,
        baseline=baseline,
        owners=owners({path.name: path.read_text("utf-8", "replace") for path in _owner_files(run)}),
        profile=named,
        interrupted=run.read(INTERRUPTED) is not None,
        altered=altered,
        packages=packages(run, plan, evidence),
    )


def _drained(findings: list[Finding]) -> Iterator[Finding]:
    findings.reverse()
    while findings:
        yield findings.pop()


def findings_of(
    run: RunFolder, plan: Plan, evidence: Evidence, tools: Mapping[str, Tool], seen: dict[str, int]
) -> Iterator[Finding]:
    """The findings in one job's output, canary removed, each with its fingerprint; `seen` counts equals so far.

    Evidence that does not count may still hold findings; they are given, so that none is lost. Raises
    `MalformedOutput` where valid evidence no longer reads.
    """
    planned = next((job for job in plan.jobs if job.name == evidence.job), None)
    if planned is None and evidence.origin is not Origin.IMPORT:
        return iter(())
    job = replace(planned, root=evidence.root, folder=evidence.folder) if planned else job_of(evidence)
    if planned is None:
        # Nothing is planted in a foreign report, and it may be large: it is read as it is asked for.
        foreign = run.map(f"evidence/{evidence.job}/{job.output}")
        return sarif.identified(foreign or b"", job, seen)
    raw = run.read(f"evidence/{evidence.job}/{job.output}") or b""
    if not raw and evidence.outcome is not Outcome.OK:
        return iter(())
    # A tool that ended badly was not asked about its canary; the planted defects are no findings all the same.
    planted = evidence.canary.expected if evidence.canary else {} if job.has_canary else None
    try:
        kept, _ = split(_tool(tools, job).parse(raw, job), planted)
    except MalformedOutput:
        if evidence.outcome is Outcome.OK:
            raise
        return iter(())
    excerpts = read_excerpts(run.read(f"evidence/{evidence.job}/{EXCERPTS}") or b"")
    return identify(with_source(kept, excerpts), seen)


def _tool(tools: Mapping[str, Tool], job: Job) -> Tool:
    if job.tool not in tools:
        hint = "judge it with the secdl that made it, or run it again"
        raise MalformedOutput("this secdl has no tool of that name", where=job.tool, hint=hint)
    return tools[job.tool]


def store(run: RunFolder, judgement: Judgement) -> None:
    """Writes findings.jsonl and verdict.json, and seals the run; reports of another verdict go."""
    verdict, report = codec.encode(judgement.verdict), run.path / "report"
    before = sha256_of(run.path / FINDINGS) if report.exists() and (run.path / FINDINGS).is_file() else ""
    if run.read(VERDICT) != verdict:
        shutil.rmtree(report, ignore_errors=True)
    run.write(FINDINGS, _lines(judgement.findings))
    if report.exists() and sha256_of(run.path / FINDINGS) != before:
        shutil.rmtree(report, ignore_errors=True)
    run.write(VERDICT, verdict)
    run.seal()


def _lines(findings: tuple[Finding, ...]) -> Iterator[bytes]:
    # In the order of the fields, so many at once: as good as sorted for the same bytes, and far quicker.
    encoder = msgspec.json.Encoder()
    for start in range(0, len(findings), _LINES_AT_ONCE):
        yield encoder.encode_lines(findings[start : start + _LINES_AT_ONCE])


def read_record(run: RunFolder) -> Record:
    """A judged run for the reports. Raises `MalformedOutput` where it has no verdict or was altered since."""
    digest = run.digest()
    plan = run.plan()
    evidence = tuple(_evidence(run, plan))
    decoder = msgspec.json.Decoder(Finding)
    tools = _tools(run, plan)
    findings = tuple(decoder.decode(line) for line in (run.read(FINDINGS) or b"").splitlines())
    verdict = codec.load(run.path / VERDICT, Verdict)
    tables = threat_coverage(
        run,
        plan,
        evidence,
        findings=findings,
        policy=parse_policy(_text(run, POLICY), where="gate.toml"),
        profile=verdict.profile,
    )
    return Record(
        plan=plan,
        evidence=evidence,
        findings=findings,
        verdict=verdict,
        excerpts=tuple(_excerpts(run, evidence)),
        digest=digest,
        file=lambda job, name: run.read(f"evidence/{job}/{name}"),
        rules={tool.name: tool.rules() for tool in tools.values()},
        threats={job: ThreatCoverage(rows=one.rows, lines=one.lines) for job, one in tables.items()},
    )


def packages(run: RunFolder, plan: Plan, evidence: tuple[Evidence, ...]) -> frozenset[str] | None:
    """The purls in the run's SBOMs, None where there is none."""
    found: set[str] = set()
    output_of = {job.name: job.output for job in plan.jobs if job.tool in SBOM_TOOLS}
    raws = [run.read(f"evidence/{one.job}/{output_of[one.job]}") for one in evidence if one.job in output_of]
    for raw in filter(None, raws):
        try:
            found.update(part.purl for part in codec.decode(raw, _Sbom, where="SBOM").components if part.purl)
        except MalformedOutput:
            continue
    return frozenset(found) if any(raws) else None


class _Component(msgspec.Struct, gc=False):
    purl: str = ""


class _Sbom(msgspec.Struct):
    components: list[_Component] = []


def _evidence(run: RunFolder, plan: Plan, known: Iterable[str] = ()) -> Iterator[Evidence]:
    """The evidence of every planned job, then of imports; of `known` jobs also where nothing is left of it."""
    for job in plan.jobs:
        try:
            found = run.evidence(job.name)
        except MalformedOutput as error:
            yield _blank(job, f"its record cannot be read: {error}", plan)
            continue
        yield found or _blank(job, "left no evidence: the run ended before it", plan)
    planned = {job.name for job in plan.jobs}
    for name in sorted({*run.jobs(), *known} - planned):
        yield run.evidence(name) or Evidence(
            job=name, tool=name, stage=IMPORT_STAGE, outcome=Outcome.MISSING, origin=Origin.IMPORT
        )


def _blank(job: Job, reason: str, plan: Plan) -> Evidence:
    # Where its output says that it lay: what it left may name planted defects by that.
    folder = Path(plan.root, RUNS, plan.run, "evidence", job.name)
    return Evidence(
        job=job.name,
        tool=job.tool,
        stage=job.stage,
        outcome=Outcome.MISSING,
        reason=reason,
        root=plan.root,
        folder=str(folder),
    )


def _tools(run: RunFolder, plan: Plan) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools_of(config_of(run))} if plan.jobs else {}


def _text(run: RunFolder, name: str) -> str:
    return (run.read(name) or b"").decode("utf-8", "replace")


def _owner_files(run: RunFolder) -> list[Path]:
    folder = run.path / "inputs" / "owners"
    # A link is not what the seal covers.
    return list(files_below(folder)) if folder.is_dir() else []


def _excerpts(run: RunFolder, evidence: tuple[Evidence, ...]) -> Iterator[Excerpt]:
    for one in evidence:
        raw = run.read(f"evidence/{one.job}/{EXCERPTS}")
        if raw:
            yield from read_excerpts(raw)
