"""`secdl doctor`: what is there, what is missing, what to do."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from secdl.advisories import folder_in_use, status
from secdl.cli.options import config_option, configured, json_option
from secdl.cli.table import print_rows
from secdl.model import codec, words
from secdl.pipeline.plan import tool_tables, tools_of
from secdl.run.doctor import doctor
from secdl.run.toolchain import Row, State

_OLD_DAYS = 30
"""Age of advisories from which newer ones are worth a download: what the shipped profiles ask of a release."""


@click.command("doctor")
@config_option
@json_option
def command(config: Path, as_json: bool) -> int:
    """Show what is there, what is missing, and what to do.

    Changes nothing. Exit status: 0 where everything needed is there, else 3.
    """
    overrides: dict[str, Path] = {}
    if (loaded := configured(config)) is not None:
        tables = tool_tables(loaded, tools_of(loaded, where=str(config)), where=str(config))
        overrides = {name: config.resolve().parent / t.path for name, t in tables.items() if t.path}
    rows = (*doctor(overrides=overrides), *_advisories())
    if as_json:
        click.echo(codec.encode(rows).decode(), nl=False)
    else:
        print_rows(rows)
    return 3 if any(row.needed and row.state is not State.THERE for row in rows) else 0


def _advisories() -> tuple[Row, ...]:
    today = datetime.now(UTC).date()
    return tuple(
        Row(
            name=f"advisories {one.ecosystem}",
            state=State.THERE if one.age_days is not None and one.age_days <= _OLD_DAYS else State.OLD,
            version=str(one.data_date or "unknown date"),
            origin=one.source,
            detail=f"{one.records:,} records"
            + ("" if one.age_days is None else f", {words.some(one.age_days, 'day')} old"),
            remedy="secdl db import ARCHIVE takes newer data",
            needed=False,
        )
        for one in status(folder_in_use(os.environ), today=today)
    )
