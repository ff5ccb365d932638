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
        configured=True,
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
    return (finding for finding in sarif.parse(raw, job) if not _at_home(entry, finding.path))


def _work(entry: SarifTool, raw: bytes, job: Job) -> Work:
    """What the report says of its work, planted defects aside. Many programs list no files: then the planted defects
    they saw are the proof where the sources were given beside them, and a report that is empty without a canary proves
    nothing."""
    work = sarif.work(raw, job)
    if entry.canary is None:
        return work
    read = dict(work.read)
    runs = sarif.read(raw, where=f"{job.tool}: {job.output}").runs
    listed = [path for run in runs for path in sarif.Reader(run, job).artifacts()]
    if "artifacts" in read:
        read["artifacts"] = sum(not _planted(entry, path) for path in listed)
    found = [finding.path for finding in sarif.parse(raw, job)]
    if "results" in read:
        read["results"] -= sum(_planted(entry, path) for path in found)
    beside = any(mark in argument for argument in entry.command for mark in _SOURCES)
    if beside and not listed:
        read["planted_defects"] = sum(path.startswith(CANARY) for path in found)
    return Work(read=read, unread=work.unread)


def _planted(entry: SarifTool, path: str) -> bool:
    return path.startswith(CANARY) or _at_home(entry, path)


def _at_home(entry: SarifTool, path: str) -> bool:
    return entry.canary is not None and within(path, (entry.canary.path,))
