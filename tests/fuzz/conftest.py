"""What the fuzz tests share: the installed QEMU, the canary as a target, programs that misbehave."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secdl.fuzz import canary
from secdl.fuzz.vm import Target


@pytest.fixture(scope="session")
def qemu() -> Path:
    """The installed qemu-system-x86_64; the test is skipped where there is none."""
    found = shutil.which("qemu-system-x86_64")
    if found is None:
        pytest.skip("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86")
    return Path(found).resolve()


@pytest.fixture
def planted() -> Callable[[str], Target]:
    """The canary with a bug, or without a device."""

    def target(bug: str) -> Target:
        program = (sys.executable, "-I", "-S", str(Path(canary.__file__)))
        return Target(argv=(*program, "--device", bug) if bug else program)

    return target


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """An executable Python script with the given body; `answer(line)` in it speaks qtest over the socket."""

    def write(body: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!{sys.executable} -IS\n{body}\n")
        path.chmod(0o755)
        return path

    return write
