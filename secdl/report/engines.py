"""What secdl's own engines leave beside their findings: threat models and fuzzing campaigns, made ready to show."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Count
from secdl.model.finding import LEVELS
from secdl.model.record import Record
from secdl.model.threat import FORMAT as THREATS_FORMAT
from secdl.model.threat import Control, CoverageRow, Disposition, EvidenceLine, EvidenceState, ThreatReport

THREATS_FILE = "threats.json"
COVERAGE_FILE = "coverage.json"
HARDENING_FILE = "hardening.json"
THREATS_LISTED = 400

_STATES = tuple(EvidenceState)
_LEVELS = tuple(LEVELS)


class CrashSeen(msgspec.Struct, frozen=True):
    """One crash state of a device, as far as the page shows it."""

    title: str
    count: Count = 0
    reproduced: Count = 0
    attempts: Count = 0


class DeviceSeen(msgspec.Struct, frozen=True):
    """What was done to one device, as far as the page shows it."""

    device: str
    about: str = ""
    fault: str = ""
    planned: Count = 0
    operations: Count = 0
    sessions: Count = 0
    seconds: float = 0.0
    registers_live: Count = 0
    registers_touched: Count = 0
    crashes: tuple[CrashSeen, ...] = ()


class BinarySeen(msgspec.Struct, frozen=True):
    """The program that was fuzzed."""

    path: str
    sha256: str
    version: str


class Hardening(msgspec.Struct, frozen=True):
    """How one program was linked and compiled; None is "cannot be told"."""

    pie: bool | None = None
    relro: str | None = None
    canary: bool | None = None
    fortify: bool | None = None
    stack_executable: bool | None = None


class ProgramSeen(msgspec.Struct, frozen=True):
    """A program that guests, users or the network reach, and why it counts as one."""

    path: str
    why: str
    hardening: Hardening


class HardeningSeen(msgspec.Struct, frozen=True):
    """`hardening.json` of the image check: `totals` counts ELF files with each protection, of `elf_files`."""

    elf_files: Count
    totals: dict[str, Count]
    programs: tuple[ProgramSeen, ...]
    damaged: Count = 0


class FuzzSeen(msgspec.Struct, frozen=True):
    """`coverage.json` of the fuzzer, as far as the page shows it; `reachable` counts device types by bus."""

    name: str
    binary: BinarySeen
    machine: str
    seed: int
    reachable: dict[str, Count]
    devices: tuple[DeviceSeen, ...]
    canaries: tuple[DeviceSeen, ...]

    @property
    def done(self) -> int:
        """Devices that answered operations."""
        return sum(device.operations > 0 for device in self.devices)

    @property
    def total(self) -> int:
        """Device types of the binary on a bus that a guest reaches."""
        return sum(self.reachable.values())


class ControlRow(msgspec.Struct, frozen=True, kw_only=True):
    """A control and the state of each piece of its evidence in this run."""

    control: Control
    lines: tuple[EvidenceLine, ...]
    threats: int


class ThreatsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One threat model: `rows` worst first, `dispositions` and `states` counts that add up to `total`."""

    job: str
    report: ThreatReport
    rows: tuple[CoverageRow, ...]
    total: int
    live: int
    dispositions: tuple[tuple[str, int], ...]
    states: tuple[tuple[str, int], ...]
    controls: tuple[ControlRow, ...]
    crossing: int


def fuzzing(record: Record) -> tuple[tuple[str, FuzzSeen], ...]:
    """Every fuzzing job that left its coverage, in plan order."""
    found = []
    for job, raw in files(record, COVERAGE_FILE):
        try:
            found.append((job, codec.decode(raw, FuzzSeen, where=job)))
        except MalformedOutput:
            continue
    return tuple(found)


def hardening(record: Record) -> dict[str, HardeningSeen]:
    """By image, what the hardening check found; nothing for an image whose check left none."""
    found = {}
    for job, raw in files(record, HARDENING_FILE):
        try:
            found[job.partition("@")[2]] = codec.decode(raw, HardeningSeen, where=job)
        except MalformedOutput:
            continue
    return found


def threats(record: Record) -> tuple[ThreatsSeen, ...]:
    """Every threat model that was evaluated, in plan order."""
    found = []
    for job, raw in files(record, THREATS_FILE):
        try:
            report = codec.decode(raw, ThreatReport, where=job)
        except MalformedOutput:
            continue
        if report.format == THREATS_FORMAT:
            found.append(_threats(record, job, report))
    return tuple(found)


def _threats(record: Record, job: str, report: ThreatReport) -> ThreatsSeen:
    judged = record.threats.get(job)
    rows = sorted(judged.rows if judged else _unjudged(report), key=_worst)
    lines = judged.lines if judged else ()
    dispositions = Counter(row.disposition for row in rows)
    states = Counter(row.state for row in rows)
    resting = Counter(name for row in rows for name in set(row.controls))
    return ThreatsSeen(
        job=job,
        report=report,
        rows=tuple(rows[:THREATS_LISTED]),
        total=len(rows),
        live=sum(row.disposition is Disposition.MITIGATED and row.state is EvidenceState.LIVE for row in rows),
        dispositions=tuple((one.value, dispositions[one]) for one in Disposition),
        states=tuple((one.value, states[one]) for one in _STATES),
        controls=tuple(
            ControlRow(
                control=control,
                lines=tuple(line for line in lines if line.control == control.id),
                threats=resting[control.id],
            )
            for control in report.controls
        ),
        crossing=sum(flow.crosses for flow in report.flows),
    )


def _unjudged(report: ThreatReport) -> Iterator[CoverageRow]:
    """The answers as the table gives them, where nobody asked for their evidence: none of it is called live."""
    known = {threat.id: threat for threat in report.threats}
    for instance in report.instances:
        threat = known.get(instance.threat)
        yield CoverageRow(
            threat=instance.threat,
            title=threat.title if threat else "A data flow crosses a trust boundary",
            level=threat.level if threat else LEVELS[1],
            target=instance.target,
            disposition=instance.disposition,
            controls=instance.controls,
            state=EvidenceState.NOT_COVERED,
            note=instance.note,
            residual=instance.residual,
        )


def _worst(row: CoverageRow) -> tuple[bool, bool, int, int, str, str]:
    return (
        row.disposition is not Disposition.NONE,
        row.disposition is not Disposition.MITIGATED,
        _STATES.index(row.state),
        _LEVELS.index(row.level),
        row.threat,
        row.target,
    )


def counted(record: Record) -> frozenset[str]:
    """Jobs whose evidence counts: what others left beside theirs proves nothing."""
    return frozenset(summary.job for summary in record.verdict.evidence if summary.valid)


def files(record: Record, name: str) -> Iterator[tuple[str, bytes]]:
    """Each valid job's file `name`, in plan order, where there is one."""
    valid = counted(record)
    for evidence in record.evidence:
        if evidence.job in valid and (raw := record.file(evidence.job, name)) is not None:
            yield evidence.job, raw
