"""PCI functions behind a target's configuration ports, and the addresses secdl gives their windows.

Source: PCI Local Bus Specification 3.0, configuration mechanism 1 and base address registers.
"""

from collections.abc import Iterator, Sequence

import msgspec

from secdl.fuzz import qtest
from secdl.fuzz.vm import Vm

ADDRESS_PORT, DATA_PORT = 0xCF8, 0xCFC
IO_FIRST, IO_END = 0xC000, 0xFF00
MEMORY_FIRST, MEMORY_END = 0xE000_0000, 0xFEA0_0000
COMMAND, COMMAND_ON = 0x04, 0x0007
_FUNCTIONS = tuple((slot, function) for slot in range(32) for function in range(8))
_BARS = 6


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A window. `addr` is where secdl puts it, None where it does not fit below 4 GiB; `wide` has 64-bit addresses."""

    index: int
    io: bool
    size: int
    wide: bool = False
    addr: int | None = None


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A PCI function on bus 0. `capabilities` are (id, offset) pairs."""

    slot: int
    function: int
    vendor: int
    device: int
    pci_class: int
    bars: tuple[Bar, ...] = ()
    capabilities: tuple[tuple[int, int], ...] = ()

    @property
    def id(self) -> str:
        """`vendor:device` in hexadecimal."""
        return f"{self.vendor:04x}:{self.device:04x}"

    @property
    def address(self) -> str:
        """`bus:slot.function`."""
        return f"00:{self.slot:02x}.{self.function}"

    def select(self, register: int) -> str:
        """The command that points the data port at `register`."""
        place = 0x8000_0000 | self.slot << 11 | self.function << 8 | (register & 0xFC)
        return f"outl {ADDRESS_PORT:#x} {place:#x}"


def scan(vm: Vm) -> tuple[Function, ...]:
    """Every function on bus 0 of a freshly started target; windows have sizes and no addresses yet."""
    found = []
    absent: set[int] = set()
    for slot, number in _FUNCTIONS:
        if slot in absent:
            continue
        probe = Function(slot=slot, function=number, vendor=0, device=0, pci_class=0)
        ids = _read(vm, probe, 0x00)
        if ids & 0xFFFF in (0xFFFF, 0):
            absent |= {slot} if number == 0 else set()
            continue
        found.append(_describe(vm, probe, ids))
        if number == 0 and not _read(vm, probe, 0x0C) >> 16 & 0x80:
            absent.add(slot)
    return tuple(found)


def place(functions: Sequence[Function]) -> tuple[Function, ...]:
    """`functions` with addresses for their windows, the largest first; what does not fit stays without."""
    wanted = [(bar.size, n, bar) for n, function in enumerate(functions) for bar in function.bars]
    free = {True: IO_FIRST, False: MEMORY_FIRST}
    end = {True: IO_END, False: MEMORY_END}
    placed: dict[tuple[int, int], int] = {}
    for size, n, bar in sorted(wanted, key=lambda want: (-want[0], want[1], want[2].index)):
        start = -(-free[bar.io] // size) * size
        if start + size <= end[bar.io]:
            placed[n, bar.index] = start
            free[bar.io] = start + size
    return tuple(_at(function, n, placed) for n, function in enumerate(functions))


def setup(functions: Sequence[Function]) -> tuple[str, ...]:
    """Commands that put the windows at their addresses and switch decoding and bus mastering on."""
    return tuple(line for function in functions for line in _setup(function))


def _setup(function: Function) -> Iterator[str]:
    for bar in function.bars:
        if bar.addr is not None:
            yield from _write(function, 0x10 + 4 * bar.index, bar.addr)
            if bar.wide:
                yield from _write(function, 0x14 + 4 * bar.index, 0)
    yield function.select(COMMAND)
    yield f"outw {DATA_PORT:#x} {COMMAND_ON:#x}"


def _at(function: Function, n: int, placed: dict[tuple[int, int], int]) -> Function:
    bars = (
        Bar(index=bar.index, io=bar.io, size=bar.size, wide=bar.wide, addr=placed.get((n, bar.index)))
        for bar in function.bars
    )
    return Function(
        slot=function.slot,
        function=function.function,
        vendor=function.vendor,
        device=function.device,
        pci_class=function.pci_class,
        bars=tuple(bars),
        capabilities=function.capabilities,
    )


def _describe(vm: Vm, probe: Function, ids: int) -> Function:
    header = _read(vm, probe, 0x0C) >> 16 & 0x7F
    return Function(
        slot=probe.slot,
        function=probe.function,
        vendor=ids & 0xFFFF,
        device=ids >> 16,
        pci_class=_read(vm, probe, 0x08) >> 8,
        bars=tuple(_bars(vm, probe)) if header == 0 else (),
        capabilities=tuple(_capabilities(vm, probe)) if header in (0, 1) else (),
    )


def _bars(vm: Vm, function: Function) -> Iterator[Bar]:
    index = 0
    while index < _BARS:
        low = _size_mask(vm, function, index)
        if not low:
            index += 1
            continue
        io = bool(low & 1)
        wide = not io and low & 6 == 4
        mask = low & (0xFFFF_FFFC if io else 0xFFFF_FFF0)
        if wide and index + 1 < _BARS:
            mask |= _size_mask(vm, function, index + 1) << 32
        elif io:
            # The upper half of an I/O window's mask may be hard-wired to zero.
            mask |= 0xFFFF_0000
        yield Bar(index=index, io=io, size=mask & -mask, wide=wide)
        index += 2 if wide else 1


def _size_mask(vm: Vm, function: Function, index: int) -> int:
    register = 0x10 + 4 * index
    was = _read(vm, function, register)
    vm.ask(tuple(_write(function, register, 0xFFFF_FFFF)))
    mask = _read(vm, function, register)
    vm.ask(tuple(_write(function, register, was)))
    return mask


def _capabilities(vm: Vm, function: Function) -> Iterator[tuple[int, int]]:
    if not _read(vm, function, COMMAND) >> 16 & 0x10:
        return
    offset = _read(vm, function, 0x34) & 0xFC
    # A list may loop: 48 is all that fits into 192 bytes.
    for _ in range(48):
        if offset < 0x40:
            return
        head = _read(vm, function, offset)
        yield head & 0xFF, offset
        offset = head >> 8 & 0xFC


def _read(vm: Vm, function: Function, register: int) -> int:
    return qtest.value(vm.ask((function.select(register), f"inl {DATA_PORT:#x}"))[1])


def _write(function: Function, register: int, value: int) -> Iterator[str]:
    yield function.select(register)
    yield f"outl {DATA_PORT:#x} {value:#x}"
