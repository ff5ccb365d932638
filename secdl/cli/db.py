"""`secdl db`: the advisory data that packages are judged by."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from secdl.advisories import folder_in_use, import_data, status
from secdl.cli.main import complain
from secdl.cli.options import json_option
from secdl.model import codec, words
from secdl.model.errors import SecdlError


@click.group("db")
def command() -> None:
    """Show the advisories in use, and take newer ones."""


@command.command("status")
@json_option
def status_(as_json: bool) -> int:
    """Show records, data date and age of each ecosystem. Exit status: 0."""
    rows = status(folder_in_use(os.environ), today=datetime.now(UTC).date())
    if as_json:
        click.echo(codec.encode(rows).decode(), nl=False)
        return 0
    for row in rows:
        days = "" if row.age_days is None else words.some(row.age_days, "day")
        age = f"{row.data_date}, {days} old" if days else "of unknown date: counts as stale"
        click.echo(f"{row.ecosystem:<10} {row.records:>7,} records  {age}  {row.source}  {row.digest[:19]}")
    return 0


@command.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--data-date", type=click.DateTime(["%Y-%m-%d"]), help="When the data was taken; unknown counts as stale."
)
def import_(source: Path, data_date: datetime | None) -> int:
    """Use the OSV data in SOURCE from now on.

    It counts for the ecosystems that it holds. SOURCE is a zip archive of OSV records (all.zip of an ecosystem), a
    folder of such archives or records, or a folder that `python -m secdl.advisories.build` made. Ecosystems that it
    lacks stay as they are. Prints the folder that holds the data now; once the folder above it is removed, the shipped
    data is used again.

    Exit status: 0 in use, 2 where SOURCE is not OSV data (then nothing changes).
    """
    today = datetime.now(UTC).date()
    before = {}
    # What is in use may be damaged: an import mends that.
    with suppress(SecdlError):
        before = {row.ecosystem: row.data_date for row in status(folder_in_use(os.environ), today=today)}
    folder = import_data(source, os.environ, today=today, data_date=data_date.date() if data_date else None)
    for row in status(folder, today=today):
        old = before.get(row.ecosystem)
        if row.data_date is None:
            complain(f"{row.ecosystem}: of unknown date: counts as stale; --data-date says when the data was taken")
        elif old and row.data_date < old:
            complain(f"{row.ecosystem}: this data is of {row.data_date}; what it replaces was of {old}")
    click.echo(str(folder))
    return 0
