"""Stops as they were met, made small, checked in fresh processes and written down."""

import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from secdl.fuzz import reproducer
from secdl.fuzz.generator import Layout
from secdl.fuzz.minimise import minimise
from secdl.fuzz.plan import CrashFound, DevicePlan
from secdl.fuzz.triage import Crash, classify
from secdl.fuzz.vm import Stop, StopKind
from secdl.model.finding import Level

Test = Callable[[Sequence[str], reproducer.Mode], bool]
_TRIAGED_A_KIND = 2
_HANG_REPLAYS = 24
_HANG_ATTEMPTS = 2
_HANG_S = 2.0
# Watchdogs: a slow device must not turn one stop into minutes, nor a busy machine a small script into a long one.
_MINIMISE_CPU_S = 8.0
_MINIMISE_WALL_S = 30.0


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A stop as it was met: everything that its process had been sent."""

    stop: Stop
    crash: Crash
    base: tuple[str, ...]
    lines: tuple[str, ...]
    session: int


class Search(msgspec.Struct, kw_only=True):
    """The stops of one device so far: how often each state was met, and the shortest sessions that led to it."""

    plan: DevicePlan
    folder: Path
    layout: Layout
    counts: Counter[tuple[str, ...]] = msgspec.field(default_factory=Counter)
    incidents: dict[tuple[str, ...], list[Incident]] = {}

    def met(self, stop: Stop, before: Sequence[str], last: Sequence[str], *, session: int) -> None:
        """Notes a `stop` in the batch `last`, sent after `before`."""
        crash = classify(stop)
        self.counts[crash.state] += 1
        # Commands after the one that got no answer were never read.
        lines = (*before, *last[: stop.answered + 1])
        kept = self.incidents.setdefault(crash.state, [])
        kept.append(Incident(stop=stop, crash=crash, base=self.layout.base(), lines=lines, session=session))
        # The shortest session is the cheapest to make smaller.
        kept.sort(key=lambda incident: len(incident.lines))
        del kept[_TRIAGED_A_KIND if vague(crash) else 1 :]


def triage(search: Search, out: Path) -> tuple[CrashFound, ...]:
    """One `CrashFound` per crash state, sorted; reproducers go to `out`. Raises `NotStarted`."""
    found: dict[tuple[str, ...], CrashFound] = {}
    for incident in (incident for met in search.incidents.values() for incident in met):
        result = _reproduce(search, incident, out)
        found.setdefault(result.state, result)
    return tuple(found[state] for state in sorted(found))


def vague(crash: Crash) -> bool:
    """Whether several bugs may have this state: a bare signal and a hang say nothing of their cause."""
    return crash.state[-1].startswith("SIG") or crash.rule == "fuzz.hang"


def _reproduce(search: Search, incident: Incident, out: Path) -> CrashFound:
    plan, layout = search.plan, search.layout
    hang = incident.stop.kind is StopKind.HANG
    attempts = min(_HANG_ATTEMPTS, plan.attempts) if hang else plan.attempts
    full = incident.base + incident.lines
    test = _test(search, incident)
    found = next((mode for mode in reproducer.MODES if test(full, mode)), None)
    mode = found or reproducer.MODES[0]
    lines = full
    if found is not None:
        lines = incident.base + _smaller(plan, incident, lambda part: test(incident.base + part, mode))
    reproduced, mode = _count(test, lines, mode, attempts)
    if not reproduced and lines != full:
        # What held once while it was made smaller was luck: the whole session is the better witness.
        lines = full
        reproduced, mode = _count(test, lines, mode, attempts)
    crash = incident.crash
    last = _last(layout, lines)
    state = (*crash.state, last) if vague(crash) and reproduced else crash.state
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
        count=search.counts[crash.state],
        reproduced=reproduced,
        attempts=attempts,
        operations=len(lines),
        script=script.name,
        last=last,
    )


def _test(search: Search, incident: Incident) -> Test:
    """The question whether lines stop a fresh process in the incident's way."""
    plan = search.plan
    watchdog_s = min(plan.watchdog_s, _HANG_S) if incident.stop.kind is StopKind.HANG else plan.watchdog_s

    def test(lines: Sequence[str], mode: reproducer.Mode) -> bool:
        stop = reproducer.replay(lines, plan.target, folder=search.folder, mode=mode, watchdog_s=watchdog_s)
        return stop is not None and classify(stop).state == incident.crash.state

    return test


def _count(test: Test, lines: Sequence[str], mode: reproducer.Mode, attempts: int) -> tuple[int, reproducer.Mode]:
    """How often of `attempts` the lines stop a process, and the way of sending them that does so most often."""
    best, best_mode = sum(test(lines, mode) for _ in range(attempts)), mode
    for other in reproducer.MODES:
        if best < attempts and other != mode and (count := sum(test(lines, other) for _ in range(attempts))) > best:
            best, best_mode = count, other
    return best, best_mode


def _smaller(plan: DevicePlan, incident: Incident, test: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...]:
    """Fewer of the incident's lines. The base state stays: a script without it would reach no device."""
    end = min(plan.deadline, time.monotonic() + _MINIMISE_WALL_S)
    cpu_end = _cpu_s() + _MINIMISE_CPU_S
    replays = min(_HANG_REPLAYS, plan.replays) if incident.stop.kind is StopKind.HANG else plan.replays

    def stops(part: tuple[str, ...]) -> bool:
        return time.monotonic() < end and _cpu_s() < cpu_end and test(part)

    return minimise(incident.lines, stops, replays=replays)


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _last(layout: Layout, lines: Sequence[str]) -> str:
    """The last register that was touched, as region and offset."""
    places = (layout.place(line) for line in reversed(lines))
    return next((place.split()[1] for place in places if "+" in place), lines[-1])
