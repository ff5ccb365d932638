"""Snapshots out of OSV records: one document per ecosystem, and the folder that holds them."""

from collections.abc import Iterable, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path

from secdl.advisories.files import MANIFEST, SCHEMA, Advisory, Document, Entry, Manifest, pack
from secdl.advisories.osv import Record, advisory, ecosystems
from secdl.advisories.versions import ECOSYSTEMS
from secdl.model import codec
from secdl.model.errors import MalformedOutput

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
