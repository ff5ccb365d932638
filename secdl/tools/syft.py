"""syft: the SBOM of locked dependencies, in CycloneDX (`sbom.cdx.json`) and SPDX (`sbom.spdx.json`)."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from secdl.model.config import Config
from secdl.model.errors import MalformedOutput
from secdl.model.tool import Canary, Checkout, Job, Stage, Subject, Tool
from secdl.tools._locks import LAID, OTHERS, is_python_lock, pins, written
from secdl.tools._sbom import ENV, OUTPUT, RULE, arguments, parse, work


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[dependencies]]`."""
    return tuple(Subject(name=entry.name, sources=(entry.path,)) for entry in config.dependencies)


def lay(job: Job, checkout: Checkout) -> Mapping[str, bytes]:
    """The lock files under names that syft knows, beside its canary."""
    path = job.sources[0]
    files = checkout.files(path)
    laid = {}
    for file in files:
        if PurePosixPath(file).name in OTHERS:
            laid[f"{LAID}/{file}"] = checkout.read(file)
        elif is_python_lock(file) or files == (path,):
            laid[f"{LAID}/{file}.requirements.txt"] = written(pins(checkout.read(file), file))
    if not laid:
        raise MalformedOutput("holds no lock file", where=path, hint="name a lock file, or a folder that holds some")
    return laid


def argv(job: Job) -> tuple[str, ...]:
    """One scan of the evidence folder, in which locks and canary lie; not of what syft itself writes there."""
    return arguments(f"dir:{job.folder}", job, "--exclude=./sbom.*")


TOOL = Tool(
    name="syft",
    stage=Stage.DEPS,
    title="SBOM of dependencies",
    subjects=subjects,
    lay=lay,
    argv=argv,
    parse=parse,
    work=work,
    output=OUTPUT,
    canary=Canary(folder="syft", expects={RULE: 1}),
    env=ENV,
    weight_s=2.0,
)
