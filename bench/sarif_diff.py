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
from statistics import median

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round gave: secdl's CPU over that of sarif-tools on the same two files, secdl's CPU for ten times as
    many results over its CPU for these (`growth`, 0 where not asked), and peak memory of both in MB."""

    ratio: float
    growth: float
    rss_mb: float
    tenfold_rss_mb: float


def _round(results: int, folder: Path, sarif: str, *, tenfold: bool) -> Round:
    old, new = _reports(folder, results)
    cpu, rss = _secdl(results, folder)
    theirs = measure([sarif, "diff", str(old), str(new)], folder)
    print(f"{'':>18} sarif diff   {theirs.cpu_s:6.2f} s {theirs.rss_mb:5.0f} MB")
    print(f"{'':>18} ratio of CPU {cpu / theirs.cpu_s:6.2f}")
    more_cpu, more_rss = _secdl(10 * results, folder) if tenfold else (0.0, 0.0)
    return Round(ratio=cpu / theirs.cpu_s, growth=more_cpu / cpu, rss_mb=rss, tenfold_rss_mb=more_rss)


def _secdl(results: int, folder: Path) -> tuple[float, float]:
    """CPU seconds of both commands on reports of `results` results, and the larger peak in MB."""
    old, new = _reports(folder, results)
    taken, gate = judged(new, old, folder)
    print(f"{results:>9,} results  secdl import {taken.cpu_s:6.2f} s {taken.rss_mb:5.0f} MB")
    print(f"{'':>18} secdl gate   {gate.cpu_s:6.2f} s {gate.rss_mb:5.0f} MB")
    return taken.cpu_s + gate.cpu_s, max(taken.rss_mb, gate.rss_mb)


def _reports(folder: Path, results: int) -> tuple[Path, Path]:
    """An old and a new report of `results` results in `folder`, made where they are missing."""
    old, new = folder / f"old-{results}.sarif", folder / f"new-{results}.sarif"
    for path in (old, new):
        if not path.exists():
            sarif_results.write(path, results=results, moved=path == new)
    return old, new


def _warm(folder: Path, sarif: str) -> None:
    old, new = _reports(folder, 100)
    judged(new, old, folder)
    measure([sarif, "diff", str(old), str(new)], folder)


def main() -> int:
    """Runs the benchmark; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="how often to measure; the middle one counts")
    either = argparse.BooleanOptionalAction
    parser.add_argument("--tenfold", action=either, default=True, help="measure ten times as many results, too")
    beside = Path(sys.executable).with_name("sarif")
    parser.add_argument("--sarif-tools", default=str(beside), help="the `sarif` program of sarif-tools 3.0.5")
    options = parser.parse_args()
    if not Path(options.sarif_tools).is_file():
        sys.exit(f"{options.sarif_tools}: not there; install sarif-tools 3.0.5, or run `nox -s bench`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _warm(folder, options.sarif_tools)
        rounds = [
            _round(options.results, folder, options.sarif_tools, tenfold=options.tenfold) for _ in range(options.rounds)
        ]
    # On a shared machine the same work costs half as much again from one minute to the next.
    ratio, growth = median(one.ratio for one in rounds), median(one.growth for one in rounds)
    print(f"{'':>18} middle ratio {ratio:6.2f}    (at most {RATIO_LIMIT})")
    if options.tenfold:
        print(f"{'':>18} ten times as many cost {growth:.1f} times, in the middle (at most {LINEAR_LIMIT})")
    failed = ratio > RATIO_LIMIT or growth > LINEAR_LIMIT
    failed |= any(one.rss_mb > RSS_LIMIT_MB or one.tenfold_rss_mb > TENFOLD_RSS_LIMIT_MB for one in rounds)
    print("over the limit" if failed else "within the limits")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
