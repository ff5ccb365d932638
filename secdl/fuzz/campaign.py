"""One device fuzzed: sessions of operations, the stops they met, and what is left of each after triage.

The seat for other engines: a campaign needs a `Layout`, batches from a `Generator`, and a `Vm` that runs them. An
engine that is guided by coverage brings its own generator and transport, and leaves triage and reports as they are.
"""

import time
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.fuzz import discovery, firmware, qtest, reproducer
from secdl.fuzz.generator import Generator
from secdl.fuzz.incidents import Search, triage
from secdl.fuzz.plan import BarSeen, CrashFound, DevicePlan, DeviceResult
from secdl.fuzz.triage import classify
from secdl.fuzz.vm import NotStarted, Stopped, Vm
from secdl.model.errors import SecdlError

SESSION = 20_000
_NOTHING = ("inl 0xcf8",)


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
    crashes: tuple[CrashFound, ...] = ()
    try:
        crashes = triage(campaign.search, out)
    except SecdlError as error:
        fault = fault or f"triage: {error}"
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
        stops=campaign.search.counts.total(),
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
        loaded=tuple(sorted(campaign.loaded)),
    )


class _Campaign:
    """State of one device's campaign."""

    def __init__(self, plan: DevicePlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.operations = self.refused = self.sessions = 0
        self.cut_short = ""
        self.loaded: frozenset[str] = frozenset()
        self.stream = sha256()
        builtin = discovery.addresses(plan.machine, folder)
        with Vm(plan.target, folder=folder) as vm:
            layout = discovery.survey(vm, plan.model, builtin=builtin)
        with Vm(plan.target, folder=folder) as vm:
            vm.ask(layout.base() or _NOTHING)
            probe = discovery.probe(vm, layout)
        self.layout, self.probed = probe.layout, len(probe.lines)
        self.search = Search(plan=plan, folder=folder, layout=self.layout)
        if probe.stop is not None:
            # Reading and writing each register once is fuzzing too.
            self.search.met(probe.stop, probe.lines, (), session=-1)
        self.generator = Generator(self.layout, seed=plan.seed, device=plan.device)

    def run(self) -> str:
        """Sends the planned operations; gives the fault that ended it early, or nothing."""
        while (left := self.plan.operations - self.operations - self.refused) > 0:
            stops = self.search.counts.total()
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

    def _session(self, index: int, size: int) -> None:
        sent: list[str] = []
        with Vm(self.plan.target, folder=self.folder) as vm:
            vm.ask(self.layout.base() or _NOTHING)
            self.loaded |= vm.loaded()
            for lines in self.generator.session(index, size):
                batch = vm.run(lines, watchdog_s=self.plan.watchdog_s)
                good = qtest.succeeded(batch.replies)
                self.operations += good
                self.refused += len(batch.replies) - good
                if batch.stop is not None:
                    self.search.met(batch.stop, sent, lines, session=index)
                    return
                self.stream.update("\n".join(lines).encode())
                sent += lines
            stop = reproducer.settle(vm, watchdog_s=self.plan.watchdog_s).stop
            if stop is not None:
                self.search.met(stop, sent, (), session=index)
