"""Which programs there are, how the missing ones are had, and what a doctor would say of them.

`resolve` never changes anything. `install` builds Python tools and Go modules in the user's cache and, only when told
to, installs Debian packages.
"""

import os
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from secdl.model.errors import SecdlError
from secdl.model.evidence import Program
from secdl.model.shipped import shipped
from secdl.run.install import debian, foreign, go, python
from secdl.run.install.lock import (
    LOCK_FILE,
    DebianWay,
    Entry,
    GoWay,
    PathWay,
    PythonWay,
    entry_digest,
    load_lock,
    lock_files,
)
from secdl.run.install.step import Build, InstallFailed, Say
from secdl.run.install.store import Failure, Manifest, Seat, fault_in
from secdl.run.process import Cancel
from secdl.run.store import locked

RETRY_AFTER_S = 24 * 3600.0
"""How long a download that failed is not tried again unless it is asked for by name."""


class State(StrEnum):
    """How a tool or requirement stands."""

    THERE = "there"
    MISSING = "missing"
    OLD = "old"
    REFUSED = "refused"


class Unavailable(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that cannot be run: why, and the one line that would mend it."""

    name: str
    reason: str
    remedy: str
    state: State = State.MISSING

    @property
    def refused(self) -> bool:
        """Whether something is there that must not run: altered, denied, not what the lock names."""
        return self.state is State.REFUSED


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that is ready; `fresh` where this call installed it."""

    name: str
    program: Program
    fresh: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the doctor's table. `needed` is false for what is only good to know."""

    name: str
    state: State
    version: str = ""
    origin: str = ""
    detail: str = ""
    remedy: str = ""
    needed: bool = True


class Toolchain:
    """The tools of the lock at `path` (the one that ships with secdl) in one cache folder (the user's)."""

    def __init__(self, path: Path | None = None, *, cache: Path | None = None) -> None:
        path = path or shipped(LOCK_FILE)
        self.lock = load_lock(path)
        self.root = path.parent
        self.cache = cache or cache_folder(os.environ)

    def names(self) -> tuple[str, ...]:
        """Every tool in the lock, in its order."""
        return tuple(entry.name for entry in self.lock.tool)

    def resolve(self, name: str, *, override: Path | None = None, thorough: bool = False) -> Program | Unavailable:
        """The program `name` if it may run; installs nothing. Raises `ConfigError` for a name not in the lock.

        `override` is used instead of whatever the lock names. `thorough` reads every installed file again.
        """
        entry = self.lock.entry(name)
        if override is not None:
            return self._override(entry, override)
        if entry.version and (denied := self.lock.denied(entry.name, entry.version)):
            return Unavailable(name=entry.name, reason=denied, remedy="lock another version", state=State.REFUSED)
        first: Unavailable | None = None
        for way in entry.way:
            match way:
                case PythonWay() | GoWay():
                    found = self._built(entry, way, thorough=thorough)
                case DebianWay():
                    found = self._debian(entry, way)
                case PathWay():
                    found = self._path(entry, way)
            if isinstance(found, Program) or found.refused:
                return found
            first = first or found
        if first is None:
            raise AssertionError(f"{entry.name} has no way")
        return first

    def install(
        self,
        names: Sequence[str],
        *,
        system: bool,
        progress: Say,
        retry: bool = False,
        cancel: Cancel | None = None,
    ) -> tuple[Installed | Unavailable, ...]:
        """Makes `names` ready, one result for each; what is ready already costs only its check.

        `system` allows Debian packages and what lies beyond the package registries. `retry` tries again what failed
        less than a day ago. Safe to call from several threads and processes at once.
        """
        entries = [self.lock.entry(name) for name in names]
        self._install_debian(entries, system=system, progress=progress)
        wish = _Wish(system=system, retry=retry, progress=progress, cancel=cancel)
        return tuple(self._install(entry, wish) for entry in entries)

    def _install(self, entry: Entry, wish: "_Wish") -> Installed | Unavailable:
        found = self.resolve(entry.name)
        if isinstance(found, Program):
            return Installed(name=entry.name, program=found, fresh=False)
        way = next((way for way in entry.way if isinstance(way, PythonWay | GoWay)), None)
        if way is None or self.lock.denied(entry.name, entry.version):
            return found
        beyond = way.beyond_registries if isinstance(way, PythonWay) else ""
        if beyond and not (wish.system or wish.retry):
            reason = f"{entry.name} {entry.version} is not installed; its release lies on {beyond}"
            return Unavailable(name=entry.name, reason=reason, remedy=_again(entry))
        seat = self._seat(entry)
        try:
            with seat.locked():
                return self._build(entry, way, seat, wish)
        except OSError as error:
            return self._unusable(entry, error)

    def _build(self, entry: Entry, way: PythonWay | GoWay, seat: Seat, wish: "_Wish") -> Installed | Unavailable:
        found = self.resolve(entry.name)
        if isinstance(found, Program):
            return Installed(name=entry.name, program=found, fresh=False)
        failure = seat.failure()
        beyond = isinstance(way, PythonWay) and way.beyond_registries
        if failure and beyond and not wish.retry and time.time() - failure.at_s < RETRY_AFTER_S:
            return _failed(entry, failure)
        try:
            with seat.building() as temporary:
                job = Build(entry=entry, folder=temporary, root=self.root, say=wish.progress, cancel=wish.cancel)
                manifest = python.build(way, job) if isinstance(way, PythonWay) else go.build(way, job)
                seat.commit(temporary, manifest)
        except InstallFailed as error:
            failure = Failure(reason=error.reason, remedy=error.remedy, refused=error.refused, at_s=time.time())
            if wish.cancel is None or not wish.cancel.reason:
                seat.fail(failure)
            return _failed(entry, failure)
        found = self.resolve(entry.name)
        return Installed(name=entry.name, program=found, fresh=True) if isinstance(found, Program) else found

    def _install_debian(self, entries: Sequence[Entry], *, system: bool, progress: Say) -> None:
        """Installs the Debian packages that `entries` lack in one go; what fails shows when they are resolved."""
        if not system or not self._lacking(entries):
            return
        try:
            # apt waits for dpkg's lock, but two at once fetching the package lists fail.
            with locked(self.cache / ".apt.lock"):
                if packages := self._lacking(entries):
                    debian.install(packages, say=progress)
        except InstallFailed as error:
            progress(f"{error.reason}; {error.remedy}")
        except OSError as error:
            progress(f"{error.filename or self.cache}: {error.strerror}; set XDG_CACHE_HOME to a folder of your own")

    def _lacking(self, entries: Sequence[Entry]) -> list[str]:
        """Debian packages without which one of `entries` cannot be resolved."""
        return sorted(
            {
                entry.debian.package
                for entry in entries
                if entry.debian is not None and isinstance(self.resolve(entry.name), Unavailable)
            }
        )

    def _seat(self, entry: Entry) -> Seat:
        return Seat(self.cache / entry_digest(entry, lock_files(entry, self.root)) / entry.name)

    def _built(self, entry: Entry, way: PythonWay | GoWay, *, thorough: bool) -> Program | Unavailable:
        seat = self._seat(entry)
        try:
            manifest = seat.manifest()
        except SecdlError as error:
            return Unavailable(name=entry.name, reason=str(error), remedy=_again(entry), state=State.REFUSED)
        except OSError as error:
            return self._unusable(entry, error)
        if manifest is None:
            if failure := seat.failure():
                return _failed(entry, failure)
            reason = f"{entry.name} {entry.version} is not installed"
            return Unavailable(name=entry.name, reason=reason, remedy=_again(entry))
        fault = fault_in(seat.tree, manifest, thorough=thorough) or _wrong_digest(way, manifest)
        if fault:
            reason = f"{entry.name} {manifest.version}: digest mismatch: {fault}"
            return Unavailable(name=entry.name, reason=reason, remedy=_again(entry), state=State.REFUSED)
        if isinstance(way, PythonWay):
            return python.program(way, manifest, seat.tree)
        return go.program(manifest, seat.tree)

    def _unusable(self, entry: Entry, error: OSError) -> Unavailable:
        return Unavailable(
            name=entry.name,
            reason=f"{entry.name} {entry.version}: {error.filename or self.cache}: {error.strerror or error}",
            remedy=f"make room or give access to {self.cache}, or set XDG_CACHE_HOME",
        )

    def _debian(self, entry: Entry, way: DebianWay) -> Program | Unavailable:
        version = debian.installed_version(way.package)
        remedy = f"`secdl tools install {entry.name} --install`, or as root: apt-get install {way.package}"
        if not version:
            reason = f"Debian package {way.package} is not installed"
            return Unavailable(name=entry.name, reason=reason, remedy=remedy)
        if not debian.at_least(version, way.minimum):
            reason = f"{way.package} {version} is older than {way.minimum}"
            return Unavailable(name=entry.name, reason=reason, remedy=remedy, state=State.OLD)
        found = debian.program(way, version)
        if isinstance(found, str):
            remedy = f"as root: apt-get install --reinstall {way.package}"
            return Unavailable(name=entry.name, reason=found, remedy=remedy, state=State.REFUSED)
        return self._allowed(entry, found)

    def _path(self, entry: Entry, way: PathWay) -> Program | Unavailable:
        remedy = f"put {way.command} {way.minimum} or newer on PATH"
        try:
            found = foreign.from_path(way)
        except OSError as error:
            return Unavailable(name=entry.name, reason=f"{way.command}: {error.strerror}", remedy=remedy)
        if found is None:
            return Unavailable(name=entry.name, reason=f"{way.command} is not on PATH", remedy=remedy)
        if not foreign.at_least(found.version, way.minimum):
            reason = f"{found.argv[0]} says version {found.version or 'nothing'}, older than {way.minimum}"
            return Unavailable(name=entry.name, reason=reason, remedy=remedy, state=State.OLD)
        return self._allowed(entry, found)

    def _override(self, entry: Entry, path: Path) -> Program | Unavailable:
        found = foreign.override(path)
        if isinstance(found, str):
            remedy = f"mend [tools.{entry.name}] path in secdl.toml, or remove it to use the locked one"
            return Unavailable(name=entry.name, reason=found, remedy=remedy)
        return self._allowed(entry, found)

    def _allowed(self, entry: Entry, program: Program) -> Program | Unavailable:
        denied = self.lock.denied(entry.name, program.version)
        if not denied:
            return program
        return Unavailable(name=entry.name, reason=denied, remedy="use another version", state=State.REFUSED)


def resolve(name: str, *, override: Path | None = None, thorough: bool = False) -> Program | Unavailable:
    """`Toolchain.resolve` with the lock that ships with secdl and the user's cache."""
    return Toolchain().resolve(name, override=override, thorough=thorough)


def install(
    names: Sequence[str], *, system: bool, progress: Say, retry: bool = False, cancel: Cancel | None = None
) -> tuple[Installed | Unavailable, ...]:
    """`Toolchain.install` with the lock that ships with secdl and the user's cache."""
    return Toolchain().install(names, system=system, progress=progress, retry=retry, cancel=cancel)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where installed tools live: `$XDG_CACHE_HOME/secdl/tools`, by default below `~/.cache`."""
    base = environ.get("XDG_CACHE_HOME", "")
    home = environ.get("HOME") or str(Path.home())
    return (Path(base) if base.startswith("/") else Path(home) / ".cache") / "secdl" / "tools"


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller of `install` allows."""

    system: bool
    retry: bool
    progress: Say
    cancel: Cancel | None


def _failed(entry: Entry, failure: Failure) -> Unavailable:
    state = State.REFUSED if failure.refused else State.MISSING
    return Unavailable(name=entry.name, reason=failure.reason, remedy=failure.remedy, state=state)


def _again(entry: Entry) -> str:
    return f"secdl tools install {entry.name}"


def _wrong_digest(way: PythonWay | GoWay, manifest: Manifest) -> str:
    """What is wrong with the digest that the manifest claims; empty where it is right."""
    if manifest.program not in manifest.files:
        return f"the manifest does not list {manifest.program}"
    if isinstance(way, GoWay):
        digest = f"sha256:{manifest.files[manifest.program].sha256}"
    else:
        digest = python.digest_of(way, manifest.program, manifest.files)
    if digest != manifest.digest:
        return f"the manifest claims {manifest.digest} for {digest}"
    return python.mismatch(way, digest) if isinstance(way, PythonWay) else ""
