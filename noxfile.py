"""secdl's own sessions, and those that every repository gets: `nox -l` lists them."""

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).resolve().parent))

from secdl.sessions import *  # noqa: F403 - the sessions of this very checkout
from secdl.sessions import environment, finish

nox.needs_version = ">=2025.2"


def _python(session: nox.Session) -> str:
    return environment(session, "dev", locks=("dev", "build"))


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """All tests, two at a time; after `--` come pytest's own arguments."""
    finish(session, [_python(session), "-m", "pytest", "-n", "2", *session.posargs])


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Ruff's rules and format, and the layers of the package."""
    python = _python(session)
    paths = ["secdl", "tests", "scripts", "bench", "noxfile.py"]
    finish(session, [python, "-m", "ruff", "check", *paths])
    finish(session, [python, "-m", "ruff", "format", "--check", *paths])
    finish(session, [str(Path(python).with_name("lint-imports"))])


@nox.session(venv_backend="none")
def type(session: nox.Session) -> None:  # noqa: A001 - the session's name on the command line
    """mypy --strict."""
    finish(session, [_python(session), "-m", "mypy", *session.posargs])


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """What README, docs/ and CHANGELOG claim, checked against the program."""
    finish(session, [_python(session), "-m", "pytest", "tests/docs", *session.posargs])


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Figures of this checkout as ratios against the bare tools and sarif-tools, in one run."""
    python = environment(session, "bench", locks=("bench", "build"))
    finish(session, [python, "-m", "bench", *session.posargs])


@nox.session(venv_backend="none")
def goldens(session: nox.Session) -> None:
    """Writes the goldens in tests/data anew; review them as code."""
    argv = [_python(session), "-m", "pytest", *(session.posargs or ["tests/tools"])]
    finish(session, argv, env={"SECDL_GOLDENS": "write"})


@nox.session(venv_backend="none")
def picture(session: nox.Session) -> None:
    """Writes docs/report.png, README's picture, from the newest run's report; needs Chromium and Node.js."""
    finish(session, [_python(session), "scripts/picture.py", *session.posargs])


@nox.session(venv_backend="none")
def locks(session: nox.Session) -> None:
    """Resolves every hash lock anew, and writes the digests of the tools into tools.lock.toml."""
    finish(session, [_python(session), "scripts/relock.py", *session.posargs])
