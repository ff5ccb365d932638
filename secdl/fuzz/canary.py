"""A small program that speaks qtest and has one planted bug: `python -m secdl.fuzz.canary --device crash|abort|hang …`.

It plays a machine with configuration ports, guest memory and one PCI device that copies a packet from guest memory when
it is told to. The planted bug is the classic one: the length comes from the guest's descriptor and is not checked. The
engine must find it in every run, by the same code that drives QEMU.
"""

import os
import sys

BUFFER = 0x200
_VENDOR_DEVICE = 0x5EC0_1234
_WINDOW = 0x100
_CONTROL, _RING, _TAIL, _STATUS = 0x00, 0x10, 0x18, 0x20
_ENABLE = 0x02
_MEMORY = 64 << 20
_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}


class Device:
    """The planted device: a control register, the address of a ring in guest memory, and a tail that starts it."""

    def __init__(self, memory: "Memory", bug: str) -> None:
        self._memory, self._bug = memory, bug
        self._registers = dict.fromkeys((_CONTROL, _RING, _TAIL, _STATUS), 0)

    def read(self, offset: int) -> int:
        """The register at `offset`; those that do not exist read as zero."""
        return self._registers.get(offset & ~3, 0)

    def write(self, offset: int, value: int) -> None:
        """Stores `value`; a write to the tail starts the transfer where control allows it."""
        register = offset & ~3
        if register in self._registers and register != _STATUS:
            self._registers[register] = value & 0xFFFF_FFFF
        if register == _TAIL and self._registers[_CONTROL] & _ENABLE:
            self._transfer()

    def _transfer(self) -> None:
        descriptor = self._memory.read(self._registers[_RING], 16)
        length = int.from_bytes(descriptor[8:10], "little")
        if not any(descriptor) or not length:
            return
        self._registers[_STATUS] += 1
        if length > BUFFER:
            _fail(self._bug)


class Memory:
    """Guest memory, kept by pages that were written."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def read(self, addr: int, size: int) -> bytes:
        """`size` bytes at `addr`; zero where nothing was written or no memory is."""
        return bytes(self._pages[a >> 12][a & 0xFFF] if a >> 12 in self._pages else 0 for a in range(addr, addr + size))

    def write(self, addr: int, data: bytes) -> None:
        """Stores `data` at `addr` as far as there is memory."""
        for n, byte in enumerate(data):
            if addr + n < _MEMORY:
                self._pages.setdefault((addr + n) >> 12, bytearray(0x1000))[(addr + n) & 0xFFF] = byte


class Machine:
    """Answers one qtest command at a time. Without a `bug` it has no device."""

    def __init__(self, bug: str) -> None:
        self._memory = Memory()
        self._device = Device(self._memory, bug)
        self._present = bool(bug)
        self._selected = 0
        self._config = {0x00: _VENDOR_DEVICE, 0x04: 0, 0x08: 0x0200_0000, 0x0C: 0, 0x10: 0}

    def answer(self, line: str) -> str:
        """The reply to `line`."""
        words = line.split()
        try:
            return self._answer(words)
        except (ValueError, IndexError, KeyError):
            return f"FAIL Unknown command '{words[0] if words else ''}'"

    def _answer(self, words: list[str]) -> str:
        name, numbers = words[0], [int(word, 0) for word in words[1:3]]
        if name == "write":
            self._memory.write(numbers[0], bytes.fromhex(words[3][2:])[: numbers[1]])
            return "OK"
        if name == "read":
            return "OK 0x" + self._memory.read(numbers[0], min(numbers[1], 0x10000)).hex()
        for kind, port in (("out", True), ("in", True), ("write", False), ("read", False)):
            if name.startswith(kind) and name[len(kind) :] in _SIZES:
                size = _SIZES[name[len(kind) :]]
                if kind in ("out", "write"):
                    (self._port_write if port else self._write)(numbers[0], numbers[1], size)
                    return "OK"
                value = (self._port_read if port else self._read)(numbers[0])
                return f"OK {value & (1 << 8 * size) - 1:#x}"
        raise KeyError(name)

    def _register(self) -> int | None:
        """The selected configuration register; None where no function is there."""
        here = self._present and self._selected & 0x7FFF_FF00 == 0x0800
        return self._selected & 0xFC if here else None

    def _port_read(self, port: int) -> int:
        if port == 0xCF8:
            return self._selected
        register = self._register()
        return self._config.get(register, 0) if register is not None and 0xCFC <= port < 0xD00 else 0xFFFF_FFFF

    def _port_write(self, port: int, value: int, size: int) -> None:
        if port == 0xCF8 and size == 4:
            self._selected = value
        register = self._register()
        if port == 0xCFC and register == 0x10:
            self._config[0x10] = value & ~(_WINDOW - 1) & 0xFFFF_FFFF
        elif port == 0xCFC and register == 0x04:
            self._config[0x04] = value & 0x7

    def _window(self, addr: int) -> int | None:
        base = self._config[0x10]
        return addr - base if self._config[0x04] & 2 and base and base <= addr < base + _WINDOW else None

    def _read(self, addr: int) -> int:
        offset = self._window(addr)
        return int.from_bytes(self._memory.read(addr, 8), "little") if offset is None else self._device.read(offset)

    def _write(self, addr: int, value: int, size: int) -> None:
        offset = self._window(addr)
        if offset is None:
            self._memory.write(addr, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
        else:
            self._device.write(offset, value)


def _fail(bug: str) -> None:
    if bug == "crash":
        import ctypes  # only here: every replay pays for what starts slowly

        ctypes.memset(0, 0, 1)
    elif bug == "abort":
        sys.stderr.write(f"canary: canary.c:1: transfer: Assertion `length <= {BUFFER}' failed.\n")
        sys.stderr.flush()
        os.abort()
    while bug == "hang":
        pass


def main(argv: list[str]) -> int:
    """Serves the qtest transport that `argv` names: an inherited socket, or standard input and output."""
    machine = Machine(argv[argv.index("--device") + 1] if "--device" in argv else "")
    chardev = next((word for word in argv if word.startswith("socket,")), "")
    descriptor = int(chardev.rpartition("fd=")[2]) if chardev else sys.stdin.fileno()
    out = descriptor if chardev else sys.stdout.fileno()
    # Each reply leaves at once: what was answered before a crash is how the engine knows which command it was.
    with os.fdopen(descriptor, "rb", closefd=False) as stream:
        for line in stream:
            os.write(out, machine.answer(line.decode("ascii", "replace")).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
