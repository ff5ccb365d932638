"""Makes an advisory snapshot out of OSV archives.

`python -m secdl.advisories.build OSV_DIR --out FOLDER --data-date PyPI=2026-07-23 …` made the one that ships with
secdl. The same archives and dates give the same bytes.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from secdl.advisories.archive import records
from secdl.advisories.bundle import documents, write
from secdl.advisories.versions import ECOSYSTEMS
from secdl.model.errors import ConfigError, SecdlError


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m secdl.advisories.build", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="OSV_DIR", help="folder of OSV archives")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--only", action="append", choices=ECOSYSTEMS, help="this ecosystem; may be repeated")
    parser.add_argument("--data-date", action="append", default=[], metavar="ECOSYSTEM=DATE", help="day it was taken")
    options = parser.parse_args(argv)
    try:
        dates = dict(_date(text) for text in options.data_date)
        made = documents(records(options.source), where=str(options.source))
        made = {name: document for name, document in made.items() if name in (options.only or ECOSYSTEMS)}
        options.out.mkdir(parents=True, exist_ok=True)
        manifest = write(options.out, made, dates, imported=False)
    except SecdlError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    for name, entry in manifest.ecosystems.items():
        size = (options.out / entry.file).stat().st_size
        sys.stdout.write(
            f"{name}: {entry.records} records, {size} bytes, data of {entry.data_date or 'unknown date'}\n"
        )
    return 0


def _date(text: str) -> tuple[str, date]:
    ecosystem, _, day = text.partition("=")
    try:
        return ecosystem, date.fromisoformat(day)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not ECOSYSTEM=YYYY-MM-DD", where="--data-date") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
