import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.fuzz import qtest

REPLY = st.one_of(
    st.just(b"OK"),
    st.integers(0, 2**64 - 1).map(lambda n: f"OK {n:#x}".encode()),
    st.sampled_from([b"FAIL Unknown command 'x'", b"ERR"]),
)
NOTICE = st.builds(lambda word, n: f"IRQ {word} {n}".encode(), st.sampled_from(["raise", "lower"]), st.integers(0, 255))


@given(lines=st.lists(st.one_of(REPLY, NOTICE)), cuts=st.lists(st.integers(0, 10_000)))
def test_replies_come_out_whole_and_in_order_wherever_the_stream_is_cut(
    lines: Sequence[bytes], cuts: list[int]
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    decoder = qtest.Decoder()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    found = [reply for a, b in itertools.pairwise(edges) for reply in decoder.feed(stream[a:b])]
    assert found == [line for line in lines if not line.startswith(b"IRQ ")]
    assert decoder.interrupts == sum(line.startswith(b"IRQ ") for line in lines)


@given(number=st.integers(0, 2**64 - 1))
def test_a_number_survives_the_wire(number: int) -> None:
    assert qtest.value(f"OK {number:#x}".encode()) == number


@pytest.mark.parametrize("reply", [b"OK", b"FAIL", b"ERR 0x1", b"OK zz", b"OK "])
def test_a_reply_without_a_number_is_refused(reply: bytes) -> None:
    with pytest.raises(qtest.NotQtest):
        qtest.value(reply)


@given(
    noise=st.binary(min_size=1, max_size=60).filter(
        lambda b: b"\n" not in b and not b.startswith((b"OK", b"FAIL", b"ERR", b"IRQ "))
    )
)
def test_a_line_of_something_else_is_not_taken_for_a_reply(noise: bytes) -> None:
    with pytest.raises(qtest.NotQtest):
        qtest.Decoder().feed(noise + b"\n")


def test_an_endless_line_does_not_fill_the_memory() -> None:
    with pytest.raises(qtest.NotQtest):
        qtest.Decoder().feed(b"O" * (2 << 20))


def test_an_empty_command_is_refused_because_qemu_would_abort_on_it() -> None:
    with pytest.raises(qtest.NotQtest):
        qtest.encode(["inl 0xcf8", ""])


def test_only_ok_counts_as_done() -> None:
    assert qtest.succeeded([b"OK", b"OK 0x1", b"FAIL", b"ERR"]) == 2
