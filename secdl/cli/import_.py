"""`secdl import`: SARIF reports of other tools into a run."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from secdl.pipeline.imports import import_files
from secdl.run import git
from secdl.run.store import OWN, RUNS, RunFolder


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--run", "run", metavar="DIR", default="", help="Add to this run instead of making one of imports alone.")
def command(files: tuple[Path, ...], run: str) -> int:
    """Take SARIF 2.1.0 reports of other tools into a run.

    `secdl gate` and `secdl report` then treat them like any other evidence. Prints the run's folder on standard output.
    An import never stands in for a tool that a policy requires. Exit status: 0, or 2 where a file is not SARIF 2.1.0:
    then nothing was written.
    """
    root = Path.cwd()
    git.refuse_tracked(root, OWN)
    into = RunFolder.find(root / RUNS, run) if run else None
    now = datetime.now(UTC).replace(microsecond=0)
    click.echo(str(import_files(files, into, root=root, now=now, token=secrets.token_hex(4)).path))
    return 0
