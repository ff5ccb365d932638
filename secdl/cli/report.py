"""`secdl report`: the reports of a judged run."""

import sys
from pathlib import Path

import click

from secdl.cli.options import config_option, runs_of
from secdl.pipeline import read_record
from secdl.report import FORMATS
from secdl.run.store import RunFolder, write_out


@click.command("report")
@click.argument("run", default="latest")
@config_option
@click.option("--format", "kind", type=click.Choice(sorted(FORMATS)), default="html", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the output.")
def command(run: str, config: Path, kind: str, output: Path | None) -> int:
    """Write one report of RUN (a folder, a run id, or latest) to standard output or a file.

    Exit status: 0 written, 2 where the run has no verdict or was altered since.
    """
    content = FORMATS[kind](read_record(RunFolder.find(runs_of(config), run)))
    if output is not None:
        write_out(output, content)
    else:
        sys.stdout.buffer.write(content)
    return 0
