import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from secdl.fuzz import pci
from secdl.fuzz.devices import load_models
from secdl.fuzz.engine import machine_argv
from secdl.fuzz.firmware import image, place
from secdl.fuzz.vm import Target, Vm

BARS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.booleans()), max_size=6)


@given(layout=st.lists(BARS, max_size=5))
def test_windows_are_aligned_inside_their_space_and_never_overlap(layout: list[list[tuple[bool, int, bool]]]) -> None:
    functions = [
        pci.Function(
            slot=slot,
            function=0,
            vendor=1,
            device=1,
            pci_class=0,
            bars=tuple(
                pci.Bar(index=n, io=io, size=1 << (bits % 9 + 2 if io else bits), wide=wide and not io)
                for n, (io, bits, wide) in enumerate(bars)
            ),
        )
        for slot, bars in enumerate(layout)
    ]
    for io in (True, False):
        first, end = (pci.IO_FIRST, pci.IO_END) if io else (pci.MEMORY_FIRST, pci.MEMORY_END)
        placed = [bar for f in pci.place(functions) for bar in f.bars if bar.io == io and bar.addr is not None]
        taken = sorted((bar.addr or 0, bar.size) for bar in placed)
        assert all(addr % size == 0 and first <= addr and addr + size <= end for addr, size in taken)
        assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(taken))


def test_windows_are_found_placed_and_answer_on_the_installed_qemu(qemu: Path, tmp_path: Path) -> None:
    place(tmp_path)
    target = Target(argv=(*machine_argv(qemu, "q35"), *load_models()["nvme"].argv))
    with Vm(target, folder=tmp_path) as vm:
        functions = [function for function in pci.place(pci.scan(vm)) if function.id == "1b36:0010"]
        (function,) = functions
        (bar,) = function.bars
        assert (bar.io, bar.wide, bar.size) == (False, True, 0x4000)
        assert {0x05, 0x10, 0x11} & {capability for capability, _ in function.capabilities}
        vm.ask(pci.setup(functions))
        # The version register of an NVMe controller: 1.4.
        assert bar.addr is not None
        assert vm.ask((f"readl {bar.addr + 8:#x}",)) == (b"OK 0x0000000000010400",)


def test_the_boot_rom_halts_at_the_reset_vector() -> None:
    rom = image()
    assert len(rom) == 0x10000
    assert rom[0xFFF0:0xFFF4] == bytes((0xFA, 0xF4, 0xEB, 0xFD))
