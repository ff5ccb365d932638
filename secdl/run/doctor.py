"""What is there, what is missing, what to do: one row for each requirement and each tool of the lock."""

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from secdl.model.evidence import Origin
from secdl.run.install.go import find_go
from secdl.run.install.python import find_uv
from secdl.run.toolchain import Row, State, Toolchain, Unavailable

_OLDEST_PYTHON = (3, 11)
_NEEDED_BYTES = 3 << 30
_USERNS_SWITCHES = ("kernel/unprivileged_userns_clone", "user/max_user_namespaces")
_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"


def doctor(
    toolchain: Toolchain | None = None, *, overrides: Mapping[str, Path] | None = None, thorough: bool = False
) -> tuple[Row, ...]:
    """Rows of the doctor's table: requirements first, then every tool in the lock's order.

    `overrides` are `[tools.NAME] path` of the configuration. Changes nothing.
    """
    toolchain = toolchain or Toolchain()
    return (*requirements(toolchain.cache), *tools(toolchain, overrides=overrides or {}, thorough=thorough))


def tools(toolchain: Toolchain, *, overrides: Mapping[str, Path], thorough: bool) -> tuple[Row, ...]:
    """One row for each tool."""
    return tuple(_tool(toolchain, name, overrides.get(name), thorough) for name in toolchain.names())


def requirements(cache: Path, *, proc: Path = Path("/proc/sys"), kvm: Path = Path("/dev/kvm")) -> tuple[Row, ...]:
    """One row for each thing that secdl needs of the machine."""
    return (
        _python(),
        _platform(),
        _disk(cache),
        _uv(),
        _go(),
        user_namespaces(proc, root=os.geteuid() == 0),
        _kvm(kvm),
    )


def user_namespaces(proc: Path, *, root: bool) -> Row:
    """Whether an image can be built here: as root, or in a user namespace. `proc` is /proc/sys."""
    name = "root or user namespaces"
    if root:
        return Row(name=name, state=State.THERE, detail="running as root")
    closed = [switch for switch in _USERNS_SWITCHES if _read(proc / switch) == "0"]
    if _read(proc / _APPARMOR) == "1":
        closed.append(_APPARMOR)
    if not closed:
        return Row(name=name, state=State.THERE, detail="user namespaces are open to this user")
    settings = " ".join(f"{switch.replace('/', '.')}={_open_value(switch)}" for switch in closed)
    return Row(
        name=name,
        state=State.MISSING,
        detail="user namespaces are closed: images cannot be built and models cannot be read",
        remedy=f"as root: sysctl -w {settings}",
    )


def _tool(toolchain: Toolchain, name: str, override: Path | None, thorough: bool) -> Row:
    found = toolchain.resolve(name, override=override, thorough=thorough)
    if isinstance(found, Unavailable):
        needed = not toolchain.lock.entry(name).optional
        return Row(name=found.name, state=found.state, detail=found.reason, remedy=found.remedy, needed=needed)
    noted = {
        Origin.OVERRIDE: "named by secdl.toml; the release profile refuses it",
        Origin.PATH: "from PATH; the release profile refuses it",
    }
    return Row(
        name=name,
        state=State.THERE,
        version=found.version,
        origin=found.origin.value,
        detail=noted.get(found.origin, ""),
    )


def _python() -> Row:
    version = platform.python_version()
    if sys.version_info >= _OLDEST_PYTHON and platform.python_implementation() == "CPython":
        return Row(name="python", state=State.THERE, version=version, detail=sys.executable)
    return Row(
        name="python",
        state=State.OLD,
        version=f"{platform.python_implementation()} {version}",
        detail="secdl runs on CPython 3.11 or newer",
        remedy="install CPython 3.11 or newer and run secdl with it",
    )


def _platform() -> Row:
    found = f"{platform.system()} {platform.machine()}"
    if found == "Linux x86_64":
        return Row(name="platform", state=State.THERE, detail=found)
    return Row(
        name="platform",
        state=State.MISSING,
        detail=f"{found}: secdl runs on Linux x86_64",
        remedy="run it on a Linux x86_64 machine or container",
    )


def _disk(cache: Path) -> Row:
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free >= _NEEDED_BYTES:
        return Row(name="disk", state=State.THERE, detail=said)
    return Row(
        name="disk",
        state=State.MISSING,
        detail=f"{said}; tools and images want {_NEEDED_BYTES >> 30} GiB",
        remedy="make room, or set XDG_CACHE_HOME to a larger disk",
    )


def _uv() -> Row:
    found = find_uv()
    if found:
        return Row(name="uv", state=State.THERE, detail=found)
    return Row(
        name="uv",
        state=State.MISSING,
        detail="Python tools are installed by it",
        remedy="python3 -m pip install uv",
    )


def _go() -> Row:
    found = find_go()
    if found:
        return Row(name="go", state=State.THERE, detail=found, needed=False)
    return Row(
        name="go",
        state=State.MISSING,
        detail="only tools built from Go modules need it",
        remedy="install Go",
        needed=False,
    )


def _kvm(device: Path) -> Row:
    if os.access(device, os.R_OK | os.W_OK):
        return Row(name=str(device), state=State.THERE, needed=False)
    return Row(
        name=str(device),
        state=State.MISSING,
        detail="no check needs it today: QEMU is fuzzed under software emulation",
        needed=False,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _open_value(switch: str) -> int:
    return {_APPARMOR: 0, _USERNS_SWITCHES[0]: 1}.get(switch, 10000)
