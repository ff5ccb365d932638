"""syft: the SBOM of locked dependencies, in CycloneDX (`sbom.cdx.json`) and SPDX (`sbom.spdx.json`)."""

from secdl.model.config import Config
from secdl.model.tool import Canary, Job, Stage, Subject, Tool
from secdl.tools._locks import lay_locks
from secdl.tools._sbom import ENV, OUTPUT, RULE, arguments, parse, work


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[dependencies]]`."""
    return tuple(Subject(name=entry.name, sources=(entry.path,)) for entry in config.dependencies)


def argv(job: Job) -> tuple[str, ...]:
    """One scan of the evidence folder, in which locks and canary lie; not of what syft itself writes there."""
    return arguments(f"dir:{job.folder}", job, "--exclude=./sbom.*")


TOOL = Tool(
    name="syft",
    stage=Stage.DEPS,
    title="SBOM of dependencies",
    subjects=subjects,
    lay=lay_locks,
    argv=argv,
    parse=parse,
    work=work,
    output=OUTPUT,
    canary=Canary(folder="syft", expects={RULE: 1}),
    env=ENV,
    weight_s=2.0,
)
