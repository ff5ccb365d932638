from hypothesis import given
from hypothesis import strategies as st

from secdl.fuzz.minimise import minimise


@given(length=st.integers(1, 300), data=st.data())
def test_only_what_is_needed_is_left_when_the_budget_allows(length: int, data: st.DataObject) -> None:
    needed = data.draw(st.sets(st.integers(0, length - 1), min_size=1, max_size=4))
    lines = tuple(f"outl {n:#x} 0x0" for n in range(length))
    wanted = tuple(lines[n] for n in sorted(needed))

    def stops(part: tuple[str, ...]) -> bool:
        return set(wanted) <= set(part)

    assert minimise(lines, stops, replays=1000) == wanted


@given(length=st.integers(1, 200), replays=st.integers(0, 20))
def test_the_budget_is_kept_and_the_result_still_stops(length: int, replays: int) -> None:
    lines = tuple(f"outl {n:#x} 0x0" for n in range(length))
    asked = 0

    def stops(part: tuple[str, ...]) -> bool:
        nonlocal asked
        asked += 1
        return {lines[0], lines[-1]} <= set(part)

    assert {lines[0], lines[-1]} <= set(minimise(lines, stops, replays=replays))
    assert asked <= replays
