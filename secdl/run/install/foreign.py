"""Programs that secdl did not install: from PATH, or named by configuration."""

import os
import shutil
from pathlib import Path

from packaging.version import InvalidVersion, Version

from secdl.model.evidence import Origin, Program
from secdl.run.install.lock import PathWay, version_in
from secdl.run.install.step import command
from secdl.run.store import sha256_of

_ASK_S = 10.0


def from_path(way: PathWay) -> Program | None:
    """The program on PATH; None where there is none."""
    found = shutil.which(way.command)
    return _program(Path(found).absolute(), Origin.PATH) if found else None


def override(path: Path) -> Program | str:
    """The executable at `path`, or one line that says why it is none."""
    path = path.absolute()
    if not path.exists():
        return f"{path} does not exist"
    if not path.is_file():
        return f"{path} is not a file"
    if not os.access(path, os.X_OK):
        return f"{path} is not executable"
    try:
        return _program(path, Origin.OVERRIDE)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def at_least(version: str, minimum: str) -> bool:
    """Whether `version` is not before `minimum`; a version that cannot be told is not."""
    try:
        return Version(version) >= Version(minimum)
    except InvalidVersion:
        return False


def _program(path: Path, origin: Origin) -> Program:
    return Program(argv=(str(path),), version=_version(path), digest=f"sha256:{sha256_of(path)}", origin=origin)


def _version(path: Path) -> str:
    """What `--version` says; empty where it does not say."""
    output = command([str(path), "--version"], timeout_s=_ASK_S)
    if output.status != 0:
        return ""
    said = version_in(output.stdout or output.stderr)
    return said if len(said) <= 60 and "\n" not in said and said.isprintable() else ""
