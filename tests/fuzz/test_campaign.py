import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from secdl.fuzz import reproducer
from secdl.fuzz.campaign import fuzz_device
from secdl.fuzz.devices import DeviceModel, load_models
from secdl.fuzz.engine import machine_argv
from secdl.fuzz.plan import DevicePlan
from secdl.fuzz.vm import NotStarted, Target
from secdl.model.errors import ConfigError

Planted = Callable[[str], Target]


def _plan(planted: Planted, bug: str, **more: object) -> DevicePlan:
    plan = DevicePlan(
        device=f"canary-{bug}",
        machine=planted(""),
        model=DeviceModel(argv=("--device", bug)),
        operations=60_000,
        seed=1,
        watchdog_s=0.2,
        attempts=2,
        most_stops=1,
        lifetime=60_000,
        replays=4 if bug == "hang" else 30,
    )
    return replace(plan, **more)  # type: ignore[arg-type] # keywords of the plan


@pytest.mark.parametrize(("bug", "rule"), [("crash", "fuzz.crash"), ("abort", "fuzz.abort"), ("hang", "fuzz.hang")])
def test_a_planted_bug_is_found_minimised_and_reproduced_in_a_fresh_process(
    planted: Planted, tmp_path: Path, bug: str, rule: str
) -> None:
    out = tmp_path / "reproducers"
    result = fuzz_device(_plan(planted, bug, operations=5_000), folder=tmp_path, out=out)
    assert result.fault == ""
    (crash,) = result.crashes
    assert (crash.rule, crash.reproduced, crash.attempts) == (rule, 2, 2)
    script = out / crash.script
    lines = reproducer.read_script(script)
    assert len(lines) < (200 if bug != "hang" else 2000)
    assert crash.last == "bar0+0x18"
    again = reproducer.replay(lines, planted(bug), folder=tmp_path, watchdog_s=0.2)
    assert again is not None
    assert again.kind.value == bug


def test_the_same_seed_gives_the_same_operations_and_another_seed_others(planted: Planted, tmp_path: Path) -> None:
    plan = _plan(planted, "none", operations=3_000)
    first, second, other = (fuzz_device(p, folder=tmp_path, out=tmp_path) for p in (plan, plan, replace(plan, seed=2)))
    assert first.operations == second.operations == 3_000
    assert first.stream_sha256 == second.stream_sha256 != other.stream_sha256


def test_a_crash_that_needs_luck_is_reported_lower_and_says_so(planted: Planted, tmp_path: Path) -> None:
    # The first process that crashes leaves a file behind, and with it no later one does.
    program = Path(planted("").argv[3])
    shy = tmp_path / "shy.py"
    mark = tmp_path / "crashed"
    shy.write_text(
        program.read_text().replace(
            "def _fail(bug: str) -> None:",
            f"def _fail(bug: str) -> None:\n    import pathlib\n    if pathlib.Path({str(mark)!r}).exists(): return\n"
            f"    pathlib.Path({str(mark)!r}).touch()",
        )
    )
    machine = Target(argv=(planted("").argv[0], "-I", "-S", str(shy)))
    plan = _plan(planted, "abort", machine=machine, operations=8_000)
    result = fuzz_device(plan, folder=tmp_path, out=tmp_path / "out")
    (crash,) = result.crashes
    assert (crash.reproduced, crash.level.value) == (0, "low")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import sys; sys.exit('no such machine')", "no such machine"),
        ("", "exit status 0"),
    ],
)
def test_a_program_that_does_not_start_is_a_fault_and_no_crash(
    program: Callable[[str], Path], planted: Planted, tmp_path: Path, body: str, reason: str
) -> None:
    plan = _plan(planted, "crash", machine=Target(argv=(str(program(body)),)))
    result = fuzz_device(plan, folder=tmp_path, out=tmp_path)
    assert reason in result.fault
    assert (result.started, result.operations, result.crashes) == (False, 0, ())


def test_a_device_that_is_not_there_is_a_fault(planted: Planted, tmp_path: Path) -> None:
    plan = _plan(planted, "", model=DeviceModel())
    assert "no PCI function" in fuzz_device(plan, folder=tmp_path, out=tmp_path).fault


def test_what_is_not_done_by_the_deadline_is_a_fault(planted: Planted, tmp_path: Path) -> None:
    plan = _plan(planted, "none", deadline=0.0)
    assert "0 of 60,000 operations" in fuzz_device(plan, folder=tmp_path, out=tmp_path).fault


def test_a_short_campaign_on_the_installed_qemu_executes_every_operation(qemu: Path, tmp_path: Path) -> None:
    plan = DevicePlan(
        device="rtl8139",
        machine=Target(argv=machine_argv(qemu, "q35")),
        model=load_models()["rtl8139"],
        operations=4_000,
        seed=1,
    )
    result = fuzz_device(plan, folder=tmp_path, out=tmp_path)
    assert (result.fault, result.operations, result.refused) == ("", 4_000, 0)
    assert result.pci == ("00:01.0 10ec:8139",)
    assert {bar.size for bar in result.bars} == {256}
    assert result.registers_live > 20


def test_a_device_this_qemu_has_not_did_not_start(qemu: Path, tmp_path: Path) -> None:
    machine = Target(argv=machine_argv(qemu, "q35"))
    plan = DevicePlan(
        device="nosuch", machine=machine, model=DeviceModel(argv=("-device", "nosuch")), operations=10, seed=1
    )
    result = fuzz_device(plan, folder=tmp_path, out=tmp_path)
    assert "did not start" in result.fault
    assert "nosuch" in result.fault


def test_reproduce_says_when_the_program_did_not_start(planted: Planted, tmp_path: Path) -> None:
    plan = _plan(planted, "abort", operations=5_000)
    (crash,) = fuzz_device(plan, folder=tmp_path, out=tmp_path).crashes
    with pytest.raises(NotStarted):
        reproducer.reproduce(tmp_path / crash.script, binary=Path("/bin/true"), folder=tmp_path)
    outcome = reproducer.reproduce(tmp_path / crash.script, folder=tmp_path, attempts=2)
    assert [c.rule for c in outcome.crashes] == ["fuzz.abort", "fuzz.abort"]


def test_a_script_without_its_arguments_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.qtest").write_text("clock_step\n")
    with pytest.raises(ConfigError, match=r"a.json, which holds QEMU's arguments, is not beside it"):
        reproducer.reproduce(tmp_path / "a.qtest", folder=tmp_path)


def test_the_shell_one_liner_reproduces_the_crash(planted: Planted, tmp_path: Path) -> None:
    plan = _plan(planted, "abort", operations=60_000)
    (crash,) = fuzz_device(plan, folder=tmp_path, out=tmp_path / "out").crashes
    shell = (tmp_path / "out" / crash.script).with_suffix(".sh")
    done = subprocess.run(["/bin/sh", str(shell)], capture_output=True, check=False, timeout=30)
    assert done.returncode == 128 + signal.SIGABRT
    assert b"Assertion `length <= 512' failed" in done.stderr
