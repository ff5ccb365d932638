"""What secdl costs over the same tools started by hand: same jobs, same number at a time, canaries on both sides.

A run of secdl without remembered evidence is timed whole: plan, tools, checks, verdict, reports. Then the very command
lines that it recorded are started by hand from a thread pool, longest first, and timed in the same way.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from secdl.advisories import folder_in_use, osv_service

LIMIT = 1.15
STAGES = "sast,deps,threatmodel,fuzz"
_ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Prints the ratio; gives 1 where it passes the limit."""
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="secdl-bench-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["/usr/bin/git", "clone", "--quiet", str(_ROOT), str(tree)], check=True)
        # Enough fuzzing for a minute of tools and more: what is to be measured is small.
        config = tree / "secdl.toml"
        config.write_text(re.sub(r"operations = [\d_]+", "operations = 1_000_000", config.read_text()))
        # Tools are installed before the clock starts: by hand they would be there too.
        _secdl(tree, "--only", "deps")
        ours_s, ours_cpu_s, run = _timed(lambda: _secdl(tree, "--only", STAGES, fresh=True))
        jobs = [json.loads(path.read_text()) for path in sorted(run.glob("evidence/*/evidence.json"))]
        jobs = [job for job in jobs if job["outcome"] == "ok"]
        tool_s = sum(job["duration_s"] for job in jobs)
        by_hand_s, by_hand_cpu_s, _ = _timed(lambda: _by_hand(tree, jobs, workers))
    ratio = ours_s / by_hand_s
    print(f"orchestration of {len(jobs)} jobs, {tool_s:.0f} s of tools, {workers} at a time")
    print(f"  secdl    {ours_s:7.1f} s wall {ours_cpu_s:7.1f} s CPU")
    print(f"  by hand  {by_hand_s:7.1f} s wall {by_hand_cpu_s:7.1f} s CPU")
    print(f"  ratio    {ratio:7.2f} wall {ours_cpu_s / by_hand_cpu_s:9.2f} CPU   (limit {LIMIT} wall)")
    return int(ratio > LIMIT)


def _secdl(tree: Path, *arguments: str, fresh: bool = False) -> Path:
    if fresh:
        subprocess.run(["/bin/rm", "-rf", str(tree / ".secdl")], check=True)
    argv = [sys.executable, "-m", "secdl", "secure", *arguments]
    env = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(argv, cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"secdl secure ended with {done.returncode}: run it by hand in this checkout to see why")
    return Path(done.stdout.decode().splitlines()[-1])


def _by_hand(tree: Path, jobs: list[dict[str, Any]], workers: int) -> None:
    with osv_service(folder_in_use(os.environ)) as url, ThreadPoolExecutor(workers) as pool:
        order = sorted(jobs, key=lambda job: (job["stage"] != "sast", -job["duration_s"]))
        for future in [pool.submit(_start, tree, job, url) for job in order]:
            future.result()


def _start(tree: Path, job: dict[str, Any], url: str) -> None:
    argv = [f"--osv-url={url}/v1/query" if word.startswith("--osv-url=") else word for word in job["argv"]]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": job["folder"], "PYTHONPATH": str(_ROOT)}
    subprocess.run(argv, cwd=tree, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _timed(work: Any) -> tuple[float, float, Any]:
    """Wall and CPU seconds of `work`, children included, and what it gave."""
    began, cpu = time.monotonic(), sum(os.times()[:4])
    given = work()
    return time.monotonic() - began, sum(os.times()[:4]) - cpu, given
