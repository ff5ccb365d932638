"""`secdl gate`: judge a run again."""

from pathlib import Path

import click

from secdl.cli.options import baseline_option, config_option, json_option, runs_of
from secdl.cli.verdict import print_verdict
from secdl.model import codec
from secdl.pipeline.steps import judge_run
from secdl.run.store import RunFolder


@click.command("gate")
@click.argument("run", required=False)
@config_option
@click.option("--profile", default="", help="Judge by this profile instead of the run's.")
@baseline_option
@click.option("--policy", metavar="FILE", default="", help="Gate policy instead of the one in the run.")
@click.option("--waivers", metavar="FILE", default="", help="Waivers instead of those in the run.")
@json_option
def command(
    run: str | None, config: Path, profile: str, baseline: str, policy: str, waivers: str, as_json: bool
) -> int:
    """Judge a run: what blocks, what is missing, one verdict.

    RUN is a folder, a run id, or latest; without it the run that began last. Writes findings.jsonl, verdict.json and
    SHA256SUMS anew; the reports of the verdict before are gone.

    Reads nothing outside the run but what an option names, and copies that in, where it stays for the next time; the
    same run gives the same bytes. Exit status: 0 PASS or PARTIAL, 1 FAIL, 2 usage or a run that cannot be read, 3
    INCOMPLETE.
    """
    runs = runs_of(config)
    folder = RunFolder.newest(runs) if run is None else RunFolder.find(runs, run)
    verdict = judge_run(folder, profile=profile, baseline=baseline, policy=policy, waivers=waivers, runs=runs)
    if folder.path.parent == runs.resolve():
        folder.finish()
    print_verdict(verdict, report=None)
    click.echo(f"Report: `secdl report {run or folder.path.name} -o report.html` writes it", err=True)
    click.echo(codec.encode(verdict).decode(), nl=False) if as_json else click.echo(str(folder.path))
    return verdict.verdict.exit_status
