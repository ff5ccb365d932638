"""Runs the nodes of a graph on the workers there are, the longest path first. The only module that uses asyncio."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do: `work` runs in a thread once every node in `needs` has ended, however it ended.

    `weight_s` is its expected duration. `light` nodes (installs, waiting on the network) take no worker. `urgent` nodes
    go before longer ones, and one worker is kept for them until they have started: somebody waits for the first result.
    """

    name: str
    work: Callable[[], None]
    needs: tuple[str, ...] = ()
    weight_s: float = 1.0
    light: bool = False
    urgent: bool = False


def run(nodes: Sequence[Node], *, workers: int) -> None:
    """Runs all `nodes`; a node's first exception ends the schedule and is raised. Needs outside `nodes` are met."""
    asyncio.run(_run(nodes, workers))


async def _run(nodes: Sequence[Node], workers: int) -> None:
    rank = critical_paths(nodes)
    done = {node.name: asyncio.Event() for node in nodes}
    free = _Workers(workers, urgent=sum(node.urgent and not node.light for node in nodes))

    async def one(node: Node) -> None:
        for need in node.needs:
            if need in done:
                await done[need].wait()
        try:
            if node.light:
                await asyncio.to_thread(node.work)
            else:
                await free.take((node.urgent, rank[node.name]))
                try:
                    await asyncio.to_thread(node.work)
                finally:
                    done[node.name].set()
                    free.give()
        finally:
            done[node.name].set()

    try:
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(one(node))
    except* Exception as errors:
        raise errors.exceptions[0] from None


def critical_paths(nodes: Sequence[Node]) -> dict[str, float]:
    """Seconds from each node's start to the end of the longest chain that waits on it; `ValueError` on a cycle."""
    waiting: dict[str, list[str]] = {node.name: [] for node in nodes}
    for node in nodes:
        for need in node.needs:
            if need in waiting:
                waiting[need].append(node.name)
    weight = {node.name: node.weight_s for node in nodes}
    rank: dict[str, float] = {}
    open_: set[str] = set()

    def of(name: str) -> float:
        if name in open_:
            raise ValueError(f"{name} waits for itself")
        if name not in rank:
            open_.add(name)
            rank[name] = weight[name] + max((of(next_) for next_ in waiting[name]), default=0.0)
            open_.discard(name)
        return rank[name]

    for node in nodes:
        of(node.name)
    return rank


class _Workers:
    """A semaphore that wakes the waiter of the highest rank; the last free worker is for the `urgent` ones to come."""

    def __init__(self, count: int, *, urgent: int) -> None:
        self._count = self._free = count
        self._urgent = urgent
        self._waiters: list[tuple[tuple[bool, float], asyncio.Future[None]]] = []

    async def take(self, rank: tuple[bool, float]) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((rank, waiter))
        self._wake_soon()
        await waiter

    def give(self) -> None:
        self._free += 1
        self._wake_soon()

    def _wake_soon(self) -> None:
        # Two turns of the loop later: until then whatever became ready in this one has queued up, so rank decides.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._wake)

    def _wake(self) -> None:
        self._waiters.sort(key=lambda item: item[0])
        while self._waiters and self._free:
            (urgent, _), waiter = self._waiters[-1]
            kept = self._free == 1 < self._count and self._urgent > 0
            if kept and not urgent:
                return
            self._waiters.pop()
            if not waiter.done():
                self._free -= 1
                self._urgent -= urgent
                waiter.set_result(None)
