"""Makes an advisory snapshot out of OSV archives.

`python -m secdl.advisories.build OSV_DIR --out FOLDER --data-date PyPI=2026-07-23 …` made the one that ships with
secdl. The same archives and dates give the same bytes.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path

from secdl.advisories.archive import records
from secdl.advisories.osv import Record, advisory, ecosystems
from secdl.advisories.snapshot import MANIFEST, SCHEMA, Advisory, Document, Entry, Manifest, pack
from secdl.advisories.versions import ECOSYSTEMS
from secdl.model import codec
from secdl.model.errors import ConfigError, MalformedOutput, SecdlError

ATTRIBUTION = {
    "PyPI": "Python Packaging Advisory Database, CC-BY-4.0; shortened to ids, summary, severity and versions",
    "Go": "Go Vulnerability Database, The Go Authors, CC-BY-4.0; shortened to ids, summary, severity and versions",
    "crates.io": "RustSec Advisory Database, CC0-1.0, records from GitHub advisories CC-BY-4.0; shortened",
    "Debian": "fixed CVEs by Debian source package and release; as the archive it was made from",
}


def documents(found: Iterable[Record], *, where: str) -> dict[str, Document]:
    """One document for each ecosystem that `found` speaks of and secdl can compare versions of.

    Raises `MalformedOutput` where two records have one id and differ, or no ecosystem is left.
    """
    kept: dict[str, dict[str, Advisory]] = {}
    for record in found:
        for ecosystem in sorted(ecosystems(record) & set(ECOSYSTEMS)):
            one = advisory(record, ecosystem)
            if kept.setdefault(ecosystem, {}).setdefault(one.id, one) != one:
                raise MalformedOutput(f"two different records with the id {one.id}", where=where)
    if not kept:
        known = ", ".join(ECOSYSTEMS)
        raise MalformedOutput(
            "no record speaks of an ecosystem that secdl compares", where=where, hint=f"known: {known}"
        )
    return {
        ecosystem: Document(schema=SCHEMA, ecosystem=ecosystem, advisories=tuple(by_id[id_] for id_ in sorted(by_id)))
        for ecosystem, by_id in sorted(kept.items())
    }


def write(folder: Path, made: Mapping[str, Document], dates: Mapping[str, date], *, imported: bool) -> Manifest:
    """Writes `made` and its manifest into the empty `folder`; an ecosystem without date has data of unknown age."""
    entries = {}
    for ecosystem, document in made.items():
        packed = pack(document)
        file = f"{ecosystem}.json.xz"
        (folder / file).write_bytes(packed)
        entries[ecosystem] = Entry(
            file=file,
            digest=f"sha256:{sha256(packed).hexdigest()}",
            records=len(document.advisories),
            data_date=dates.get(ecosystem),
            imported=imported,
            attribution=ATTRIBUTION[ecosystem],
        )
    manifest = Manifest(schema=SCHEMA, ecosystems=entries)
    (folder / MANIFEST).write_bytes(codec.encode(manifest))
    return manifest


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
