"""A Go module built here: go.sum vouches for every module, and the binary must name the one in the lock."""

import shutil
from pathlib import Path

from secdl.model.evidence import Origin, Program
from secdl.run.install.lock import Entry, GoWay
from secdl.run.install.step import Build, InstallFailed, command, installer_environment
from secdl.run.install.store import Manifest, files_of

_TIMEOUT_S = 1200.0
_USUAL_PLACE = "/usr/local/go/bin"


def find_go() -> str | None:
    """Absolute path of the go command, None where there is none."""
    return shutil.which("go") or shutil.which("go", path=_USUAL_PLACE)


def build(way: GoWay, job: Build) -> Manifest:
    """Builds the entry and gives its manifest. Raises `InstallFailed`."""
    entry = job.entry
    go = find_go()
    if go is None:
        raise InstallFailed(f"{entry.name}: the go command is not there", remedy="install Go, then run again")
    job.say(f"{entry.name} {entry.version}: building {way.module}")
    source = job.folder / "source"
    source.mkdir()
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(job.root / way.folder / name, source / name)
    binary = job.tree / entry.name
    flags = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
    _go(job, [go, "build", *flags, "-o", str(binary), way.package], source)
    check_provenance(entry, way, _go(job, [go, "version", "-m", str(binary)], source))
    # The module and build caches are many times the size of what they made.
    shutil.rmtree(source)
    files = files_of(job.tree)
    return Manifest(
        name=entry.name,
        version=entry.version,
        origin=Origin.GO,
        program=entry.name,
        digest=f"sha256:{files[entry.name].sha256}",
        files=files,
    )


def program(manifest: Manifest, tree: Path) -> Program:
    """How a built binary is started."""
    argv = (str(tree / manifest.program),)
    return Program(argv=argv, version=manifest.version, digest=manifest.digest, origin=manifest.origin)


def _go(job: Build, argv: list[str], source: Path) -> str:
    env = {
        **installer_environment(),
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOTOOLCHAIN": "local",
        "GOSUMDB": "off",  # go.sum is complete and ships with secdl; -mod=readonly refuses what it does not list.
        "GOPATH": str(source / "path"),
        "GOMODCACHE": str(source / "modules"),
        "GOCACHE": str(source / "cache"),
        "GOENV": "off",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    output = command(argv, cwd=source, env=env, timeout_s=_TIMEOUT_S, cancel=job.cancel)
    if output.status != 0 or output.fault:
        raise InstallFailed(
            f"{job.entry.name}: go {argv[1]}: {output.complaint}",
            remedy=f"mend what it says, then `secdl tools install {job.entry.name}`",
            refused="checksum mismatch" in output.stderr or "SECURITY ERROR" in output.stderr,
        )
    return output.stdout


def check_provenance(entry: Entry, way: GoWay, printed: str) -> None:
    """Raises `InstallFailed` unless `go version -m` (`printed`) names the module, version and hash of the lock."""
    wanted = [way.module, f"v{entry.version}", way.sum]
    rows = [line.split() for line in printed.splitlines()]
    if not any(row[:1] in (["mod"], ["dep"]) and row[1:] == wanted for row in rows):
        raise InstallFailed(
            f"{entry.name}: the binary does not name {' '.join(wanted)}",
            remedy="make tools.lock.toml and its go.sum agree",
            refused=True,
        )
