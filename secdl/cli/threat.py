"""`secdl threat`: the threat models, what answers each threat, and their diagrams."""

from pathlib import Path

import click

from secdl.cli.options import (
    config_option,
    install_option,
    json_option,
    output_option,
    profile_option,
    runs_of,
    write_result,
)
from secdl.cli.running import secure
from secdl.model import codec
from secdl.model.errors import ConfigError
from secdl.model.record import Record
from secdl.model.text import one_line
from secdl.model.threat import TOOL_NAME
from secdl.model.tool import Stage
from secdl.pipeline.judge import read_record
from secdl.pipeline.plan import Options
from secdl.run.store import RunFolder
from secdl.threats.api import kinds, library_threats


@click.group("threat")
def command() -> None:
    """Check, list and draw the threat models."""


@command.command("list")
@click.argument("run", default="latest")
@config_option
@json_option
@click.option("--library", "what", flag_value="library", help="List the threat library instead; needs no run.")
@click.option("--kinds", "what", flag_value="kinds", help="List the kinds that a model may name; needs no run.")
def list_(run: str, config: Path, as_json: bool, what: str | None) -> int:
    """List each threat of a run, its answer and its evidence.

    The evidence is live, failed, missing or stale, or the threat is not covered by any check. Exit status: 0, or 2
    where the run evaluated no threat model.
    """
    if what is not None:
        return _list_library(what, as_json=as_json)
    record = _record(config, run)
    rows = [row for job in sorted(record.threats) for row in record.threats[job].rows]
    if as_json:
        click.echo(codec.encode(rows).decode(), nl=False)
        return 0
    for row in rows:
        about = f"{one_line(row.title)} on {one_line(row.target)}"
        click.echo(f"{row.threat:<12} {row.level.value:<9} {row.disposition.value:<13} {row.state.value:<12} {about}")
    return 0


def _list_library(what: str, *, as_json: bool) -> int:
    threats, named = library_threats(), kinds()
    if as_json:
        click.echo(codec.encode(threats if what == "library" else named).decode(), nl=False)
    elif what == "library":
        for threat in threats:
            click.echo(f"{threat.id:<7} {threat.level.value:<9} {threat.title}")
    else:
        for kind in named:
            click.echo(f"{kind.on:<8} {kind.name:<15} {kind.title}")
    return 0


@command.command("check")
@config_option
@profile_option
@install_option
def check(config: Path, profile: str, install: bool) -> int:
    """Evaluate the threat models.

    The same as `secdl secure --only threatmodel`.
    """
    options = Options(config=config, profile=profile, only=(Stage.THREATMODEL,), install=install)
    return secure(options)


@command.command("diagram")
@click.argument("run", default="latest")
@config_option
@click.option("--kind", type=click.Choice(["dfd", "sequence"]), default="dfd", show_default=True)
@click.option("--model", default="", help="Name of the model.  [default: the first]")
@output_option
def diagram(run: str, config: Path, kind: str, model: str, output: Path | None) -> int:
    """Write a diagram of a threat model in a run as SVG. Exit status: 0, or 2 where there is none."""
    record = _record(config, run)
    job = f"{TOOL_NAME}@{model}" if model else sorted(record.threats)[0]
    content = record.file(job, f"{kind}.svg")
    if content is None:
        known = ", ".join(name.partition("@")[2] for name in sorted(record.threats))
        raise ConfigError(f"no {kind} diagram of {model!r} in this run", where=run, hint=f"models: {known}")
    write_result(output, content)
    return 0


def _record(config: Path, run: str) -> Record:
    record = read_record(RunFolder.find(runs_of(config), run))
    if not record.threats:
        raise ConfigError("no threat model was evaluated in this run", where=run, hint="`secdl threat check` makes one")
    return record
