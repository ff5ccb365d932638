"""Rows of the toolchain in a terminal."""

from collections.abc import Iterable

import click

from secdl.model.text import one_line
from secdl.run.toolchain import Row, State

_STYLE = {State.THERE: "green", State.MISSING: "red", State.OLD: "yellow", State.REFUSED: "red"}


def print_rows(rows: Iterable[Row]) -> None:
    """Prints one line a row, and below it what to do where something is to be done."""
    for row in rows:
        # What is only good to have is not missed: the exit status does not count it either.
        optional = row.state is State.MISSING and not row.needed
        word, style = ("optional", None) if optional else (row.state.value, _STYLE[row.state])
        click.secho(f"{word:<8}", fg=style, nl=False)
        about = " ".join(part for part in (row.version, f"({row.origin})" if row.origin else "", row.detail) if part)
        click.echo(f" {row.name:<24} {one_line(about)}")
        if row.remedy and row.state is not State.THERE:
            click.echo(f"{'':<8} {'':<24} → {one_line(row.remedy)}")
