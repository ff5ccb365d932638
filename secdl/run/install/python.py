"""A Python tool in an environment of its own, from a hash lock, by uv."""

import os
import shutil
import sys
import urllib.request
from pathlib import Path

from secdl.model.evidence import Origin, Program
from secdl.run.install.lock import Entry, PythonWay, interpreter_tag
from secdl.run.install.step import Build, InstallFailed, command, installer_environment
from secdl.run.install.store import File, Manifest, files_of, identity

_TIMEOUT_S = 900.0
_PROBE_S = 3.0
_HASH_MISMATCH = "Hash mismatch"
_SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/"


def find_uv() -> str | None:
    """Absolute path of uv: the one installed with secdl, else the one on PATH; None where there is none."""
    # Not uv.find_uv_bin(): it reads sysconfig, whose first use by two threads at once fails (CPython 3.11).
    for folder in (Path(sys.executable).parent, Path(sys.prefix, "bin"), Path.home() / ".local" / "bin"):
        if os.access(folder / "uv", os.X_OK):
            return str(folder / "uv")
    return shutil.which("uv")


def build(way: PythonWay, job: Build) -> Manifest:
    """Installs the entry and gives its manifest. Raises `InstallFailed`."""
    entry = job.entry
    uv = find_uv()
    if uv is None:
        raise InstallFailed(f"{entry.name}: uv is not there", remedy="python3 -m pip install uv")
    if way.beyond_registries:
        _probe(entry, way.beyond_registries)
    job.say(f"{entry.name} {entry.version}: installing from {way.lock}")
    _uv(job, [uv, "venv", "--relocatable", "--no-project", "--python", _interpreter(), str(job.tree)])
    _uv(job, [uv, *_install_arguments(way, job)])
    return _manifest(way, job)


def program(way: PythonWay, manifest: Manifest, tree: Path) -> Program:
    """How an installed tool is started. Scripts run isolated: the checkout and the user's site are not on sys.path."""
    target = str(tree / manifest.program)
    argv = (str(tree / "bin/python"), "-IB", target) if way.launch == "script" else (target,)
    return Program(argv=argv, version=manifest.version, digest=manifest.digest, origin=manifest.origin)


def digest_of(way: PythonWay, program: str, files: dict[str, File]) -> str:
    """Identity of an installed tool: of its one binary, or of all that its packages brought."""
    return f"sha256:{files[program].sha256}" if way.launch == "binary" else identity(files, below=_SITE)


def mismatch(way: PythonWay, digest: str) -> str:
    """How `digest` differs from the one the lock pins for this interpreter; empty where it does not."""
    pinned = way.digests.get(interpreter_tag(), digest)
    return f"{digest} is installed, tools.lock.toml pins {pinned}" if pinned != digest else ""


def _interpreter() -> str:
    # The base interpreter: an environment made from another environment would die with it.
    return getattr(sys, "_base_executable", "") or sys.executable


def _install_arguments(way: PythonWay, job: Build) -> list[str]:
    arguments = ["pip", "install", "--python", str(job.tree / "bin/python"), "--require-hashes", "--no-deps"]
    # Copies: a hard link into uv's cache would change with the cache, and with every other environment.
    arguments += ["--link-mode", "copy", "--compile-bytecode", "--requirement", str(job.root / way.lock)]
    # The same wheels, so the same digest, on every machine; semgrep has none for an older glibc.
    arguments += ["--python-platform", "x86_64-manylinux_2_34"]
    if way.build_lock is None:
        return [*arguments, "--only-binary", ":all:"]
    return [*arguments, "--build-constraints", str(job.root / way.build_lock)]


def _uv(job: Build, argv: list[str]) -> None:
    env = {**installer_environment(), "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    output = command(argv, cwd=job.folder, env=env, timeout_s=_TIMEOUT_S, cancel=job.cancel)
    if output.status != 0 or output.fault:
        raise InstallFailed(
            f"{job.entry.name}: uv {argv[1]}: {output.complaint}",
            remedy=f"check the way to the package index, then `secdl tools install {job.entry.name}`",
            refused=_HASH_MISMATCH in output.stderr,
        )


def _manifest(way: PythonWay, job: Build) -> Manifest:
    entry = job.entry
    name = _SITE + way.program.removeprefix("site-packages/") if "site-packages/" in way.program else way.program
    files = files_of(job.tree)
    if name not in files:
        raise InstallFailed(
            f"{entry.name}: {way.lock} brings no {name}", remedy="mend `program` in tools.lock.toml", refused=True
        )
    digest = digest_of(way, name, files)
    if wrong := mismatch(way, digest):
        raise InstallFailed(
            f"{entry.name} {entry.version}: {wrong}",
            remedy="do not use it; find out which of the two is wrong",
            refused=True,
        )
    return Manifest(
        name=entry.name, version=entry.version, origin=Origin.PYPI, program=name, digest=digest, files=files
    )


def _probe(entry: Entry, host: str) -> None:
    """Raises `InstallFailed` at once where `host` cannot be reached: its download would only run into a deadline."""
    opener = urllib.request.OpenerDirector()
    # Proxies and https alone; the default opener would read file: and ftp: too.
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPSHandler())
    try:
        with opener.open(f"https://{host}/", timeout=_PROBE_S):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InstallFailed(
            f"{entry.name} {entry.version}: its release lies on {host}, which cannot be reached ({reason})",
            remedy=f"where {host} can be reached: `secdl tools install {entry.name}`; "
            f"or put its path into secdl.toml: [tools.{entry.name}] path",
        ) from error
