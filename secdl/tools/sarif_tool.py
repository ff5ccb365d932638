"""Any program that writes SARIF, by configuration alone: `[[sarif_tool]]`."""

from secdl.model import sarif
from secdl.model.config import Config, SarifTool
from secdl.model.tool import Canary, Job, Subject, Tool


def tool_of(entry: SarifTool) -> Tool:
    """The tool that `entry` describes: `{sources}`, `{out}` and `{canary}` are replaced in its command."""
    program, *arguments = entry.command

    def argv(job: Job) -> tuple[str, ...]:
        words: list[str] = []
        for argument in arguments:
            if argument in ("{source}", "{sources}"):
                words.extend(job.sources)
            else:
                words.append(argument.replace("{out}", job.out).replace("{canary}", job.canary))
        return tuple(words)

    def subjects(config: Config) -> tuple[Subject, ...]:
        return (Subject(sources=entry.sources),)

    to_file = any("{out}" in argument for argument in arguments)
    return Tool(
        name=entry.name,
        stage=entry.stage,
        title=entry.name,
        subjects=subjects,
        argv=argv,
        parse=sarif.parse,
        work=sarif.work,
        completed=frozenset(entry.completed),
        output="out.sarif" if to_file else "stdout",
        program=program,
        canary=Canary(folder=entry.canary.path, expects=entry.canary.expects) if entry.canary else None,
    )
