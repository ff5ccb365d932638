"""What `secure` and `scan` share: a run from its plan to its last line, ended cleanly by Ctrl-C and SIGTERM."""

import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

import click
from msgspec.structs import replace

from secdl.cli.progress import progress
from secdl.cli.verdict import print_verdict
from secdl.model.evidence import Outcome
from secdl.model.plan import Plan
from secdl.model.verdict import Verdict
from secdl.pipeline.plan import Options
from secdl.pipeline.steps import debian_lacking, judge_run, prepare, report_run, scan_run
from secdl.run.process import Cancel
from secdl.run.store import RunFolder
from secdl.run.toolchain import Toolchain


def secure(options: Options) -> int:
    """Plans, runs, judges, reports, printing as it goes; gives the exit status."""
    run, _ = scan(options)
    return conclude(run).verdict.exit_status


def scan(options: Options) -> tuple[RunFolder, bool]:
    """Runs the tools of a fresh run, printing as it goes; gives the run, and whether every tool left valid evidence."""
    run, plan = prepare(options, now=datetime.now(UTC).replace(microsecond=0), token=secrets.token_hex(4))
    cancel = Cancel()
    toolchain = Toolchain()
    options = replace(options, install=options.install or _ask(run, plan, toolchain))
    with _signals(cancel), progress(sys.stderr, plan) as shown:
        scan_run(run, plan, options, toolchain=toolchain, progress=shown, cancel=cancel)
    done = [run.evidence(job.name) for job in plan.jobs]
    whole = all(one is not None and one.outcome in (Outcome.OK, Outcome.SKIPPED) for one in done)
    return run, whole and not cancel.reason


def conclude(run: RunFolder, *, baseline: str = "") -> Verdict:
    """Judges a run, writes its reports, makes it the latest, and prints the verdict; the run's folder comes last."""
    verdict = judge_run(run, baseline=baseline)
    written = report_run(run)
    run.finish()
    print_verdict(verdict, report=written.get("html"))
    click.echo(str(run.path))
    return verdict


def _ask(run: RunFolder, plan: Plan, toolchain: Toolchain) -> bool:
    """Whether Debian packages may be installed: a terminal is asked once, anything else is not."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    lacking = debian_lacking(run, plan, toolchain)
    return bool(lacking) and click.confirm(f"Install the Debian packages {', '.join(lacking)}?", err=True)


@contextmanager
def _signals(cancel: Cancel) -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM into a cancelled run; a second Ctrl-C is Python's own."""

    def handle(number: int, frame: FrameType | None) -> None:
        cancel.set(signal.Signals(number).name)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
