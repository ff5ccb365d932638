import threading

import pytest

from secdl.run.schedule import Node, critical_paths, run


def test_needs_end_before_what_waits_for_them() -> None:
    order: list[str] = []
    nodes = [
        Node(name="c", needs=("b",), work=lambda: order.append("c")),
        Node(name="b", needs=("a", "elsewhere"), work=lambda: order.append("b")),
        Node(name="a", work=lambda: order.append("a")),
    ]
    run(nodes, workers=2)
    assert order == ["a", "b", "c"]


def test_the_longest_path_starts_first() -> None:
    order: list[str] = []
    nodes = [
        Node(name="short", weight_s=5, work=lambda: order.append("short")),
        Node(name="head", weight_s=1, work=lambda: order.append("head")),
        Node(name="tail", weight_s=9, needs=("head",), work=lambda: order.append("tail")),
    ]
    run(nodes, workers=1)
    assert order == ["head", "tail", "short"]


def test_an_urgent_node_goes_before_a_longer_one() -> None:
    order: list[str] = []
    nodes = [
        Node(name="long", weight_s=60, work=lambda: order.append("long")),
        Node(name="urgent", weight_s=3, urgent=True, work=lambda: order.append("urgent")),
    ]
    run(nodes, workers=1)
    assert order == ["urgent", "long"]


def test_a_worker_is_kept_for_an_urgent_node_that_still_waits_for_its_install() -> None:
    urgent_ended = threading.Event()
    order: list[str] = []

    def urgent() -> None:
        order.append("urgent")
        urgent_ended.set()

    def long(name: str) -> None:
        # Two of these on two workers would wait for ever if both were given one before the urgent node.
        assert urgent_ended.wait(120)
        order.append(name)

    nodes = [
        Node(name="one", weight_s=60, work=lambda: long("one")),
        Node(name="two", weight_s=60, work=lambda: long("two")),
        Node(name="install", light=True, work=lambda: threading.Event().wait(0.05) and None),
        Node(name="urgent", needs=("install",), urgent=True, work=urgent),
    ]
    run(nodes, workers=2)
    assert order[0] == "urgent"
    assert sorted(order[1:]) == ["one", "two"]


def test_no_more_run_at_once_than_there_are_workers() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    run([Node(name=str(n), work=work) for n in range(12)], workers=3)
    assert most <= 3


def test_light_nodes_take_no_worker() -> None:
    started = threading.Event()

    def install() -> None:
        started.set()

    def tool() -> None:
        assert started.wait(120)

    run([Node(name="tool", work=tool), Node(name="install", work=install, light=True)], workers=1)


def test_a_fault_in_a_node_is_raised() -> None:
    def broken() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run([Node(name="a", work=broken), Node(name="b", needs=("a",), work=lambda: None)], workers=1)


def test_a_cycle_is_refused() -> None:
    nodes = [Node(name="a", needs=("b",), work=print), Node(name="b", needs=("a",), work=print)]
    with pytest.raises(ValueError, match="waits for itself"):
        critical_paths(nodes)
