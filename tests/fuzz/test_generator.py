import re

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from secdl.fuzz import qtest
from secdl.fuzz.devices import DeviceModel, load_models
from secdl.fuzz.generator import ARENA, PAGE, PAGES, Generator, Layout, Region
from secdl.fuzz.pci import Bar, Function

LINE = re.compile(
    r"(?:out[bwl] 0x[0-9a-f]+ 0x[0-9a-f]+|in[bwl] 0x[0-9a-f]+"
    r"|write[bwlq] 0x[0-9a-f]+ 0x[0-9a-f]+|read[bwlq] 0x[0-9a-f]+"
    r"|write 0x[0-9a-f]+ 0x[0-9a-f]+ 0x(?:[0-9a-f]{2})+)"
)
REGIONS = st.lists(
    st.builds(
        lambda n, io, size, live: Region(
            name=f"bar{n}",
            io=io,
            addr=0xC000 if io else 0xE000_0000 + n * 0x10_0000,
            size=size,
            live=tuple(offset for offset in live if offset < size),
        ),
        st.integers(0, 5),
        st.booleans(),
        st.sampled_from([1, 2, 4, 8, 32, 256, 4096, 0x20000]),
        st.lists(st.integers(0, 0x200), max_size=5),
    ),
    min_size=1,
    max_size=4,
)
FUNCTION = Function(
    slot=1, function=0, vendor=1, device=2, pci_class=0, bars=(Bar(index=0, io=False, size=4096, addr=0xE000_0000),)
)


@settings(max_examples=20, phases=(Phase.explicit, Phase.generate))
@given(regions=REGIONS, seed=st.integers(0, 2**64), functions=st.sampled_from([(), (FUNCTION,)]))
def test_every_operation_is_a_command_inside_the_windows(
    regions: list[Region], seed: int, functions: tuple[Function, ...]
) -> None:
    model = load_models()["virtio-blk-pci"]
    layout = Layout(functions=functions, regions=tuple(regions), model=model)
    lines = [line for batch in Generator(layout, seed=seed, device="d").session(0, 1200) for line in batch]
    assert len(lines) == 1200
    qtest.encode(lines)
    for line in lines:
        assert LINE.fullmatch(line), line
        words = line.split()
        addr = int(words[1], 16)
        if words[0] == "write":
            assert ARENA <= addr < ARENA + (PAGES + 1) * PAGE
            assert len(words[3]) == 2 + 2 * int(words[2], 16)
        elif words[0].startswith(("in", "out")):
            assert addr in range(0xCF8, 0xD00) or any(r.io and r.addr <= addr < r.addr + r.size for r in regions)
        else:
            assert any(not r.io and r.addr <= addr < r.addr + r.size for r in regions), line


@settings(max_examples=5, phases=(Phase.explicit, Phase.generate))
@given(seed=st.integers(0, 1000), session=st.integers(0, 50))
def test_a_session_depends_on_nothing_but_seed_and_number(seed: int, session: int) -> None:
    region = Region(name="bar0", io=False, addr=0xE000_0000, size=256, live=(0, 16))
    layout = Layout(functions=(), regions=(region,), model=DeviceModel())
    warm = Generator(layout, seed=seed, device="d")
    list(warm.session(session + 1, 100))
    fresh = Generator(layout, seed=seed, device="d")
    assert list(warm.session(session, 2000)) == list(fresh.session(session, 2000))
    assert list(fresh.session(session, 2000)) != list(Generator(layout, seed=seed, device="e").session(session, 2000))


def test_the_devices_own_windows_are_among_its_dma_addresses() -> None:
    region = Region(name="bar0", io=False, addr=0xE123_0000, size=256, live=(0,))
    layout = Layout(functions=(), regions=(region,), model=DeviceModel())
    lines = [line for batch in Generator(layout, seed=1, device="d").session(0, 3000) for line in batch]
    values = [line.split()[2] for line in lines if line.startswith("writel")]
    assert any(value.startswith("0xe1230") for value in values)


def test_a_command_is_named_by_region_and_offset() -> None:
    region = Region(name="bar0", io=False, addr=0xE000_0000, size=256)
    layout = Layout(functions=(), regions=(region,), model=DeviceModel())
    assert layout.place("writel 0xe0000018 0x1") == "writel bar0+0x18"
    assert layout.place(f"write {ARENA:#x} 0x1 0x00") == "write memory"
    assert layout.place("outl 0xcf8 0x1") == "outl 0xcf8"
