"""`secdl db`: the advisory data that packages are judged by."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from secdl.advisories import folder_in_use, import_data, status
from secdl.cli.options import json_option
from secdl.model import codec


@click.group("db")
def command() -> None:
    """Advisories: what is in use, how old it is, and newer data in its place."""


@command.command("status")
@json_option
def status_(as_json: bool) -> int:
    """Show records, data date and age of each ecosystem. Exit status: 0."""
    rows = status(folder_in_use(os.environ), today=datetime.now(UTC).date())
    if as_json:
        click.echo(codec.encode(rows).decode(), nl=False)
        return 0
    for row in rows:
        age = (
            "of unknown date: counts as stale" if row.age_days is None else f"{row.data_date}, {row.age_days} days old"
        )
        click.echo(f"{row.ecosystem:<10} {row.records:>7,} records  {age}  {row.source}  {row.digest[:19]}")
    return 0


@command.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--data-date", type=click.DateTime(["%Y-%m-%d"]), help="When the data was taken; unknown counts as stale."
)
def import_(source: Path, data_date: datetime | None) -> int:
    """Use the OSV archive or folder SOURCE from now on, for the ecosystems that it holds.

    SOURCE is a zip archive of OSV records (all.zip of an ecosystem), a folder of such archives or records, or a folder
    that `python -m secdl.advisories.build` made. Ecosystems that it lacks stay as they are.

    Exit status: 0 in use, 2 where SOURCE is not OSV data (then nothing changes).
    """
    today = datetime.now(UTC).date()
    folder = import_data(source, os.environ, today=today, data_date=data_date.date() if data_date else None)
    click.echo(str(folder))
    return 0
