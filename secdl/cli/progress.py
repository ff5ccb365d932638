"""Live progress on standard error: a table that moves on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from secdl.model import words
from secdl.model.evidence import Evidence, Outcome
from secdl.model.plan import Plan
from secdl.model.text import one_line
from secdl.model.tool import Job
from secdl.pipeline.scan import Progress

_STYLE = {Outcome.OK: "green", Outcome.SKIPPED: "dim", Outcome.MISSING: "yellow"}


def line_of(evidence: Evidence) -> str:
    """One line on one tool's evidence: what, how long, how much it read, canary, or why not."""
    head = f"{evidence.stage:<11} {evidence.job:<28} {evidence.outcome.value:<9}"
    if evidence.outcome is not Outcome.OK:
        return f"{head} {one_line(evidence.reason, limit=300)}"
    read = words.read(evidence.work.read)
    canary = "" if evidence.canary is None else f"; canary found ({sum(evidence.canary.expected.values())})"
    reused = f"; reused from {evidence.reused_from}" if evidence.reused_from else ""
    return f"{head} {evidence.duration_s:6.1f} s  read {one_line(read, limit=120)}{canary}{reused}"


class Lines:
    """Plain lines, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def started(self, job: Job) -> None:
        """Says that a tool starts."""
        self._print(f"{job.stage.value:<11} {job.name:<28} started")

    def finished(self, job: Job, evidence: Evidence) -> None:
        """Says how it ended."""
        self._print(line_of(evidence))

    def note(self, text: str) -> None:
        """Says something else."""
        self._print(one_line(text))

    def _print(self, text: str) -> None:
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()


class Table:
    """Finished tools as lines that stay, running ones below with their time."""

    def __init__(self, console: Console, planned: int) -> None:
        self._console = console
        self._planned = planned
        self._done = 0
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self._spinner = Spinner("dots", Text(f"0 of {planned} done"))
        self.live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._render)

    def started(self, job: Job) -> None:
        """Adds a running line."""
        with self._lock:
            self._running[job.name] = time.monotonic()

    def finished(self, job: Job, evidence: Evidence) -> None:
        """Turns the running line into one that stays."""
        with self._lock:
            self._running.pop(job.name, None)
            self._done += 1
        self._console.print(Text(line_of(evidence), style=_STYLE.get(evidence.outcome, "red")))

    def note(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(Text(one_line(text), style="dim"))

    def _render(self) -> Group:
        now = time.monotonic()
        with self._lock:
            running = [Text(f"  {name}  {now - since:.0f} s") for name, since in self._running.items()]
            self._spinner.update(text=Text(f"{self._done} of {self._planned} done"))
        return Group(self._spinner, *running)


@contextmanager
def progress(stream: TextIO, plan: Plan) -> Iterator[Progress]:
    """Progress for a scan of `plan`, written to `stream`."""
    if not stream.isatty():
        yield Lines(stream)
        return
    table = Table(Console(file=stream), len(plan.jobs))
    with table.live:
        yield table
