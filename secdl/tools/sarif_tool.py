"""Any program that writes SARIF, by configuration alone: `[[sarif_tool]]`."""

import re
from collections.abc import Iterator
from functools import partial

from secdl.model import sarif
from secdl.model.config import Config, SarifTool
from secdl.model.errors import ConfigError
from secdl.model.evidence import Work
from secdl.model.finding import Finding
from secdl.model.scope import within
from secdl.model.toml import nearest
from secdl.model.tool import CANARY, Canary, Job, Subject, Tool

_SOURCES = ("{source}", "{sources}")
_KNOWN = (*_SOURCES, "{out}", "{canary}")
_PLACEHOLDER = re.compile(r"\{[a-z]+\}")


def tool_of(entry: SarifTool) -> Tool:
    """The tool that `entry` describes. Raises `ConfigError` where its command cannot do what the entry says.

    `{out}` becomes the file that the report goes to (without it the report is standard output), `{canary}` the folder
    of the planted defects; an argument with `{sources}` is given once for each source.
    """
    _check(entry)
    program, *arguments = entry.command
    return Tool(
        name=entry.name,
        stage=entry.stage,
        title=entry.name,
        subjects=partial(_subjects, entry),
        argv=partial(_argv, tuple(arguments)),
        parse=partial(_parse, entry),
        work=partial(_work, entry),
        completed=frozenset(entry.completed),
        output="out.sarif" if any("{out}" in argument for argument in arguments) else "stdout",
        program=program,
        canary=Canary(folder=entry.canary.path, expects=entry.canary.expects, ours=False) if entry.canary else None,
        # What such a program reads beside its sources, such as rules, configuration and scripts, only it knows.
        reusable=False,
    )


def _check(entry: SarifTool) -> None:
    for argument in entry.command:
        for word in _PLACEHOLDER.findall(argument):
            if word not in _KNOWN:
                raise ConfigError(f"unknown placeholder {word}", hint=nearest(word, _KNOWN))
    named = any("{canary}" in argument for argument in entry.command)
    if named and entry.canary is None:
        raise ConfigError("{canary} without a canary", hint="add canary = { path = …, expects = {…} }")
    if entry.canary is not None and not named:
        raise ConfigError("the canary is never given to the program", hint="add {canary} to the command")


def _subjects(entry: SarifTool, _config: Config) -> tuple[Subject, ...]:
    return (Subject(sources=entry.sources),)


def _argv(arguments: tuple[str, ...], job: Job) -> tuple[str, ...]:
    words: list[str] = []
    for argument in arguments:
        argument = argument.replace("{out}", job.out).replace("{canary}", job.canary)
        mark = next((mark for mark in _SOURCES if mark in argument), None)
        words.extend(argument.replace(mark, source) for source in job.sources) if mark else words.append(argument)
    return tuple(words)


def _parse(entry: SarifTool, raw: bytes, job: Job) -> Iterator[Finding]:
    """The findings, without those at the canary's own place in the repository: one of the sources may hold it."""
    own = (entry.canary.path,) if entry.canary else ()
    for finding in sarif.parse(raw, job):
        if not (own and within(finding.path, own)):
            yield finding


def _work(entry: SarifTool, raw: bytes, job: Job) -> Work:
    """What the report says of its work. Many programs list no files: then the planted defects they saw are the proof,
    and a report that is empty without a canary proves nothing."""
    work = sarif.work(raw, job)
    if entry.canary is None:
        return work
    seen = sum(finding.path.startswith(CANARY) for finding in sarif.parse(raw, job))
    read = {unit: count for unit, count in work.read.items() if unit != "results"}
    return Work(
        read={**read, "results": work.read.get("results", 0) - seen, "planted_defects": seen}, unread=work.unread
    )
