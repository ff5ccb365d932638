"""What a target looks like to a guest: its functions, its windows, and which registers in them answer."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from secdl.fuzz import pci, qtest
from secdl.fuzz.devices import DeviceModel
from secdl.fuzz.generator import Layout, Region
from secdl.fuzz.vm import Stop, Target, Vm
from secdl.model.errors import ToolFailed

_PROBED_BYTES = 0x8000
_LIVE_A_REGION = 384
_LIVE_A_PAGE = 96
_CHUNK = 256


def addresses(machine: Target, folder: Path) -> frozenset[str]:
    """Addresses of the functions that a machine has before a device is added."""
    with Vm(machine, folder=folder) as vm:
        return frozenset(function.address for function in pci.scan(vm))


def survey(vm: Vm, model: DeviceModel, *, builtin: frozenset[str]) -> Layout:
    """The layout of the device in `vm`: what is there beyond `builtin`, placed and switched on.

    Raises `ToolFailed` where there is nothing that a guest could reach.
    """
    functions = tuple(function for function in pci.scan(vm) if function.address not in builtin)
    functions = pci.place(functions)
    regions = tuple(_regions(functions)) + tuple(
        Region(name=port.name, io=True, addr=port.addr, size=port.size) for port in model.ports
    )
    if not regions:
        raise ToolFailed(
            "no PCI function with windows and no known ports", hint="describe its ports in the device data"
        )
    vm.ask(pci.setup(functions) or ("inl 0xcf8",))
    return Layout(functions=functions, regions=regions, model=model)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What asking every register gave: the layout with those that live, what was sent, and the stop it ended in."""

    layout: Layout
    lines: tuple[str, ...]
    stop: Stop | None = None


def probe(vm: Vm, layout: Layout) -> Probe:
    """Asks every register of `layout` once; a stop ends it with what was found so far.

    A register is live when it does not read as zero or all ones, or when what is written to it changes what is read.
    """
    sent: list[str] = []
    live: dict[str, list[int]] = {region.name: [] for region in layout.regions}
    stop = None
    for region, chunk in _chunks(layout):
        lines = [line for offset in chunk for line in _questions(region, offset)]
        batch = vm.run(lines)
        for n, offset in enumerate(chunk[: len(batch.replies) // 4]):
            if _answers(batch.replies[4 * n : 4 * n + 4]):
                live[region.name].append(offset)
        stop = batch.stop
        sent += lines if stop is None else lines[: stop.answered + 1]
        if stop is not None:
            break
    regions = tuple(
        Region(name=region.name, io=region.io, addr=region.addr, size=region.size, live=_thin(live[region.name]))
        for region in layout.regions
    )
    found = Layout(functions=layout.functions, regions=regions, model=layout.model)
    return Probe(layout=found, lines=tuple(sent), stop=stop)


def _chunks(layout: Layout) -> Iterator[tuple[Region, Sequence[int]]]:
    for region in layout.regions:
        offsets = range(0, min(region.size, _PROBED_BYTES), 4 if region.size >= 4 else 1)
        for start in range(0, len(offsets), _CHUNK):
            yield region, offsets[start : start + _CHUNK]


def _regions(functions: Sequence[pci.Function]) -> Iterator[Region]:
    for n, function in enumerate(functions):
        for bar in function.bars:
            if bar.addr is not None:
                name = f"bar{bar.index}" if n == 0 else f"f{n}.bar{bar.index}"
                yield Region(name=name, io=bar.io, addr=bar.addr, size=bar.size)


def _questions(region: Region, offset: int) -> tuple[str, str, str, str]:
    wide = region.size >= 4
    read, write = (("inl", "outl") if wide else ("inb", "outb")) if region.io else ("readl", "writel")
    addr = f"{region.addr + offset:#x}"
    ones = "0xffffffff" if wide else "0xff"
    return f"{read} {addr}", f"{write} {addr} {ones}", f"{read} {addr}", f"{write} {addr} 0x0"


def _answers(replies: Sequence[bytes]) -> bool:
    before, _, after, _ = replies
    first = qtest.value(before)
    return first not in (0, 0xFF, 0xFFFF, 0xFFFF_FFFF) or first != qtest.value(after)


def _thin(live: Sequence[int]) -> tuple[int, ...]:
    """At most so many of `live`, so that a frame buffer does not drown the registers beside it."""
    pages: defaultdict[int, list[int]] = defaultdict(list)
    for offset in live:
        if len(pages[offset >> 12]) < _LIVE_A_PAGE:
            pages[offset >> 12].append(offset)
    return tuple(sorted(offset for page in pages.values() for offset in page))[:_LIVE_A_REGION]
