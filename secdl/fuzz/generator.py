"""Streams of qtest operations for one device: the same seed and layout give the same operations.

An operation is one qtest command. A session is what one process is given; it is cut into episodes, and each episode has
a theme of its own: a few registers, a few values, a few descriptors, used over and over in changing order.
"""

import random
from collections.abc import Iterator, Sequence

import msgspec

from secdl.fuzz.devices import DeviceModel, split_step, split_word
from secdl.fuzz.pci import DATA_PORT, Function, setup

ARENA, PAGE, PAGES = 0x10_0000, 0x1000, 64
EPISODE = 900
_GROUPS = 96
_WRITE = {(True, 1): "outb", (True, 2): "outw", (True, 4): "outl"}
_WRITE |= {(False, 1): "writeb", (False, 2): "writew", (False, 4): "writel", (False, 8): "writeq"}
_READ = {key: name.replace("out", "in").replace("write", "read") for key, name in _WRITE.items()}
_EDGES = (0, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF, 0x1_0000, 0xFFF, 0x1000, 0x1FF, 0x200, 0xFF, 0x7F)
_OFFSETS = (0, 0, 0, 0, 0x10, 0x20, 0x40, 0x100, 0x800, 0xFF0, 0xFFC)


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A window of the device as the guest sees it. `live` are offsets that answered a probe."""

    name: str
    io: bool
    addr: int
    size: int
    live: tuple[int, ...] = ()


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """All that a stream depends on besides its seed."""

    functions: tuple[Function, ...]
    regions: tuple[Region, ...]
    model: DeviceModel

    def base(self) -> tuple[str, ...]:
        """Commands that bring a fresh target to the state every session starts from."""
        return setup(self.functions)

    def place(self, line: str) -> str:
        """`line` with its address as region and offset: what it does on any machine, as `writel bar0+0x18`."""
        words = line.split()
        if len(words) < 2 or not words[1].startswith("0x"):
            return line
        addr = int(words[1], 16)
        io = words[0].startswith(("in", "out"))
        for region in self.regions:
            if region.io == io and region.addr <= addr < region.addr + region.size:
                return f"{words[0]} {region.name}+{addr - region.addr:#x}"
        if ARENA <= addr < ARENA + PAGES * PAGE:
            return f"{words[0]} memory"
        return f"{words[0]} {addr:#x}" if io else words[0]


class _Group(msgspec.Struct, frozen=True):
    """Operations that are sent together, and the registers they touch."""

    lines: tuple[str, ...]
    touched: tuple[tuple[str, int], ...] = ()


class Generator:
    """Operation streams. `touched` gathers the distinct registers (region, offset) that they used."""

    def __init__(self, layout: Layout, *, seed: int, device: str) -> None:
        self._layout, self._seed, self._device = layout, seed, device
        self._base = layout.base()
        self._pointers = [region.addr for region in layout.regions if not region.io]
        self.touched: set[tuple[str, int]] = set()

    def session(self, index: int, operations: int) -> Iterator[list[str]]:
        """Batches of session `index`, `operations` lines in all, the base state not counted."""
        left = operations
        number = 0
        while left > 0:
            # A string seeds by its SHA-512, the same in every Python.
            rng = random.Random(f"secdl/1/{self._device}/{self._seed}/{index}/{number}")  # noqa: S311
            batch = self._episode(rng, first=number == 0)[:left]
            yield batch
            left -= len(batch)
            number += 1

    def _episode(self, rng: random.Random, *, first: bool) -> list[str]:
        theme = _Theme(self._layout, rng, self._pointers)
        groups = [theme.group() for _ in range(_GROUPS)]
        recipes = [theme.recipe(recipe) for recipe in self._layout.model.recipes]
        # Episodes inherit what the last one left; windows that it moved or closed come back.
        lines = [] if first else list(self._base)
        lines += [theme.memory() for _ in range(12)]
        chosen = rng.sample(recipes, k=min(len(recipes), rng.randrange(3)))
        pool = groups + recipes * 3
        chosen += rng.choices(pool, k=EPISODE)
        for group in chosen:
            lines += group.lines
            self.touched.update(group.touched)
            if len(lines) >= EPISODE:
                break
        return lines


class _Theme:
    """The choices of one episode."""

    def __init__(self, layout: Layout, rng: random.Random, pointers: Sequence[int]) -> None:
        self._layout, self._rng, self._pointers = layout, rng, pointers
        self._live = [(region, offset) for region in layout.regions for offset in region.live]
        if self._live:
            self._live = rng.sample(self._live, k=min(len(self._live), rng.choice((3, 6, 12, 24, 48))))
        self._layouts = layout.model.layouts
        self._values = [self.value() for _ in range(24)]

    def value(self) -> int:
        """A number worth writing to a register."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.28:
            return self.pointer()
        if kind < 0.34 and self._pointers:
            # Its own windows as a DMA address: what re-entrancy bugs need.
            return rng.choice(self._pointers) + rng.choice(_OFFSETS)
        if kind < 0.52:
            return 1 << rng.randrange(32) | (1 << rng.randrange(32) if rng.random() < 0.5 else 0)
        if kind < 0.76:
            return rng.randrange(0x100)
        if kind < 0.84:
            return rng.choice(_EDGES)
        return rng.getrandbits(32)

    def pointer(self) -> int:
        """An address in the prepared guest memory."""
        return ARENA + self._rng.randrange(PAGES) * PAGE + self._rng.choice(_OFFSETS)

    def group(self) -> _Group:
        """One or a few operations that belong together."""
        kind = self._rng.random()
        if kind < 0.60:
            return self._write()
        if kind < 0.70:
            return self._read()
        if kind < 0.82:
            return _Group((self.memory(),))
        if kind < 0.92:
            descriptor, kick = self.memory(), self._write()
            return _Group((descriptor, *kick.lines), kick.touched)
        if kind < 0.97:
            parts = [self._write() for _ in range(self._rng.randrange(2, 6))]
            return _Group(
                tuple(line for part in parts for line in part.lines),
                tuple(key for part in parts for key in part.touched),
            )
        return self._config()

    def recipe(self, steps: Sequence[str]) -> _Group:
        """A recipe of the device's data with values filled in, now and then with one step wrong or left out."""
        lines, touched = [], []
        regions = {region.name: region for region in self._layout.regions}
        for step in steps:
            name, offset, size, word = split_step(step)
            region = regions.get(name)
            if region is None or offset + size > region.size or self._rng.random() < 0.03:
                continue
            number = self._rng.choice(self._values) if self._rng.random() < 0.05 else self._word(word)
            lines.append(_line(_WRITE, region, offset, size, number))
            touched.append((name, offset))
        return _Group(tuple(lines), tuple(touched))

    def memory(self) -> str:
        """A write of descriptors to guest memory."""
        data = self._descriptors()
        return f"write {self.pointer():#x} {len(data):#x} 0x{data.hex()}"

    def _descriptors(self) -> bytes:
        rng = self._rng
        if self._layouts and rng.random() < 0.8:
            words = rng.choice(self._layouts)
            return b"".join(self._encode(word) for _ in range(rng.choice((1, 1, 2, 4, 8))) for word in words)[:1024]
        count = rng.choice((2, 4, 4, 8, 16, 32))
        return b"".join(self._doubleword() for _ in range(count))

    def _doubleword(self) -> bytes:
        rng = self._rng
        kind = rng.random()
        number = 0 if kind < 0.3 else rng.choice(self._values) if kind < 0.8 else rng.getrandbits(32)
        return (number & 0xFFFF_FFFF).to_bytes(4, "little")

    def _encode(self, word: str) -> bytes:
        rng = self._rng
        kind, bits, constant = split_word(word)
        match kind:
            case "p":
                number = rng.choice(self._pointers) if self._pointers and rng.random() < 0.1 else self.pointer()
            case "n":
                number = rng.choice((0, 1, 2, 4, 8, 0x10, 0x40, 0x200, 0x1000, rng.getrandbits(bits)))
            case "f":
                number = 1 << rng.randrange(bits) | (1 << rng.randrange(bits) if rng.random() < 0.5 else 0)
            case "c" if constant is not None and rng.random() < 0.9:
                number = constant
            case _:
                number = rng.getrandbits(bits)
        return (number & (1 << bits) - 1).to_bytes(bits // 8, "little")

    def _word(self, word: str) -> int:
        rng = self._rng
        match word:
            case "@page":
                return ARENA + rng.randrange(PAGES) * PAGE
            case "@pfn":
                return (ARENA + rng.randrange(PAGES) * PAGE) // PAGE
            case "@any":
                return rng.choice(self._values)
            case "@random":
                return rng.getrandbits(32)
            case "@small":
                return rng.randrange(16)
            case "@bit":
                return 1 << rng.randrange(32)
        return int(word, 0)

    def _register(self) -> tuple[Region, int]:
        rng = self._rng
        if self._live and rng.random() < 0.85:
            return rng.choice(self._live)
        region = rng.choice(self._layout.regions)
        reach = region.size if rng.random() < 0.3 else min(region.size, 0x100)
        offset = rng.randrange(reach)
        return region, offset if rng.random() < 0.1 else offset & ~3

    def _size(self, region: Region, offset: int) -> int:
        size = self._rng.choice((4, 4, 4, 4, 4, 2, 1, 1) if region.io else (4, 4, 4, 4, 4, 2, 1, 8))
        return min(size, 1 << max(0, (region.size - offset).bit_length() - 1))

    def _write(self) -> _Group:
        region, offset = self._register()
        number = self._rng.choice(self._values) if self._rng.random() < 0.6 else self.value()
        line = _line(_WRITE, region, offset, self._size(region, offset), number)
        return _Group((line,), ((region.name, offset),))

    def _read(self) -> _Group:
        region, offset = self._register()
        line = f"{_READ[region.io, self._size(region, offset)]} {region.addr + offset:#x}"
        return _Group((line,), ((region.name, offset),))

    def _config(self) -> _Group:
        rng = self._rng
        if not self._layout.functions:
            return self._write()
        function = rng.choice(self._layout.functions)
        starts = [offset for _, offset in function.capabilities] or [0x40]
        register = rng.choice(starts) + rng.randrange(0x18) if rng.random() < 0.8 else rng.randrange(0x100)
        register = min(register & ~1, 0xFC)
        name, mask = rng.choice((("outl", ~3), ("outw", ~1), ("outb", ~0)))
        port = DATA_PORT + (register & 3 & mask)
        number = rng.choice(self._values) & {"outl": 0xFFFF_FFFF, "outw": 0xFFFF, "outb": 0xFF}[name]
        lines = (function.select(register), f"{name} {port:#x} {number:#x}")
        return _Group(lines, (("config", register),))


def _line(names: dict[tuple[bool, int], str], region: Region, offset: int, size: int, number: int) -> str:
    return f"{names[region.io, size]} {region.addr + offset:#x} {number & (1 << 8 * size) - 1:#x}"
