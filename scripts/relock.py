"""Writes every hash lock anew from pyproject.toml and tools.lock.toml, then, where a tool's lock
has changed, the digests of the installed tools.

A version that is locked stays unless `--upgrade` is given. No lock names a package index: that is the user's choice.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from secdl.run.install.lock import LOCK_FILE, Entry, PythonWay, interpreter_tag, load_lock
from secdl.run.install.python import find_uv
from secdl.run.toolchain import Toolchain, Unavailable

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"
# What the build of trivy-py asks for; without a lock it would come unpinned and unhashed.
BUILD_LOCKS = {
    "locks/trivy-build.txt": ("setuptools~=80.9", "setuptools-scm~=9.2", "setuptools-download~=1.1", "wheel")
}


def main(arguments: list[str]) -> int:
    """0 when every lock is written, 2 on a wrong argument or without uv."""
    uv = find_uv()
    if uv is None or set(arguments) - {"--upgrade"}:
        print("relock: [--upgrade]; needs uv", file=sys.stderr)  # noqa: T201
        return 2
    lock = [uv, "pip", "compile", *arguments]
    _compile([*lock, "pyproject.toml"], "locks/secdl.txt")
    _compile([*lock, "pyproject.toml", "--group", "dev", "--constraints", "locks/secdl.txt"], "locks/dev.txt")
    _compile([*lock, "pyproject.toml", "--group", "bench", "--constraints", "locks/secdl.txt"], "locks/bench.txt")
    _compile([*lock, "--group", "build", "--constraints", "locks/dev.txt"], "locks/build.txt")
    before = _tool_locks()
    for entry, way in _python_tools():
        _from_requirements(lock, (f"{way.requirement}=={entry.version}",), way.lock)
        if way.build_lock:
            _from_requirements(lock, BUILD_LOCKS[way.build_lock], way.build_lock)
    if _tool_locks() != before or not all(way.digests or way.beyond_registries for _, way in _python_tools()):
        _write_digests()
    return 0


def _python_tools() -> list[tuple[Entry, PythonWay]]:
    lock = load_lock(ROOT / LOCK_FILE)
    return [(entry, way) for entry in lock.tool for way in entry.way if isinstance(way, PythonWay)]


def _tool_locks() -> list[str]:
    paths = [ROOT / way.lock for _, way in _python_tools()]
    return [path.read_text("utf-8") if path.exists() else "" for path in paths]


def _from_requirements(lock: list[str], requirements: tuple[str, ...], output: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.in")
        wanted.write_text("\n".join(requirements) + "\n", "utf-8")
        _compile([*lock, str(wanted)], output)


def _compile(argv: list[str], output: str) -> None:
    options = ["--quiet", "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-annotate"]
    options += ["--custom-compile-command", "nox -s locks", "--output-file", output]
    subprocess.run([*argv, *options], cwd=ROOT, check=True)


def _write_digests() -> None:
    """Installs each tool afresh and writes its digest for this interpreter into tools.lock.toml."""
    path = ROOT / LOCK_FILE
    tag = interpreter_tag()
    path.write_text(re.sub(rf"(?m)^digests\.{tag} = .*\n", "", path.read_text("utf-8")), "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        toolchain = Toolchain(path, cache=Path(folder))
        names = [entry.name for entry, way in _python_tools() if not way.beyond_registries]
        results = toolchain.install(names, system=False, progress=lambda line: print(line, file=sys.stderr))  # noqa: T201
    text = path.read_text("utf-8")
    for result in results:
        if isinstance(result, Unavailable):
            raise SystemExit(f"{result.reason}; {result.remedy}")
        lock = f'lock = "locks/{result.name}.txt"\n'
        text = text.replace(lock, f'{lock}digests.{tag} = "{result.program.digest}"\n')
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
