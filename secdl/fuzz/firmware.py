"""A boot ROM whose only deed is to halt the processor.

A started guest that sleeps, rather than a stopped one (`-S`): while a guest is stopped its clocks stand still, packets
are not delivered, and checks that it runs abort; stops found there are out of every guest's reach.
"""

from pathlib import Path

NAME = "halt.bin"
"""Its file name, relative: processes and reproducers run in the folder that holds it."""
_SIZE = 0x1_0000
_RESET_VECTOR = 0xFFF0
# cli; hlt; jmp to the hlt, should a non-maskable interrupt ever wake it.
_HALT = bytes((0xFA, 0xF4, 0xEB, 0xFD))


def image() -> bytes:
    """The ROM: a halt at the reset vector, halts everywhere else."""
    rom = bytearray(b"\xf4" * _SIZE)
    rom[_RESET_VECTOR : _RESET_VECTOR + len(_HALT)] = _HALT
    return bytes(rom)


def place(folder: Path) -> None:
    """Puts the ROM into `folder`."""
    (folder / NAME).write_bytes(image())
