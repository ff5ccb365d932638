"""Fewer lines that stop a target in the same way, within a budget of replays."""

from collections.abc import Callable, Sequence

REPLAYS = 80
Lines = tuple[str, ...]


def minimise(lines: Sequence[str], stops: Callable[[Lines], bool], *, replays: int = REPLAYS) -> Lines:
    """A part of `lines`, in order, for which `stops` still holds; `lines` themselves where the budget is too small.

    First the shortest tail by doubling, since most stops need only what came last; then parts from
    the front on. Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002).
    """
    budget = _Budget(stops, replays)
    best = tuple(lines)
    length = 1
    while length < len(best):
        tail = best[-length:]
        if budget.stops(tail):
            best = tail
            break
        length *= 2
    return _sweep(best, budget)


def _sweep(best: Lines, budget: "_Budget") -> Lines:
    """Leaves out parts from the front on, half of all first, then ever smaller ones down to a line."""
    size = -(-len(best) // 2)
    while size:
        start = 0
        while start < len(best) and budget.left:
            rest = best[:start] + best[start + size :]
            if rest and budget.stops(rest):
                best = rest
            else:
                start += size
        size = -(-size // 2) if size > 1 else 0
    return best


class _Budget:
    """Asks the question at most so often, and never the same one twice."""

    def __init__(self, stops: Callable[[Lines], bool], replays: int) -> None:
        self._stops, self.left = stops, replays
        self._known: dict[Lines, bool] = {}

    def stops(self, lines: Lines) -> bool:
        if lines not in self._known:
            if self.left <= 0:
                return False
            self.left -= 1
            self._known[lines] = self._stops(lines)
        return self._known[lines]
