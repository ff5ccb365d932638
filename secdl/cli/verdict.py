"""A verdict in a terminal: the word, its counts, every reason."""

from pathlib import Path

import click

from secdl.model.evidence import Outcome
from secdl.model.text import one_line
from secdl.model.verdict import WORD_OF_KIND, Verdict, Word
from secdl.model.words import number, some

_STYLE = {Word.PASS: "green", Word.PARTIAL: "yellow", Word.INCOMPLETE: "magenta", Word.FAIL: "red"}
_MOST = 40


def print_verdict(verdict: Verdict, *, report: Path | None) -> None:
    """Prints `verdict` for a person, on standard error; its reasons as it has them, those that decide first."""
    _say("")
    deciding = {reason.message for reason in verdict.reasons if reason.kind in WORD_OF_KIND}
    # What decides is not said once more as a note, as stale advisories would be.
    reasons = [one for one in verdict.reasons if one.kind in WORD_OF_KIND or one.message not in deciding]
    for reason in reasons[:_MOST]:
        word = WORD_OF_KIND.get(reason.kind)
        _say(f"  {(word.value if word else 'note'):<11} {one_line(reason.message, limit=300)}")
    if len(reasons) > _MOST:
        _say(f"  and {len(reasons) - _MOST} more reasons, all in verdict.json")
    counts = verdict.counts
    planned = [one for one in verdict.evidence if one.outcome != Outcome.SKIPPED.value]
    _say("")
    click.secho(verdict.verdict.value, bold=True, fg=_STYLE[verdict.verdict], nl=False, err=True)
    _say(
        f"  profile {verdict.profile}: {some(counts.total, 'finding')} "
        f"({number(counts.blocking)} blocking, {number(counts.waived)} waived, {number(counts.advising)} advising), "
        f"{sum(one.valid for one in planned)} of {len(planned)} planned jobs left valid evidence"
    )
    if report is not None:
        here = Path.cwd()
        _say(f"Report: {report.relative_to(here) if report.is_relative_to(here) else report}")


def _say(text: str) -> None:
    click.echo(text, err=True)
