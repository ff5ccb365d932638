"""When silence is a hang."""

import os
import time
from pathlib import Path

TICK_S = 0.1
# A starved machine must not look like a hang: the watchdog counts CPU seconds. Only where the process sleeps does the
# wall clock count, at four times that; where it wants to run and is not let, or waits for a disk, at forty times.
SLEEP_FACTOR = 4.0
_STARVED_FACTOR = 40.0


class Progress:
    """Whether replies still come, by the CPU time of the process that owes them."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._count = -1
        self._wall = self._cpu = 0.0

    def stalled(self, count: int, allowed_s: float) -> bool:
        """Whether, with `count` replies so far, the last one is longer ago than `allowed_s` of its own time allows."""
        now = time.monotonic()
        if count != self._count:
            self._count, self._wall, self._cpu = count, now, -1.0
            return False
        waited = now - self._wall
        if waited < TICK_S:
            return False
        cpu, runs = self._look()
        if self._cpu < 0:
            self._cpu = cpu
        patience = _STARVED_FACTOR if runs else SLEEP_FACTOR
        return cpu - self._cpu >= allowed_s or waited >= allowed_s * patience

    def _look(self) -> tuple[float, bool]:
        """CPU seconds of the process, and whether its first thread, which answers, runs or would if it could."""
        try:
            fields = self._stat.read_text().rpartition(")")[2].split()
        except OSError:
            return self._cpu, False
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] in "RD"
