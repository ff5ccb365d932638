"""The steps of a run, one function each: prepare it, scan, judge, report.

What scans and what renders is imported where it is used: judging must not pay for it.
"""

import os
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from secdl.model import codec
from secdl.model.config import Config, load_config
from secdl.model.errors import MalformedOutput
from secdl.model.plan import Plan
from secdl.model.policy import load_policy, load_waivers
from secdl.model.tool import Tool
from secdl.model.verdict import Verdict
from secdl.pipeline import baselines
from secdl.pipeline.inputs import (
    CONFIG,
    INTERRUPTED,
    POLICY,
    WAIVERS,
    config_of,
    copy_owners,
    copy_waivers,
    gate_file,
    inputs_of,
    read,
)
from secdl.pipeline.judge import judge_folder, read_record, store
from secdl.pipeline.plan import Options, make_plan, tool_tables, tools_of
from secdl.run import git
from secdl.run.store import OWN, RUNS, RunFolder, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from mmap import mmap

    from secdl.pipeline.programs import Programs
    from secdl.pipeline.scan import Progress
    from secdl.run.process import Cancel
    from secdl.run.toolchain import Toolchain


def prepare(options: Options, *, now: datetime, token: str) -> tuple[RunFolder, Plan]:
    """Reads configuration, writes plan and inputs into a fresh run folder; raises `ConfigError` before it is made."""
    config = load_config(options.config)
    root = options.config.resolve().parent
    git.refuse_tracked(root, OWN)
    plan = make_plan(config, options, run="", now=now)
    inputs = inputs_of(
        config,
        config_path=options.config,
        profile=options.profile,
        policy=options.policy,
        waivers=options.waivers,
    )
    runs = root / RUNS
    baseline = _baseline(options, config, runs, today=now.date())
    run = RunFolder.create(runs, now=now, token=token)
    for name, content in inputs.items():
        run.write(name, content)
    copy_owners(run, root)
    if baseline is not None:
        baselines.copy(run, baseline)
    plan = replace(plan, run=run.id)
    run.write("plan.json", codec.encode(plan))
    return run, plan


def _baseline(options: Options, config: Config, runs: Path, *, today: date) -> baselines.Found | None:
    if options.baseline == baselines.NONE:
        return None
    if options.baseline:
        return baselines.find(options.baseline, here=Path.cwd(), runs=runs, today=today)
    debt = gate_file("debt", "", config, config_path=options.config)
    return baselines.find(str(debt), here=debt.parent, runs=runs, today=today) if debt is not None else None


def scan_run(
    run: RunFolder, plan: Plan, options: Options, *, toolchain: "Toolchain", progress: "Progress", cancel: "Cancel"
) -> None:
    """Runs the plan's tools; what they leave is their evidence. A cancelled run says so in its inputs."""
    from secdl.advisories import folder_in_use
    from secdl.pipeline.scan import Scan

    tools, programs = _programs(run, plan, toolchain)
    Scan(
        plan=plan,
        run=run,
        tools=tools,
        programs=programs,
        toolchain=toolchain,
        system=options.install,
        advisories=folder_in_use(os.environ),
        progress=progress,
        cancel=cancel,
        workers=options.workers or len(os.sched_getaffinity(0)),
    )()
    if cancel.reason:
        run.write(INTERRUPTED, cancel.reason.encode() + b"\n")


def debian_lacking(run: RunFolder, plan: Plan, toolchain: "Toolchain") -> tuple[str, ...]:
    """Debian packages that the plan needs and this machine lacks."""
    tools, programs = _programs(run, plan, toolchain)
    lacking = programs.lacking(tools[job.tool].starting(job) for job in plan.jobs if not job.skip)
    entries = (toolchain.lock.entry(name).debian for name in lacking)
    return tuple(entry.package for entry in entries if entry is not None)


def judge_run(
    run: RunFolder,
    *,
    profile: str = "",
    baseline: str = "",
    policy: str = "",
    waivers: str = "",
    runs: Path | None = None,
) -> Verdict:
    """Judges a run again after copying in what the options name; writes and seals findings and verdict.

    What is empty is left as the run has it; the baseline `none` takes out the run's own. A baseline may be one of
    `runs`, else of those beside this run.
    """
    here = Path.cwd()
    _check_inputs(run, {POLICY: policy, WAIVERS: waivers, **dict.fromkeys(baselines.INPUTS, baseline)})
    # What is wrong is named as it was given, and before the run holds it.
    if policy:
        load_policy(here / policy)
    if waivers:
        load_waivers(here / waivers)
    before = {name: run.map(name) for name in (POLICY, WAIVERS, *baselines.INPUTS)}
    try:
        if baseline == baselines.NONE:
            baselines.clear(run)
        elif baseline:
            day, beside = run.plan().as_of.date(), runs or run.path.parent
            # Bound to no name: a large baseline must not stay in memory while the run is judged.
            baselines.copy(run, baselines.find(baseline, here=here, runs=beside, today=day, judged=run))
        if policy:
            run.write(POLICY, read(here / policy))
        if waivers:
            copy_waivers(run, here, waivers)
        judgement = judge_folder(run, profile=profile, baseline_called=baseline)
    except BaseException:
        # Interrupted, too: what was named for this once must not be what the next one judges by.
        _put_back(run, before)
        raise
    store(run, judgement)
    return judgement.verdict


def _check_inputs(run: RunFolder, named: "Mapping[str, str]") -> None:
    """Raises `MalformedOutput` where an input was altered since the run was sealed, unless an option has `named` its
    like anew."""
    altered = run.broken(only=lambda name: chosen(name) and not named.get(name))
    if altered:
        hint = "name what to judge by with an option, or make a new run: `secdl secure`"
        raise MalformedOutput(f"{altered[0]} was altered since the run was sealed", where=str(run.path), hint=hint)


def _put_back(run: RunFolder, before: "Mapping[str, bytes | mmap | None]") -> None:
    """Gives a run its inputs again: what could not be judged must not stay in it."""
    for name, content in before.items():
        if content is None:
            (run.path / name).unlink(missing_ok=True)
        elif run.read(name) != content[:]:
            run.write(name, content[:])


def report_run(run: RunFolder) -> dict[str, Path]:
    """Writes every report of a judged run below its report/; gives the paths by format."""
    from secdl.report import FILES, FORMATS

    record = read_record(run)
    written = {}
    for kind, name in FILES.items():
        run.write(f"report/{name}", FORMATS[kind](record))
        written[kind] = run.path / "report" / name
    return written


def _programs(run: RunFolder, plan: Plan, toolchain: "Toolchain") -> "tuple[dict[str, Tool], Programs]":
    """The plan's tools and what runs them, by the configuration that the run holds: what it was planned by."""
    from secdl.pipeline.programs import Programs

    config = config_of(run)
    tools = tools_of(config)
    tables = tool_tables(config, tools, where=str(run.path / CONFIG)) if config else {}
    overrides = {name: Path(plan.root) / table.path for name, table in tables.items() if table.path}
    return {tool.name: tool for tool in tools}, Programs(toolchain, overrides=overrides, version=plan.secdl)
