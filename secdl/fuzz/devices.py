"""Device data: which arguments start a device, and what secdl knows of its registers and descriptors.

Shipped as `policies/devices/*.toml`. A device without data starts as plain `-device NAME`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from secdl.model.errors import ConfigError
from secdl.model.shipped import shipped
from secdl.model.text import one_line
from secdl.model.toml import load_toml, nearest

_STEP = re.compile(
    r"^(?P<region>[a-z0-9.]+)\+(?P<offset>0x[0-9a-f]+|\d+) (?P<size>[1248]) (?P<value>@[a-z]+|0x[0-9a-f]+|\d+)$"
)
_WORD = re.compile(r"^(?P<kind>[prnfc])(?P<bits>8|16|32|64)(?:=(?P<value>0x[0-9a-f]+|\d+))?$")
VALUES = ("@page", "@pfn", "@any", "@random", "@small", "@bit")
"""Words for values in a recipe: address of a prepared page, its number, and what the generator likes to write."""


class PortRegion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fixed I/O ports of a device that has no PCI windows, as a floppy controller."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9]{0,15}$")]
    addr: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    size: Annotated[int, msgspec.Meta(ge=1, le=256)]


class DeviceModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device. `argv` are the arguments on top of the machine's; `recipes` are register writes that bring it to
    life, each a short sequence; `layouts` its descriptors in guest memory, word by word; `ports` if it is not PCI."""

    about: str = ""
    argv: tuple[str, ...] = ()
    recipes: tuple[tuple[str, ...], ...] = ()
    layouts: tuple[tuple[str, ...], ...] = ()
    ports: tuple[PortRegion, ...] = ()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: dict[str, DeviceModel]


def load_models(folder: Path | None = None) -> Mapping[str, DeviceModel]:
    """Device data by name from `folder`, the shipped ones by default. Raises `ConfigError` naming file and key."""
    place = folder or shipped("policies/devices")
    models: dict[str, DeviceModel] = {}
    for path in sorted(place.glob("*.toml")):
        for name, model in load_toml(path, _File).device.items():
            if name in models:
                raise ConfigError(f"device {name!r} is described twice", where=str(path))
            _check(model, where=f"{path}: device.{one_line(name, limit=60)}")
            models[name] = model
    return models


def model_of(name: str, models: Mapping[str, DeviceModel]) -> DeviceModel:
    """The data for `name`, or a plain `-device NAME`."""
    return models.get(name) or DeviceModel(argv=("-device", name))


def split_step(step: str) -> tuple[str, int, int, str]:
    """Region, offset, size in bytes and value word of a recipe's step."""
    match = _STEP.match(step)
    assert match is not None, step  # noqa: S101 - checked when loaded
    return match["region"], int(match["offset"], 0), int(match["size"]), match["value"]


def split_word(word: str) -> tuple[str, int, int | None]:
    """Kind, width in bits and constant of a layout's word."""
    match = _WORD.match(word)
    assert match is not None, word  # noqa: S101 - checked when loaded
    return match["kind"], int(match["bits"]), int(match["value"], 0) if match["value"] else None


def _check(model: DeviceModel, *, where: str) -> None:
    for step in (step for recipe in model.recipes for step in recipe):
        if not _STEP.match(step):
            hint = "expected REGION+OFFSET SIZE VALUE, as bar0+0x10 4 @page"
            raise ConfigError(f"recipes: {one_line(step, limit=60)!r}", where=where, hint=hint)
        value = split_step(step)[3]
        if value.startswith("@") and value not in VALUES:
            raise ConfigError(f"recipes: {step!r}: unknown value {value}", where=where, hint=nearest(value, VALUES))
    for word in (word for layout in model.layouts for word in layout):
        if not _WORD.match(word):
            hint = "expected p64 (pointer), n16 (number), f8 (flags), r32 (random) or c8=0x1 (constant)"
            raise ConfigError(f"layouts: {one_line(word, limit=60)!r}", where=where, hint=hint)
