"""Programs from Debian packages: looked up in dpkg's own records, installed by apt-get when that is allowed."""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from secdl.model.evidence import Origin, Program
from secdl.run.install.lock import DebianWay
from secdl.run.install.step import InstallFailed, Output, Say, command, installer_environment
from secdl.run.store import sha256_of

_INFO = Path("/var/lib/dpkg/info")
_LISTS = Path("/var/lib/apt/lists")
_APT_TIMEOUT_S = 1800.0
_LOCK_TIMEOUT_S = 600
_STALE_LISTS = re.compile(r"Unable to locate package|has no installation candidate|404 +Not Found|Unable to fetch")
_INTERRUPTED = "dpkg was interrupted"


def installed_version(package: str) -> str:
    """Version of the installed `package`; empty where it is not installed, or this is no Debian."""
    query = shutil.which("dpkg-query")
    if query is None:
        return ""
    output = command([query, "-W", "-f", "${db:Status-Status} ${Version}", package])
    status, _, version = output.stdout.partition(" ")
    return version if output.status == 0 and status == "installed" else ""


def at_least(version: str, minimum: str) -> bool:
    """Whether Debian orders `version` not before `minimum`."""
    dpkg = shutil.which("dpkg")
    return dpkg is not None and command([dpkg, "--compare-versions", version, "ge", minimum]).status == 0


def program(way: DebianWay, version: str) -> Program | str:
    """The program of the installed package, or one line that says why it must not run."""
    path = Path(way.program)
    if not (path.is_file() and os.access(path, os.X_OK)):
        return f"{way.package} {version} is installed, but {way.program} is not an executable file"
    real = path.resolve()
    if _altered(way.package, real):
        return f"{real} is not as package {way.package} {version} left it"
    return Program(argv=(way.program,), version=version, digest=f"sha256:{sha256_of(real)}", origin=Origin.DEBIAN)


def install(packages: Sequence[str], *, say: Say) -> None:
    """Installs Debian `packages` by apt-get as root or by sudo. Raises `InstallFailed`.

    It is not cancelled: a package manager killed half-way leaves a system to be mended by hand.
    """
    remedy = f"as root: apt-get update && apt-get install {' '.join(packages)}"
    prefix = _privileged()
    if prefix is None:
        raise InstallFailed(f"{', '.join(packages)}: neither root nor sudo without a password", remedy=remedy)
    say(f"installing Debian packages: {' '.join(packages)}")
    if not any(_LISTS.glob("*_Packages*")):
        _apt(prefix, ["update"])
    arguments = ["install", "--yes", "--no-install-recommends", *packages]
    output = _apt(prefix, arguments)
    if _INTERRUPTED in output.stderr:
        say("finishing an interrupted installation: dpkg --configure -a")
        command([*prefix, "dpkg", "--configure", "-a"], env=_environment(), timeout_s=_APT_TIMEOUT_S)
        output = _apt(prefix, arguments)
    if output.status != 0 and _STALE_LISTS.search(output.stderr):
        say("the package lists are out of date: apt-get update")
        _apt(prefix, ["update"])
        output = _apt(prefix, arguments)
    if output.status != 0 or output.fault:
        raise InstallFailed(f"apt-get install {' '.join(packages)}: {output.complaint}", remedy=remedy)


def _privileged() -> list[str] | None:
    """What goes before a command that needs root; None where there is no way to be root."""
    env = shutil.which("env")
    if env is None or shutil.which("apt-get") is None:
        return None
    assignments = [f"{name}={value}" for name, value in _environment().items()]
    if os.geteuid() == 0:
        return [env, *assignments]
    sudo = shutil.which("sudo")
    if sudo is None or command([sudo, "-n", "true"]).status != 0:
        return None
    return [sudo, "-n", env, *assignments]


def _environment() -> dict[str, str]:
    proxies = {name: value for name, value in installer_environment().items() if name.lower().endswith("_proxy")}
    return {**proxies, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def _apt(prefix: list[str], arguments: list[str]) -> Output:
    # apt waits for dpkg's lock by this option; a second secdl waits for it too.
    options = ["-o", f"DPkg::Lock::Timeout={_LOCK_TIMEOUT_S}", "-o", "Acquire::Retries=2", "-q"]
    return command([*prefix, "apt-get", *options, *arguments], timeout_s=_APT_TIMEOUT_S)


def _altered(package: str, path: Path) -> bool:
    """Whether dpkg recorded another checksum for `path`; False where it recorded none."""
    for name in (f"{package}.md5sums", f"{package}:amd64.md5sums"):
        try:
            rows = (_INFO / name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for row in rows:
            recorded, _, file = row.partition("  ")
            if f"/{file}" == str(path):
                # dpkg records MD5; it tells a replaced file, the sha256 goes into the evidence.
                with path.open("rb") as content:
                    found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
                return found.hexdigest() != recorded
    return False
