"""The programs that the tests of real models need; a machine without them skips those tests and says why."""

import shutil
from pathlib import Path

import pytest

from secdl.model.evidence import Program
from secdl.run.toolchain import Toolchain
from secdl.threats.engine import Programs
from secdl.threats.sandbox import Interpreter, interpreter


@pytest.fixture(scope="session")
def programs() -> Programs:
    pytm = Toolchain().resolve("pytm")
    bwrap, dot = shutil.which("bwrap"), shutil.which("dot")
    if not isinstance(pytm, Program):
        pytest.skip("pytm is not installed: `secdl tools install pytm`")
    if bwrap is None or dot is None:
        pytest.skip("bubblewrap and graphviz are not installed")
    return Programs(python=pytm.argv[0], bwrap=bwrap, dot=dot, model_timeout_s=120.0)


@pytest.fixture(scope="session")
def pytm(programs: Programs) -> Interpreter:
    return interpreter(programs.python)


@pytest.fixture
def model_file(tmp_path: Path):
    def write(text: str, name: str = "model.py") -> Path:
        folder = tmp_path / "models"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
