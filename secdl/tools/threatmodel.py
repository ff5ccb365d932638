"""Threat models: secdl's own engine (`secdl.threats`) on each `[[threatmodel]]`, beside it the planted wrong models."""

from hashlib import sha256
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from secdl.model import sarif
from secdl.model.config import Config, ThreatModel
from secdl.model.shipped import shipped
from secdl.model.threat import AMBIGUOUS, BROKEN, LIBRARY, NO_FLOWS, RULES, TOOL_NAME, UNCONTROLLED, UNDISPOSED, UNUSED
from secdl.model.tool import Canary, Job, Stage, Subject, Tool

_SHARE = 0.25
"""Of the job's deadline for one model: it and the planted ones must end, or be stopped, before the engine is."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[tools.threatmodel]`: seconds that a model may take to build."""

    model_timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 60.0


def subjects(config: Config) -> tuple[Subject, ...]:
    """One job per `[[threatmodel]]`. A model may import what lies beside it, so its folder is a source."""
    own = config.settings(TOOL_NAME, Settings)
    return tuple(
        Subject(
            name=entry.name,
            sources=_sources(entry),
            settings={
                "model": entry.path,
                "controls": entry.controls,
                "library": entry.library,
                "model_timeout_s": own.model_timeout_s,
                # Not an argument, yet what is found depends on it.
                "rules": sha256(shipped(LIBRARY).read_bytes()).hexdigest(),
            },
        )
        for entry in config.threatmodel
    )


def _sources(entry: ThreatModel) -> tuple[str, ...]:
    folder = PurePosixPath(entry.path).parent
    model = entry.path if str(folder) == "." else str(folder)
    return tuple(name for name in (model, entry.controls, entry.library) if name)


def argv(job: Job) -> tuple[str, ...]:
    """The engine's arguments; programs are absolute."""
    settings = job.settings
    library = f"{job.root}/{settings['library']}" if settings["library"] else ""
    return (
        *("--name", job.subject, "--root", job.root),
        *("--model", settings["model"], "--controls", settings["controls"], "--library", library),
        *("--python", job.programs["pytm"], "--bwrap", job.programs["bubblewrap"], "--dot", job.programs["graphviz"]),
        *("--model-timeout", f"{min(float(settings['model_timeout_s']), job.timeout_s * _SHARE):g}"),
        *("--canary", job.canary, "--out", job.out),
    )


TOOL = Tool(
    name=TOOL_NAME,
    stage=Stage.THREATMODEL,
    title="Threat model validator",
    subjects=subjects,
    argv=argv,
    parse=sarif.parse,
    work=sarif.work,
    output="out.sarif",
    builtin="secdl.threats",
    programs=("pytm", "bubblewrap", "graphviz"),
    canary=Canary(
        folder="threatmodel",
        expects={BROKEN: 1, AMBIGUOUS: 1, UNDISPOSED: 1, UNUSED: 1, NO_FLOWS: 1, UNCONTROLLED: 1},
    ),
    rules=lambda: RULES,
    weight_s=6.0,
    settings=Settings,
)
