"""`secdl report`: the reports of a judged run."""

from pathlib import Path

import click

from secdl.cli.options import config_option, output_option, runs_of, write_result
from secdl.pipeline.judge import read_record
from secdl.report import FORMATS
from secdl.run.store import RunFolder


@click.command("report")
@click.argument("run", default="latest")
@config_option
@click.option("--format", "kind", type=click.Choice(sorted(FORMATS)), default="html", show_default=True)
@output_option
def command(run: str, config: Path, kind: str, output: Path | None) -> int:
    """Write one report of a run to standard output or a file.

    RUN is a folder, a run id, or latest. Exit status: 0 written, 2 where the run has no verdict or was altered since.
    """
    content = FORMATS[kind](read_record(RunFolder.find(runs_of(config), run)))
    write_result(output, content)
    return 0
