"""`secdl scan`: run tools and keep their evidence, without judging it."""

from pathlib import Path

import click

from secdl.cli import running
from secdl.cli.options import config_option, install_option, jobs_option, profile_option, stages_of
from secdl.pipeline.plan import Options


@click.command("scan")
@click.argument("stages", nargs=-1, metavar="STAGE…", required=True)
@config_option
@profile_option
@jobs_option
@click.option("--changed-since", metavar="REF", default="", help="Read files that differ from merge-base(REF, HEAD).")
@install_option
def command(
    stages: tuple[str, ...], config: Path, profile: str, jobs: int | None, changed_since: str, install: bool
) -> int:
    """Run the tools of these stages, without judging.

    `secdl gate` judges what they leave. Prints the run's folder on standard output. Exit status: 0 where every tool
    left valid evidence, else 3.
    """
    options = Options(
        config=config,
        profile=profile,
        only=stages_of(list(stages)),
        workers=jobs,
        changed_since=changed_since,
        install=install,
    )
    run, whole = running.scan(options)
    click.echo(str(run.path))
    return 0 if whole else 3
