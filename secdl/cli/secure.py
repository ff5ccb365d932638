"""`secdl secure`: plan, run, gate, report."""

from pathlib import Path

import click

from secdl.cli.options import Stages, baseline_option, config_option, install_option, jobs_option, profile_option
from secdl.cli.running import secure
from secdl.model.tool import Stage
from secdl.pipeline.plan import Options


@click.command("secure")
@config_option
@profile_option
@click.option("--only", type=Stages(), default=(), help="Run these stages alone; the verdict is PARTIAL at best.")
@jobs_option
@click.option("--changed-since", metavar="REF", default="", help="Judge files that differ from merge-base(REF, HEAD).")
@baseline_option
@click.option("--policy", metavar="FILE", default="", help="Gate policy instead of the configured one.")
@click.option("--waivers", metavar="FILE", default="", help="Waivers instead of the configured ones.")
@install_option
def command(
    config: Path,
    profile: str,
    only: tuple[Stage, ...],
    jobs: int | None,
    changed_since: str,
    baseline: str,
    policy: str,
    waivers: str,
    install: bool,
) -> int:
    """Run every check, give one verdict, write the reports.

    Prints the verdict and where the report lies on standard error, the run's folder as the last line of standard
    output. Exit status: 0 PASS or PARTIAL, 1 FAIL, 2 configuration, 3 INCOMPLETE.
    """
    options = Options(
        config=config,
        profile=profile,
        only=only,
        workers=jobs,
        changed_since=changed_since,
        baseline=baseline,
        policy=policy,
        waivers=waivers,
        install=install,
    )
    return secure(options)
