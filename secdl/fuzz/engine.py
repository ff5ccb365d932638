"""The campaigns of one `[[fuzz]]`, in parallel, and what they add up to."""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.context import ForkProcess
from pathlib import Path

import msgspec

from secdl.fuzz import firmware, surface
from secdl.fuzz.campaign import fuzz_device
from secdl.fuzz.devices import DeviceModel, load_models, model_of
from secdl.fuzz.plan import DevicePlan, DeviceResult
from secdl.fuzz.vm import Target, die_with_parent
from secdl.model import codec
from secdl.model.errors import ToolFailed
from secdl.run.store import sha256_of

CANARIES = ("crash", "abort", "hang")
# A miss is as likely as e^-26: the planted bugs take 2,300 operations on average.
CANARY_OPERATIONS = 60_000
DEADLINE_S = 600.0
_MACHINE = ("-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none", "-no-shutdown", "-m", "128M")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of the engine is asked to do. `deadline_s` is a watchdog; operations are the budget."""

    name: str
    binary: Path
    devices: tuple[str, ...]
    machine: str = "q35"
    operations: int = 100_000
    seed: int = 1
    jobs: int = 1
    canaries: tuple[str, ...] = CANARIES
    deadline_s: float = DEADLINE_S


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """`coverage.json`: what was fuzzed, and of how much. `reachable` counts the binary's device types on PCI
    and on any other bus that a fuzzed device sits on. `loaded` maps the files that the devices ran from to their
    sha256, empty for one that is gone: nothing can equal that."""

    schema: int = 1
    name: str
    binary: surface.Binary
    machine: str
    seed: int
    reachable: dict[str, int]
    devices: tuple[DeviceResult, ...]
    canaries: tuple[DeviceResult, ...]
    loaded: dict[str, str]

    @property
    def operations(self) -> int:
        """Operations that the devices answered, canaries excluded."""
        return sum(device.operations for device in self.devices)


def run(order: Order, *, out: Path) -> Coverage:
    """Runs every campaign of `order`; reproducers go to `out`/reproducers. Raises `ToolFailed` where none can run."""
    models = load_models()
    deadline = time.monotonic() + order.deadline_s
    binary = surface.identify(order.binary)
    types = surface.list_devices(order.binary, models=models)
    buses = {"pci"} | {device.reach for device in types if device.name in order.devices}
    reachable = {bus: sum(device.reach == bus for device in types) for bus in sorted(buses)}
    plans = [_plan(order, device, models, binary, deadline) for device in dict.fromkeys(order.devices)]
    planted = [_canary(order, bug, deadline) for bug in order.canaries]
    with _private_folder() as folder:
        results = _all(planted + plans, jobs=order.jobs, folder=folder, out=out)
    devices = tuple(results[len(planted) :])
    return Coverage(
        name=order.name,
        binary=binary,
        machine=order.machine,
        seed=order.seed,
        reachable=reachable,
        devices=devices,
        canaries=tuple(results[: len(planted)]),
        loaded={name: _digest(Path(name)) for name in sorted({name for one in devices for name in one.loaded})},
    )


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""


def machine_argv(binary: Path, machine: str) -> tuple[str, ...]:
    """The arguments of a machine without the device, everything that decides what a guest sees pinned."""
    return (str(binary), "-machine", machine, "-cpu", "qemu64", *_MACHINE, "-bios", firmware.NAME)


def _plan(
    order: Order, device: str, models: Mapping[str, DeviceModel], binary: surface.Binary, deadline: float
) -> DevicePlan:
    return DevicePlan(
        device=device,
        machine=Target(argv=machine_argv(order.binary, order.machine)),
        model=model_of(device, models),
        operations=order.operations,
        seed=order.seed,
        binary_sha256=binary.sha256,
        version=binary.version,
        deadline=deadline,
    )


def _canary(order: Order, bug: str, deadline: float) -> DevicePlan:
    python = Path(sys.executable)
    program = Path(__file__).with_name("canary.py")
    return DevicePlan(
        device=f"canary-{bug}",
        machine=Target(argv=(str(python), "-I", "-S", str(program))),
        model=DeviceModel(about=f"planted bug: {bug}", argv=("--device", bug)),
        operations=CANARY_OPERATIONS,
        seed=order.seed,
        version="secdl canary",
        deadline=deadline,
        watchdog_s=0.5,
        attempts=1,
        most_stops=1,
        lifetime=CANARY_OPERATIONS,
        replays=4 if bug == "hang" else 16,
    )


def _all(plans: Sequence[DevicePlan], *, jobs: int, folder: Path, out: Path) -> list[DeviceResult]:
    """The results of `plans` in their order; each runs in a process of its own, `jobs` at a time."""
    # Forked, not spawned: this process has one thread and no helper process must outlive it.
    context = multiprocessing.get_context("fork")
    waiting = list(enumerate(plans))
    running: list[tuple[int, ForkProcess]] = []
    try:
        while waiting or running:
            while waiting and len(running) < max(1, jobs):
                number, plan = waiting.pop(0)
                worker = context.Process(target=_work, args=(plan, number, folder, out, os.getpid()))
                worker.start()
                running.append((number, worker))
                _say(f"{plan.device}: {plan.operations:,} operations")
            connection.wait([worker.sentinel for _, worker in running])
            ended = [(number, worker) for number, worker in running if worker.exitcode is not None]
            for number, worker in ended:
                running.remove((number, worker))
                if worker.exitcode:
                    raise ToolFailed(f"its worker ended with {worker.exitcode}", where=plans[number].device)
                _say(_summary(_result(folder, number)))
    finally:
        for _, worker in running:
            worker.kill()
            worker.join()
    return [_result(folder, number) for number in range(len(plans))]


def _work(plan: DevicePlan, number: int, folder: Path, out: Path, parent: int) -> None:
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = folder / str(number)
    place.mkdir()
    result = fuzz_device(plan, folder=place, out=out / "reproducers")
    (place / "result.json").write_bytes(codec.encode(result))


def _result(folder: Path, number: int) -> DeviceResult:
    return codec.load(folder / str(number) / "result.json", DeviceResult)


def _summary(result: DeviceResult) -> str:
    if result.fault:
        return f"{result.device}: {result.fault}"
    stops = f"{result.stops} stops, {len(result.crashes)} crash states" if result.stops else "no stop"
    return f"{result.device}: {result.operations:,} operations in {result.seconds:.1f} s, {stops}"


def _say(text: str) -> None:
    sys.stderr.write(f"fuzz: {text}\n")
    sys.stderr.flush()


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder of this run's own, gone at its end and on SIGTERM."""
    folder = Path(tempfile.mkdtemp(prefix="secdl-fuzz-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
