"""Configuration and options → plan: which jobs, on what, why others are skipped."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from secdl import __version__
from secdl.model.config import COMMON_SETTINGS, Config, Profile, ToolTable
from secdl.model.errors import ConfigError
from secdl.model.plan import Plan, Product
from secdl.model.scope import within
from secdl.model.toml import nearest, place, read_value, show
from secdl.model.tool import Job, Stage, Tool
from secdl.model.words import some
from secdl.pipeline.sources import chosen, exclusions, nothing_read, passed_over, planned_files, shown, suffixes
from secdl.run import git
from secdl.tools import builtin_tools
from secdl.tools.sarif_tool import tool_of

PROFILES = ("dev", "merge", "release")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a command line asks of a run."""

    config: Path
    profile: str = "dev"
    only: tuple[Stage, ...] = ()
    workers: int | None = None
    changed_since: str = ""
    baseline: str = ""
    policy: str = ""
    waivers: str = ""
    install: bool = False


def tools_of(config: Config | None, *, where: str = "") -> tuple[Tool, ...]:
    """Built-in tools and those of `[[sarif_tool]]`; `where` is the file of `config`.

    Raises `ConfigError` where two have one name, or where a command cannot do what its entry says.
    """
    own = builtin_tools()
    if config is None:
        return own
    taken = {tool.name for tool in own}
    made: list[Tool] = []
    for index, entry in enumerate(config.sarif_tool):
        name, command = (("sarif_tool", index, key) for key in ("name", "command"))
        if entry.name in taken:
            what = f"{show(name)}: {entry.name!r} is the name of a built-in tool"
            raise ConfigError(what, where=place(where, name), hint="choose another name")
        try:
            made.append(tool_of(entry))
        except ConfigError as error:
            raise ConfigError(f"{show(command)}: {error.what}", where=place(where, command), hint=error.hint) from error
    return (*own, *made)


def tool_tables(config: Config, tools: tuple[Tool, ...], *, where: str) -> dict[str, ToolTable]:
    """`[tools.NAME]` by tool, checked; `where` is the file of `config`. Raises `ConfigError` for what is unknown."""
    known = {tool.name: tool for tool in tools}
    tables: dict[str, ToolTable] = {}
    for name, raw in config.tools.items():
        keys = ("tools", name)
        if name not in known:
            what = f"{show(keys)}: unknown tool; {nearest(name, tuple(known))}"
            raise ConfigError(what, where=place(where, keys))
        settings = known[name].settings
        fields = getattr(settings, "__struct_fields__", ())
        for key in raw:
            if key not in (*COMMON_SETTINGS, *fields):
                what = f"{show((*keys, key))}: unknown key; {nearest(key, (*COMMON_SETTINGS, *fields))}"
                raise ConfigError(what, where=place(where, (*keys, key)))
        common = {key: raw[key] for key in raw if key in COMMON_SETTINGS}
        tables[name] = read_value(common, ToolTable, keys, where=where)
        if settings is not None:
            read_value({key: raw[key] for key in raw if key not in common}, settings, keys, where=where)
    return tables


