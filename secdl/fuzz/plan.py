"""What a campaign is asked to do with one device, and what it says it did: an entry of `coverage.json`."""

import msgspec
from msgspec.structs import replace

from secdl.fuzz.devices import DeviceModel
from secdl.fuzz.minimise import REPLAYS
from secdl.fuzz.reproducer import ATTEMPTS
from secdl.fuzz.vm import WATCHDOG_S, Target
from secdl.model.finding import Level

# A device that stops after every few operations is found out soon; more of the same teaches nothing.
MOST_STOPS = 40
SHORT_LIFE = 2_000


class DevicePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with one device. `machine` is the target without it; `deadline` a moment of the monotonic
    clock, and only a watchdog; `replays` bounds the minimising of one stop, `most_stops` the
    stops it takes to call it a day where a process lives less than `lifetime` operations."""

    device: str
    machine: Target
    model: DeviceModel
    operations: int
    seed: int
    binary_sha256: str = ""
    version: str = ""
    deadline: float = float("inf")
    watchdog_s: float = WATCHDOG_S
    attempts: int = ATTEMPTS
    replays: int = REPLAYS
    most_stops: int = MOST_STOPS
    lifetime: int = SHORT_LIFE

    @property
    def target(self) -> Target:
        """The machine with the device."""
        return replace(self.machine, argv=(*self.machine.argv, *self.model.argv))


class BarSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A window of the device and how much of it answers."""

    name: str
    io: bool
    addr: int
    size: int
    live: int


class CrashFound(msgspec.Struct, frozen=True, kw_only=True):
    """One crash state. `count` is how often the campaign met it; `script` the reproducer's file name."""

    rule: str
    level: Level
    title: str
    state: tuple[str, ...]
    cwe: tuple[str, ...]
    count: int
    reproduced: int
    attempts: int
    operations: int
    script: str
    last: str = ""


class DeviceResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one device. `operations` were answered with OK, of `planned`; `fault` says in one line why it
    was not done whole; `cut_short` why that was enough all the same. `registers_live` answered a probe, and
    `registers_touched` of them were used; `offsets_touched` counts every distinct place in its windows.
    `loaded` are the files of the program, its libraries and its modules."""

    device: str
    about: str = ""
    started: bool = False
    fault: str = ""
    cut_short: str = ""
    planned: int = 0
    operations: int = 0
    refused: int = 0
    probe_operations: int = 0
    sessions: int = 0
    stops: int = 0
    seconds: float = 0.0
    triage_seconds: float = 0.0
    operations_per_s: float = 0.0
    registers_live: int = 0
    registers_touched: int = 0
    offsets_touched: int = 0
    stream_sha256: str = ""
    pci: tuple[str, ...] = ()
    bars: tuple[BarSeen, ...] = ()
    crashes: tuple[CrashFound, ...] = ()
    argv: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
