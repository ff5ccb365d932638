"""`secdl import` + `secdl gate` against a baseline, beside `sarif diff` of sarif-tools, on the same two files.

Prints CPU seconds and peak memory of each process, and the ratio that must stay below 0.4. A million results show that
cost grows in line with size. Run by `nox -s bench`; sarif-tools is in an environment of its own (`--sarif-tools`).
"""

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench import sarif_results

RATIO_LIMIT = 0.4
RSS_LIMIT_MB = 200
TENFOLD_RSS_LIMIT_MB = 1_500
_ROOT = Path(__file__).resolve().parent.parent
LINEAR_LIMIT = 12.0
"""CPU of ten times the results over CPU of the results, at most: in line, and a fifth for noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process cost, its children included."""

    cpu_s: float
    rss_mb: float
    exit_status: int
    output: str


def measure(argv: list[str], folder: Path) -> Cost:
    """The cost of running `argv` in `folder` to its end."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write_end, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.chdir(folder)
        try:
            # As installed: with the byte code that pip writes, on both sides.
            kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
            os.execve(argv[0], argv, kept | {"PYTHONPATH": str(_ROOT)})
        finally:
            os._exit(127)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        output = pipe.read().decode()
    _, status, usage = os.wait4(child, 0)
    return Cost(
        cpu_s=usage.ru_utime + usage.ru_stime,
        rss_mb=usage.ru_maxrss / 1024,
        exit_status=os.waitstatus_to_exitcode(status),
        output=output,
    )


def judged(new: Path, old: Path, folder: Path) -> tuple[Cost, Cost]:
    """The costs of importing `new` and of judging it against `old`."""
    secdl = [sys.executable, "-m", "secdl"]
    taken = measure([*secdl, "import", str(new)], folder)
    if taken.exit_status != 0:
        sys.exit(f"secdl import: exit status {taken.exit_status}")
    run = taken.output.strip().splitlines()[-1]
    gate = measure([*secdl, "gate", run, "--baseline", str(old)], folder)
    # PARTIAL, or FAIL for what is new; anything else means that nothing was compared.
    if gate.exit_status not in (0, 1):
        sys.exit(f"secdl gate: exit status {gate.exit_status}")
    return taken, gate


def bench(results: int, folder: Path, sarif: str, *, rounds: int = 1) -> tuple[float, float, float]:
    """Measures `results` results; gives secdl's CPU seconds, its peak MB and the ratio to sarif-tools' CPU (0 where not
    asked). Of several rounds, both programs in turn, the one with the middle ratio counts: on a shared machine the same
    work costs half as much again from one minute to the next."""
    old, new = folder / "old.sarif", folder / "new.sarif"
    sarif_results.write(old, results=results, moved=False)
    sarif_results.write(new, results=results, moved=True)
    found = sorted((_round(results, old, new, folder, sarif) for _ in range(rounds)), key=lambda one: one[2])
    return found[len(found) // 2]


def _round(results: int, old: Path, new: Path, folder: Path, sarif: str) -> tuple[float, float, float]:
    taken, gate = judged(new, old, folder)
    cpu, rss = taken.cpu_s + gate.cpu_s, max(taken.rss_mb, gate.rss_mb)
    print(f"{results:>9,} results  secdl import {taken.cpu_s:6.2f} s {taken.rss_mb:5.0f} MB")
    print(f"{'':>18} secdl gate   {gate.cpu_s:6.2f} s {gate.rss_mb:5.0f} MB")
    if not sarif:
        return cpu, rss, 0.0
    theirs = measure([sarif, "diff", str(old), str(new)], folder)
    print(f"{'':>18} sarif diff   {theirs.cpu_s:6.2f} s {theirs.rss_mb:5.0f} MB")
    print(f"{'':>18} ratio of CPU {cpu / theirs.cpu_s:6.2f}")
    return cpu, rss, cpu / theirs.cpu_s


def _warm(folder: Path, sarif: str) -> None:
    old, new = folder / "old.sarif", folder / "new.sarif"
    sarif_results.write(old, results=100, moved=False)
    sarif_results.write(new, results=100, moved=True)
    judged(new, old, folder)
    measure([sarif, "diff", str(old), str(new)], folder)


def main() -> int:
    """Runs the benchmark; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure; the middle ratio counts")
    either = argparse.BooleanOptionalAction
    parser.add_argument("--tenfold", action=either, default=True, help="measure ten times as many results, too")
    beside = Path(sys.executable).with_name("sarif")
    parser.add_argument("--sarif-tools", default=str(beside), help="the `sarif` program of sarif-tools 3.0.5")
    options = parser.parse_args()
    if not Path(options.sarif_tools).is_file():
        sys.exit(f"{options.sarif_tools}: not there; install sarif-tools 3.0.5, or run `nox -s bench`")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        _warm(Path(name), options.sarif_tools)
        cpu, rss, ratio = bench(options.results, Path(name), options.sarif_tools, rounds=options.rounds)
        print(f"{'':>18} middle ratio {ratio:6.2f}    (at most {RATIO_LIMIT})")
        failed |= ratio > RATIO_LIMIT or rss > RSS_LIMIT_MB
        if options.tenfold:
            more_cpu, more_rss, _ = bench(10 * options.results, Path(name), "")
            print(f"{'':>18} ten times as many cost {more_cpu / cpu:.1f} times (at most {LINEAR_LIMIT})")
            failed |= more_cpu > LINEAR_LIMIT * cpu or more_rss > TENFOLD_RSS_LIMIT_MB
    print("over the limit" if failed else "within the limits")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
