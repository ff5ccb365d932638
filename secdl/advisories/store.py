"""Which advisory data is in use: what was imported, else what came with secdl."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import msgspec

from secdl.advisories.archive import records
from secdl.advisories.bundle import documents, write
from secdl.advisories.files import MANIFEST, Entry, Manifest
from secdl.advisories.snapshot import load
from secdl.model import codec
from secdl.model.errors import ConfigError, MalformedOutput

_CURRENT = "current"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One ecosystem of the data in use. `age_days` is None where `data_date` is unknown: then it counts as stale."""

    ecosystem: str
    records: int
    data_date: date | None
    age_days: int | None
    source: str
    digest: str
    attribution: str


def shipped_folder() -> Path:
    """The data that came with this secdl."""
    return Path(__file__).resolve().parent / "data"


def import_folder(env: Mapping[str, str]) -> Path:
    """Where imported data is kept: `$XDG_DATA_HOME/secdl/advisories`."""
    given = env.get("XDG_DATA_HOME", "")
    home = Path(given) if given.startswith("/") else Path(env.get("HOME") or Path.home()) / ".local" / "share"
    return home / "secdl" / "advisories"


def folder_in_use(env: Mapping[str, str]) -> Path:
    """Absolute path of the data to judge by.

    Raises `MalformedOutput` where imported data is damaged: the shipped data must not stand in for it unsaid.
    """
    current = import_folder(env) / _CURRENT
    folder = current.resolve() if current.is_symlink() else shipped_folder()
    load(folder).verify()
    return folder


def status(folder: Path, *, today: date) -> tuple[Status, ...]:
    """What `folder` holds, one entry per ecosystem, each read through once. Raises `MalformedOutput` where damaged."""
    snapshot = load(folder)
    for ecosystem in snapshot.manifest.ecosystems:
        snapshot.covers(ecosystem)
    return tuple(_status(name, entry, today) for name, entry in sorted(snapshot.manifest.ecosystems.items()))


def data_dates(folder: Path, ecosystems: Iterable[str]) -> dict[str, date | None]:
    """The data date of each of `ecosystems`; None where it is unknown or there is no data."""
    known = load(folder).data_dates()
    return {ecosystem: known.get(ecosystem) for ecosystem in ecosystems}


def import_data(source: Path, env: Mapping[str, str], *, today: date, data_date: date | None = None) -> Path:
    """Takes in `source` and gives the folder now in use.

    `source` is an OSV archive, a folder of such or of OSV records, or a snapshot as `secdl.advisories.build` writes it.
    The ecosystems in it replace those in use, the others stay. `data_date` is the day the data was taken; a snapshot
    brings its own. Raises `SecdlError` and changes nothing where `source` is not wholly good.
    """
    if data_date is not None and data_date > today:
        hint = "give the day the data was taken"
        raise ConfigError(f"{data_date} lies in the future", where="--data-date", hint=hint)
    base = import_folder(env)
    with _lock(base), tempfile.TemporaryDirectory(prefix=".new-", dir=base) as temporary:
        new = Path(temporary)
        fresh = _take(source, new, today=today, data_date=data_date)
        entries = {**_carry(_whole(env), new, fresh), **fresh}
        raw = codec.encode(Manifest(schema=1, ecosystems=dict(sorted(entries.items()))))
        (new / MANIFEST).write_bytes(raw)
        _sync(new)
        digest = load(new).digest.removeprefix("sha256:")
        status(new, today=today)
        return _switch(base, new, digest[:16])


def _whole(env: Mapping[str, str]) -> Path:
    """The folder in use, or the shipped one where that is damaged: an import must be able to mend it."""
    current = import_folder(env) / _CURRENT
    return current.resolve() if _good(current) else shipped_folder()


def _take(source: Path, new: Path, *, today: date, data_date: date | None) -> dict[str, Entry]:
    """Writes the ecosystems of `source` into `new`; gives their entries."""
    if not (source / MANIFEST).is_file():
        made = documents(records(source), where=str(source))
        dates = dict.fromkeys(made, data_date) if data_date else {}
        return write(new, made, dates, imported=True).ecosystems
    given = load(source)
    status(source, today=today)
    entries = {}
    for name, entry in given.manifest.ecosystems.items():
        day = data_date or entry.data_date
        if day is not None and day > today:
            raise MalformedOutput(f"{name}: data date {day} lies in the future", where=str(source / MANIFEST))
        shutil.copyfile(source / entry.file, new / entry.file)
        entries[name] = msgspec.structs.replace(entry, imported=True, data_date=day)
    return entries


def _carry(old: Path, new: Path, fresh: Mapping[str, Entry]) -> dict[str, Entry]:
    """Copies the ecosystems of `old` that `fresh` lacks into `new`; gives their entries."""
    kept = {name: entry for name, entry in load(old).manifest.ecosystems.items() if name not in fresh}
    for entry in kept.values():
        shutil.copyfile(old / entry.file, new / entry.file)
    return kept


def _switch(base: Path, new: Path, name: str) -> Path:
    """Makes `new` the data in use under `name`, at once; what is in use until then stays for runs that read it."""
    current = base / _CURRENT
    target = base / name
    before = current.resolve() if current.is_symlink() else None
    if not _good(target):
        shutil.rmtree(target, ignore_errors=True)
        Path(shutil.copytree(new, base / f".{name}.{os.getpid()}")).rename(target)
    link = base / f".{_CURRENT}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(current)
    for folder in base.iterdir():
        if folder.is_dir() and not folder.is_symlink() and folder not in (target, before, new):
            shutil.rmtree(folder, ignore_errors=True)
    return target


def _good(folder: Path) -> bool:
    try:
        load(folder).verify()
    except MalformedOutput:
        return False
    return True


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


@contextmanager
def _lock(base: Path) -> Iterator[None]:
    """One import at a time; the system lets go of the lock however the process ends."""
    try:
        base.mkdir(parents=True, exist_ok=True)
        stream = (base / ".lock").open("w")
    except OSError as error:
        hint = "set XDG_DATA_HOME to a folder that can be written"
        raise ConfigError(error.strerror or "cannot be written", where=str(base), hint=hint) from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _status(name: str, entry: Entry, today: date) -> Status:
    age = None if entry.data_date is None else (today - entry.data_date).days
    return Status(
        ecosystem=name,
        records=entry.records,
        data_date=entry.data_date,
        age_days=age,
        source="imported" if entry.imported else "shipped",
        digest=entry.digest,
        attribution=entry.attribution,
    )
