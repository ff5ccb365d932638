"""How much a guest could reach: the device types that a QEMU binary has, asked over QMP on an empty machine."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

import msgspec

from secdl.fuzz.devices import DeviceModel, load_models
from secdl.model import codec
from secdl.model.errors import MalformedOutput, ToolFailed
from secdl.model.text import one_line

TIMEOUT_S = 30.0
_BUSES = {"pci": "pci-device", "usb": "usb-device", "isa": "isa-device", "scsi": "scsi-device"}
_NO_MACHINE = ("-M", "none", "-nodefaults", "-no-user-config", "-S", "-display", "none")


class DeviceType(msgspec.Struct, frozen=True, kw_only=True):
    """A device that can be plugged. `reach` is its bus; `modelled` says whether secdl has data for it."""

    name: str
    reach: str
    modelled: bool = False
    about: str = ""


class Binary(msgspec.Struct, frozen=True, kw_only=True):
    """The program that is fuzzed. `build_id` is empty where it carries none."""

    path: str
    sha256: str
    version: str
    build_id: str = ""


def list_devices(binary: Path, *, models: Mapping[str, DeviceModel] | None = None) -> tuple[DeviceType, ...]:
    """Every device type of `binary` on a bus a guest reaches, by bus and name. Raises `ToolFailed`."""
    known = load_models() if models is None else models
    commands = [("qom-list-types", {"implements": implements, "abstract": False}) for implements in _BUSES.values()]
    found: dict[str, DeviceType] = {}
    for bus, types in zip(_BUSES, ask(binary, commands), strict=True):
        for entry in _convert(types, binary):
            model = known.get(entry.name)
            about = model.about if model else ""
            device = DeviceType(name=entry.name, reach=bus, modelled=model is not None, about=about)
            found.setdefault(entry.name, device)
    order = list(_BUSES)
    return tuple(sorted(found.values(), key=lambda device: (order.index(device.reach), device.name)))


def identify(binary: Path) -> Binary:
    """Path, digest, version and build id of `binary`. Raises `ToolFailed` where it is no QEMU that answers."""
    try:
        with binary.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ToolFailed(error.strerror or "unreadable", where=str(binary)) from error
    (reply,) = ask(binary, [("query-version", {})])
    version = _version(reply, binary)
    return Binary(path=str(binary), sha256=digest, version=version, build_id=_build_id(binary))


def ask(binary: Path, commands: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """What an empty machine returns to QMP `commands`. Raises `ToolFailed`."""
    requests = [("qmp_capabilities", {}), *commands, ("quit", {})]
    text = "".join(json.dumps({"execute": name, "arguments": arguments}) + "\n" for name, arguments in requests)
    try:
        done = subprocess.run(
            [str(binary), *_NO_MACHINE, "-qmp", "stdio"],
            input=text.encode(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
    except OSError as error:
        raise ToolFailed(f"cannot start: {error.strerror or error}", where=str(binary)) from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"no answer over QMP in {TIMEOUT_S:g} s", where=str(binary)) from error
    returns = list(_returns(done.stdout, binary))
    if len(returns) < len(requests) - 1:
        last = one_line(done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2], limit=200)
        raise ToolFailed(
            f"exit status {done.returncode} before it answered over QMP" + (f": {last}" if last else ""),
            where=str(binary),
            hint="is this a qemu-system binary?",
        )
    return returns[1 : 1 + len(commands)]


class _Entry(msgspec.Struct, frozen=True):
    name: str


class _Numbers(msgspec.Struct, frozen=True):
    major: int
    minor: int
    micro: int


class _Version(msgspec.Struct, frozen=True):
    qemu: _Numbers
    package: str = ""


def _returns(stdout: bytes, binary: Path) -> Iterator[Any]:
    for line in stdout.splitlines():
        if not line.startswith(b"{"):
            continue
        message = codec.decode(line, dict[str, Any], where=f"{binary}: QMP")
        if "error" in message:
            raise ToolFailed(f"QMP error: {one_line(str(message['error']), limit=200)}", where=str(binary))
        if "return" in message:
            yield message["return"]


def _convert(types: Any, binary: Path) -> list[_Entry]:
    try:
        return msgspec.convert(types, list[_Entry])
    except msgspec.ValidationError as error:
        raise MalformedOutput(f"qom-list-types: {error}", where=str(binary)) from error


def _version(reply: Any, binary: Path) -> str:
    try:
        version = msgspec.convert(reply, _Version)
    except msgspec.ValidationError as error:
        raise MalformedOutput(f"query-version: {error}", where=str(binary)) from error
    numbers = f"{version.qemu.major}.{version.qemu.minor}.{version.qemu.micro}"
    return one_line(f"QEMU {numbers} {version.package}".strip(), limit=120)


def _build_id(binary: Path) -> str:
    """The GNU build id in an ELF note; empty where there is none. Source: elf(5), "Notes"."""
    raw = binary.read_bytes()
    mark = raw.find(b"\x03\x00\x00\x00GNU\x00")
    if not raw.startswith(b"\x7fELF") or mark < 8:
        return ""
    size = int.from_bytes(raw[mark - 4 : mark], "little")
    return raw[mark + 8 : mark + 8 + size].hex() if 8 <= size <= 64 else ""
