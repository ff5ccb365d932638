"""One device fuzzed: sessions of operations, the stops they met, and what is left of each after triage.

The seat for other engines: a campaign needs a `Layout`, batches from a `Generator`, and a `Vm` that runs them. An
engine that is guided by coverage brings its own generator and transport, and leaves triage and reports as they are.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.fuzz import discovery, firmware, qtest, reproducer
from secdl.fuzz.devices import DeviceModel
from secdl.fuzz.generator import Generator, Layout
from secdl.fuzz.minimise import REPLAYS, minimise
from secdl.fuzz.triage import Crash, classify
from secdl.fuzz.vm import WATCHDOG_S, NotStarted, Stop, StopKind, Stopped, Target, Vm
from secdl.model.errors import SecdlError
from secdl.model.finding import Level

SESSION = 20_000
# A device that stops after every few operations is found out soon; more of the same teaches nothing.
MOST_STOPS = 40
SHORT_LIFE = 2_000
_TRIAGED_A_KIND = 2
_HANG_REPLAYS = 24
_HANG_ATTEMPTS = 2
_HANG_S = 2.0
# A watchdog: a slow device must not turn one stop into minutes.
_MINIMISE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
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
    attempts: int = reproducer.ATTEMPTS
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
    `registers_touched` of them were used; `offsets_touched` counts every distinct place in its windows."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Incident:
    """A stop as it was met: everything that its process had been sent."""

    stop: Stop
    crash: Crash
    base: tuple[str, ...]
    lines: tuple[str, ...]
    session: int


def fuzz_device(plan: DevicePlan, *, folder: Path, out: Path) -> DeviceResult:
    """Fuzzes one device; reproducers go to `out`, temporary files to `folder`. Faults are in the result."""
    began = time.monotonic()
    firmware.place(folder)
    empty = DeviceResult(device=plan.device, about=plan.model.about, planned=plan.operations, argv=plan.target.argv)
    try:
        campaign = _Campaign(plan, folder)
    except Stopped as stopped:
        how = classify(stopped.stop).title
        return msgspec.structs.replace(empty, fault=f"{how} while it is set up", seconds=time.monotonic() - began)
    except SecdlError as error:
        return msgspec.structs.replace(empty, fault=str(error), seconds=time.monotonic() - began)
    fault = campaign.run()
    seconds = time.monotonic() - began
    crashes = _triage(campaign, out)
    layout = campaign.layout
    bars = (
        BarSeen(name=region.name, io=region.io, addr=region.addr, size=region.size, live=len(region.live))
        for region in layout.regions
    )
    return msgspec.structs.replace(
        empty,
        started=True,
        fault=fault,
        cut_short=campaign.cut_short,
        operations=campaign.operations,
        refused=campaign.refused,
        probe_operations=campaign.probed,
        sessions=campaign.sessions,
        stops=campaign.stops.total(),
        seconds=round(seconds, 3),
        operations_per_s=round(campaign.operations / max(seconds, 1e-3), 1),
        registers_live=sum(len(region.live) for region in layout.regions),
        registers_touched=sum(
            (region.name, offset) in campaign.generator.touched for region in layout.regions for offset in region.live
        ),
        offsets_touched=len(campaign.generator.touched),
        stream_sha256=campaign.stream.hexdigest(),
        pci=tuple(f"{function.address} {function.id}" for function in layout.functions),
        bars=tuple(bars),
        triage_seconds=round(time.monotonic() - began - seconds, 3),
        crashes=crashes,
    )


class _Campaign:
    """State of one device's campaign."""

    def __init__(self, plan: DevicePlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.operations = self.refused = self.probed = self.sessions = 0
        self.stream = sha256()
        self.cut_short = ""
        self.stops: Counter[tuple[str, ...]] = Counter()
        self.incidents: dict[tuple[str, ...], list[_Incident]] = {}
        self.layout = self._look()
        self.generator = Generator(self.layout, seed=plan.seed, device=plan.device)

    def run(self) -> str:
        """Sends the planned operations; gives the fault that ended it early, or nothing."""
        while (left := self.plan.operations - self.operations - self.refused) > 0:
            stops = self.stops.total()
            if stops >= self.plan.most_stops and self.operations < stops * self.plan.lifetime:
                self.cut_short = f"stopped {stops} times in {self.operations:,} operations"
                return ""
            if time.monotonic() > self.plan.deadline:
                return f"{self.operations:,} of {self.plan.operations:,} operations before the deadline"
            try:
                self._session(self.sessions, min(SESSION, left))
            except (NotStarted, qtest.NotQtest, Stopped) as error:
                return f"session {self.sessions}: {error}"
            self.sessions += 1
        return "" if self.operations else "no operation was answered"

    def _look(self) -> Layout:
        builtin = discovery.addresses(self.plan.machine, self.folder)
        with Vm(self.plan.target, folder=self.folder) as vm:
            layout = discovery.survey(vm, self.plan.model, builtin=builtin)
        with Vm(self.plan.target, folder=self.folder) as vm:
            vm.ask(layout.base() or ("inl 0xcf8",))
            found = discovery.probe(vm, layout)
            self.probed = len(found.lines)
            if found.stop is not None:
                # Reading and writing each register once is fuzzing too.
                self._met(found.stop, layout.base(), found.lines, (), session=-1)
            return found.layout

    def _session(self, index: int, size: int) -> None:
        sent: list[str] = []
        base = self.layout.base() or ("inl 0xcf8",)
        with Vm(self.plan.target, folder=self.folder) as vm:
            vm.ask(base)
            for lines in self.generator.session(index, size):
                batch = vm.run(lines, watchdog_s=self.plan.watchdog_s)
                good = qtest.succeeded(batch.replies)
                self.operations += good
                self.refused += len(batch.replies) - good
                if batch.stop is not None:
                    self._met(batch.stop, base, tuple(sent), tuple(lines), session=index)
                    return
                self.stream.update("\n".join(lines).encode())
                sent += lines
            stop = reproducer.settle(vm, watchdog_s=self.plan.watchdog_s).stop
            if stop is not None:
                self._met(stop, base, tuple(sent), (), session=index)

    def _met(
        self, stop: Stop, base: tuple[str, ...], before: tuple[str, ...], last: tuple[str, ...], *, session: int
    ) -> None:
        crash = classify(stop)
        self.stops[crash.state] += 1
        # Commands after the one that got no answer were never read.
        lines = before + last[: stop.answered + 1]
        met = self.incidents.setdefault(crash.state, [])
        met.append(_Incident(stop=stop, crash=crash, base=base, lines=lines, session=session))
        # The shortest session is the cheapest to make smaller. A bare signal may be several bugs.
        met.sort(key=lambda incident: len(incident.lines))
        del met[_TRIAGED_A_KIND if _vague(crash) else 1 :]


def _triage(campaign: _Campaign, out: Path) -> tuple[CrashFound, ...]:
    found: dict[tuple[str, ...], CrashFound] = {}
    for incident in (incident for met in campaign.incidents.values() for incident in met):
        result = _reproduce(campaign, incident, out)
        found.setdefault(result.state, result)
    return tuple(found[state] for state in sorted(found))


def _vague(crash: Crash) -> bool:
    return crash.state[-1].startswith("SIG") or crash.rule == "fuzz.hang"


def _reproduce(campaign: _Campaign, incident: _Incident, out: Path) -> CrashFound:
    plan, layout = campaign.plan, campaign.layout
    hang = incident.stop.kind is StopKind.HANG
    attempts = min(_HANG_ATTEMPTS, plan.attempts) if hang else plan.attempts
    full = incident.base + incident.lines
    test = _test(campaign, incident)
    found = next((mode for mode in reproducer.MODES if test(full, mode)), None)
    mode = found or reproducer.MODES[0]
    lines = full
    if found is not None:
        lines = incident.base + _smaller(plan, incident, lambda part: test(incident.base + part, mode))
    reproduced = sum(test(lines, mode) for _ in range(attempts))
    if not reproduced and lines != full:
        # What held once while it was made smaller was luck: the whole session is the better witness.
        lines = full
        reproduced = sum(test(lines, mode) for _ in range(attempts))
    crash = incident.crash
    last = _last(layout, lines)
    state = (*crash.state, last) if _vague(crash) and reproduced else crash.state
    known = reproducer.Reproducer(
        device=plan.device,
        rule=crash.rule,
        state=state,
        title=crash.title,
        argv=plan.target.argv,
        binary_sha256=plan.binary_sha256,
        version=plan.version,
        seed=plan.seed,
        session=incident.session,
        operations=len(lines),
        full_operations=len(full),
        reproduced=reproduced,
        attempts=attempts,
        mode=mode,
        stderr=incident.stop.stderr[-8000:],
    )
    script = reproducer.write(out, lines, full, known)
    return CrashFound(
        rule=crash.rule,
        level=crash.level if reproduced else Level.LOW,
        title=crash.title,
        state=state,
        cwe=crash.cwe,
        count=campaign.stops[crash.state],
        reproduced=reproduced,
        attempts=attempts,
        operations=len(lines),
        script=script.name,
        last=last,
    )


def _test(campaign: _Campaign, incident: _Incident) -> Callable[[Sequence[str], reproducer.Mode], bool]:
    """The question whether lines stop a fresh process in the incident's way."""
    plan = campaign.plan
    watchdog_s = min(plan.watchdog_s, _HANG_S) if incident.stop.kind is StopKind.HANG else plan.watchdog_s

    def test(lines: Sequence[str], mode: reproducer.Mode) -> bool:
        stop = reproducer.replay(lines, plan.target, folder=campaign.folder, mode=mode, watchdog_s=watchdog_s)
        return stop is not None and classify(stop).state == incident.crash.state

    return test


def _smaller(plan: DevicePlan, incident: _Incident, test: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...]:
    """Fewer of the incident's lines. The base state stays: a script without it would reach no device."""
    end = min(plan.deadline, time.monotonic() + _MINIMISE_S)
    replays = min(_HANG_REPLAYS, plan.replays) if incident.stop.kind is StopKind.HANG else plan.replays
    return minimise(incident.lines, lambda part: time.monotonic() < end and test(part), replays=replays)


def _last(layout: Layout, lines: Sequence[str]) -> str:
    """The last register that was touched, as region and offset."""
    places = (layout.place(line) for line in reversed(lines))
    return next((place.split()[1] for place in places if "+" in place), lines[-1])
