"""The baseline of a run: found by what a user names, copied into the run's inputs, read from there by the gate."""

from contextlib import suppress
from datetime import date
from pathlib import Path

import msgspec

from secdl.gate import baseline as gate
from secdl.model import codec, sarif
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.evidence import Evidence
from secdl.model.plan import Plan
from secdl.model.verdict import Verdict
from secdl.pipeline.inputs import read as read_file
from secdl.run.store import RunFolder

_ABOUT = "inputs/baseline.json"
_FINDINGS = "inputs/baseline.jsonl"
_SARIF = "inputs/baseline.sarif"
INPUTS = (_ABOUT, _FINDINGS, _SARIF)
"""Where a run keeps its baseline."""
NONE = "none"
"""The name that stands for no baseline; a file or run that is called so is `./none`."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a baseline beside its findings."""

    name: str
    day: date | None = None
    policy_digest: str = ""
    evidence: tuple[Evidence, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline that a user named: `kind` is the input name its findings are kept under, `content` these or their
    file."""

    about: About
    kind: str
    content: bytes | Path


def find(name: str, *, here: Path, runs: Path, today: date, judged: RunFolder | None = None) -> Found:
    """The run, SARIF file or debt file called `name`: a path from `here`, or one of `runs`.

    Raises `ConfigError` or `MalformedOutput`; the former also where it is the run `judged` itself, or a file of it:
    against itself nothing is ever new. Whether a SARIF file is one of those `read` tells, where a run is judged.
    """
    path = here / name
    is_file = False
    # A name that no file can have is that of no file.
    with suppress(OSError, ValueError):
        is_file = path.is_file()
    if is_file and judged and judged.path.resolve() in path.resolve().parents:
        raise _itself(name)
    if is_file and path.suffix == ".jsonl":
        return Found(about=About(name=path.name, day=today), kind=_FINDINGS, content=read_file(path))
    if is_file:
        try:
            with path.open("rb") as file:
                if judged is None:
                    # A run that is judged now tells at once; one that first scans for an hour must not tell after it.
                    sarif.scan(file.read(), where=name, hint=gate.HINT)
        except OSError as error:
            raise ConfigError(error.strerror or "unreadable", where=name, hint="name a run or a SARIF file") from error
        return Found(about=About(name=path.name), kind=_SARIF, content=path)
    run = RunFolder.find(runs, name)
    plan = run.plan()
    # A copy of the run elsewhere is the same run.
    if judged and (run.path.resolve() == judged.path.resolve() or plan.run == judged.plan().run):
        raise _itself(name)
    digest = run.digest()
    verdict = codec.load(run.path / "verdict.json", Verdict)
    evidence = tuple(one for job in plan.jobs if (one := run.evidence(job.name)) is not None)
    about = About(
        name=f"{run.id} {digest}",
        day=plan.as_of.date(),
        policy_digest=verdict.policy_digest,
        evidence=evidence,
    )
    return Found(about=about, kind=_FINDINGS, content=read_file(run.path / "findings.jsonl"))


def _itself(name: str) -> ConfigError:
    return ConfigError(
        "the baseline is the run that is judged: nothing in it could be new",
        where=f"--baseline {name}",
        hint="name an earlier run, or a SARIF file of one",
    )


def clear(run: RunFolder) -> None:
    """Takes the baseline out of the run's inputs."""
    for name in INPUTS:
        (run.path / name).unlink(missing_ok=True)


def copy(run: RunFolder, found: Found) -> None:
    """Puts the baseline into the run's inputs, in place of any other."""
    clear(run)
    try:
        run.write(found.kind, found.content)
    except FileNotFoundError as error:
        hint = "name a run or a SARIF file that stays"
        raise ConfigError("gone since it was looked at", where=str(error.filename), hint=hint) from error
    run.write(_ABOUT, codec.encode(found.about))


def read(run: RunFolder, plan: Plan, *, tools: frozenset[str], called: str = "") -> gate.Baseline | None:
    """The baseline in the run's inputs, None where there is none; `plan` and `tools` are those of the run. Errors name
    the baseline as it was `called`. Raises `ConfigError` where it is the report of the run itself."""
    raw = run.read(_ABOUT)
    if raw is None:
        return None
    about = codec.decode(raw, About, where=_ABOUT)
    if (report := run.map(_SARIF)) is not None:
        baseline = gate.of_sarif(about.name, report, tools=tools, root=plan.root, where=called)
        if baseline.run and baseline.run == plan.run:
            raise _itself(called or about.name)
        return baseline
    lines = run.map(_FINDINGS)
    if lines is None or about.day is None:
        raise MalformedOutput("the baseline's findings are gone", where=str(run.path / _FINDINGS))
    return gate.of_run(
        about.name,
        lines,
        evidence=about.evidence,
        day=about.day,
        policy_digest=about.policy_digest,
        where=called,
    )