def make_plan(config: Config, options: Options, *, run: str, now: datetime) -> Plan:
    """The jobs of this run. Raises `ConfigError` for an unknown profile or revision."""
    profile = profile_of(config, options.profile)
    root = options.config.resolve().parent
    config = _spend(config, profile)
    tools = tools_of(config, where=str(options.config))
    tables = tool_tables(config, tools, where=str(options.config))
    changed = git.changes(root, options.changed_since) if options.changed_since else None
    planned = tuple(stage for stage in Stage if stage in profile.stages)
    stages = tuple(stage for stage in planned if not options.only or stage in options.only)
    jobs: list[Job] = []
    for tool in tools:
        if tool.stage in stages:
            table = tables.get(tool.name, ToolTable())
            timeout_s = (table.timeout_s or tool.timeout_s) * (1.0 if table.timeout_s else profile.timeout_factor)
            own = {key: value for key, value in config.tools.get(tool.name, {}).items() if key not in COMMON_SETTINGS}
            made = _jobs(tool, config, own, root=root, changed=changed)
            jobs.extend(replace(job, timeout_s=timeout_s, size_cap_bytes=table.size_cap_mib << 20) for job in made)
    read = {path for job in jobs for path in job.settings.get("planned", ())}
    return Plan(
        secdl=__version__,
        run=run,
        as_of=now,
        profile=options.profile,
        root=str(root),
        product=Product(name=config.product.name, version=config.product.version, commit=git.commit(root)),
        stages=tuple(stage.value for stage in stages),
        left_out=tuple(stage.value for stage in planned if stage not in stages),
        scope=f"{some(changed.count, 'file')} changed since {options.changed_since}" if changed is not None else "",
        excluded=tuple(exclusions(root, config)) if Stage.SAST in stages else (),
        passed_over=tuple(passed_over(root, config)) if Stage.SAST in stages else (),
        unread=tuple(nothing_read(config, read)) if Stage.SAST in stages and changed is None else (),
        jobs=tuple(_linked(jobs, tools)),
    )


def profile_of(config: Config, name: str) -> Profile:
    """The profile `name`; the three standard ones exist without being written. Raises `ConfigError`."""
    if name in config.profiles:
        return config.profiles[name]
    if name in PROFILES:
        return Profile()
    raise ConfigError(f"unknown profile {name!r}", where="--profile", hint=nearest(name, (*PROFILES, *config.profiles)))


def _spend(config: Config, profile: Profile) -> Config:
    if profile.fuzz_operations is None:
        return config
    fuzz = tuple(msgspec.structs.replace(entry, operations=profile.fuzz_operations) for entry in config.fuzz)
    return msgspec.structs.replace(config, fuzz=fuzz)


def _jobs(
    tool: Tool,
    config: Config,
    own: dict[str, Any],
    *,
    root: Path,
    changed: git.Changes | None,
) -> Iterator[Job]:
    subjects = tool.subjects(config)
    if not subjects:
        skip = f"secdl.toml declares nothing for {tool.name} to read"
        yield Job(name=tool.name, tool=tool.name, stage=tool.stage, root=str(root), output=tool.output, skip=skip)
    for subject in subjects:
        sources, settings, skip = subject.sources, own | subject.settings, subject.skip
        if tool.narrows:
            files = tuple(planned_files(root, config, subject))
            if changed is not None:
                files = tuple(name for name in files if changed.hold(name))
                sources = files
                below = tuple(map(os.path.normpath, subject.sources))
                settings["removed"] = [name for name in map(shown, changed.removed) if within(name, below)]
                skip = skip if files else "nothing that it reads has changed"
            settings["planned"] = list(files)
            settings["reads"] = {source.path: list(suffixes(source)) for source in chosen(config, subject)}
        yield Job(
            name=f"{tool.name}@{subject.name}" if subject.name else tool.name,
            tool=tool.name,
            stage=tool.stage,
            subject=subject.name,
            root=str(root),
            output=tool.output,
            sources=sources,
            settings=settings,
            narrowed=changed is not None and tool.narrows,
            has_canary=tool.canary is not None,
            engine=bool(tool.builtin),
            skip=skip,
        )


def _linked(jobs: list[Job], tools: tuple[Tool, ...]) -> Iterator[Job]:
    """The jobs with `needs` as job names: the needed tool's job of the same subject, else its only one."""
    names = {job.name for job in jobs}
    needs_of = {tool.name: tool.needs for tool in tools}
    for job in jobs:
        needs: list[str] = []
        for need in () if job.skip else needs_of[job.tool]:
            same = f"{need}@{job.subject}" if job.subject else need
            needs.append(same if same in names else need)
        yield replace(job, needs=tuple(needs)) if needs else job
