"""The engine's command line. Exit 0: ran to the end, whatever it found. 2: wrong arguments. 3: nothing could run."""

import argparse
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from secdl.fuzz import engine, report
from secdl.model import codec
from secdl.model.errors import SecdlError, ToolFailed


def main(argv: list[str]) -> int:
    """Runs the engine as `argv` says; gives the exit status."""
    order, out = _order(argv)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        coverage = engine.run(order, out=out.parent)
        if not coverage.operations:
            faults = "; ".join(device.fault for device in coverage.devices if device.fault)
            raise ToolFailed(f"no operation was executed: {faults or 'no device'}", where=order.name)
        (out.parent / "coverage.json").write_bytes(codec.encode(coverage))
        out.write_bytes(report.document(coverage))
    except SecdlError as error:
        sys.stderr.write(f"fuzz: {error}\n")
        return error.exit_status
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _order(argv: list[str]) -> tuple[engine.Order, Path]:
    parser = argparse.ArgumentParser(prog="python -m secdl.fuzz", description="black-box device fuzzing over qtest")
    parser.add_argument("devices", nargs="+", metavar="DEVICE")
    parser.add_argument("--name", default="qemu")
    parser.add_argument("--binary", default="qemu-system-x86_64")
    parser.add_argument("--machine", default="q35")
    parser.add_argument("--operations", type=int, default=100_000, help="per device")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="devices at a time")
    parser.add_argument("--deadline", type=float, default=engine.DEADLINE_S, help="seconds in all, a watchdog")
    parser.add_argument("--no-canary", action="store_true", help="leave the planted bugs out")
    parser.add_argument(
        "--out", type=Path, required=True, help="SARIF file; coverage.json and reproducers/ go beside it"
    )
    options = parser.parse_args(argv)
    if options.operations < 1 or options.jobs < 1 or options.seed < 0:
        parser.error("--operations and --jobs are at least 1, --seed at least 0")
    binary = shutil.which(options.binary)
    if binary is None:
        parser.error(f"--binary {options.binary}: not found or not executable")
    order = engine.Order(
        name=options.name,
        binary=Path(binary).resolve(),
        devices=tuple(options.devices),
        machine=options.machine,
        operations=options.operations,
        seed=options.seed,
        jobs=options.jobs,
        canaries=() if options.no_canary else engine.CANARIES,
        deadline_s=options.deadline,
    )
    return order, options.out.resolve()


def _end(number: int, _frame: FrameType | None) -> None:
    # Unwinds through every `finally`: workers are killed, temporary files go.
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
