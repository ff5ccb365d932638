"""A stop as files that anybody can run: a plain qtest script, the command line, and what is known of it.

For `DEVICE-HASH` there are `.qtest` (one command a line), `.sh` (feeds it to the program), `.json` (a `Reproducer`) and
`.full.qtest.gz` (base state and every operation of the session it was found in).
"""

import gzip
import shlex
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.fuzz import firmware
from secdl.fuzz.triage import Crash, classify
from secdl.fuzz.vm import WATCHDOG_S, Batch, Stop, Target, Vm
from secdl.model import codec
from secdl.model.errors import ConfigError, SecdlError

CHUNK = 900
ATTEMPTS = 5
# Bottom halves run between commands that are answered one by one, and a crash in one comes after the last reply.
_SETTLE = ("inl 0xcf8",) * 3


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """How a script is sent: `step` waits for each reply, which lets bottom halves run between commands; `patience_s`
    waits at the end, for what a timer of the device does."""

    step: bool = False
    patience_s: float = 0.0


MODES = (Mode(), Mode(step=True), Mode(patience_s=0.6))
"""In the order they are tried: the cheapest first."""


class Reproducer(msgspec.Struct, frozen=True, kw_only=True):
    """`DEVICE-HASH.json`. `reproduced` of `attempts` fresh processes stopped with this state; `mode` says how
    the commands must be sent."""

    schema: int = 1
    device: str
    rule: str
    state: tuple[str, ...]
    title: str
    argv: tuple[str, ...]
    binary_sha256: str
    version: str
    seed: int
    session: int
    operations: int
    full_operations: int
    reproduced: int
    attempts: int
    mode: Mode = Mode()
    stderr: str = ""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of a script in fresh processes: `crashes` holds one entry per process that stopped, `attempts` all that
    started. A process that does not start raises `NotStarted` instead."""

    attempts: int
    crashes: tuple[Crash, ...]


def replay(
    lines: Sequence[str], target: Target, *, folder: Path, mode: Mode = MODES[0], watchdog_s: float = WATCHDOG_S
) -> Stop | None:
    """The stop that `lines` cause in a fresh process, or None. Raises `NotStarted` where the process does not start."""
    with Vm(target, folder=folder) as vm:
        size = 1 if mode.step else CHUNK
        for start in range(0, len(lines), size):
            batch = vm.run(lines[start : start + size], watchdog_s=watchdog_s)
            if batch.stop is not None:
                return batch.stop
        return settle(vm, watchdog_s=watchdog_s).stop or vm.watch(mode.patience_s)


def settle(vm: Vm, *, watchdog_s: float = WATCHDOG_S) -> Batch:
    """Lets what the last commands set off happen."""
    for line in _SETTLE:
        batch = vm.run((line,), watchdog_s=watchdog_s)
        if batch.stop is not None:
            break
    return batch


def reproduce(script: Path, *, binary: Path | None = None, folder: Path, attempts: int = ATTEMPTS) -> Replay:
    """Runs `script` in `attempts` fresh processes of `binary`, by default the one it was found in.

    Reads the `.json` beside the script for the arguments. Raises `SecdlError` where one is missing, `NotStarted` where
    the program does not start: that says nothing about the bug.
    """
    about = script.with_suffix(".json")
    if not about.is_file():
        hint = "keep a reproducer's files together, as they lie in the run's evidence"
        raise ConfigError(f"{about.name}, which holds QEMU's arguments, is not beside it", where=str(script), hint=hint)
    known = codec.load(about, Reproducer)
    argv = known.argv if binary is None else (str(binary), *known.argv[1:])
    lines = read_script(script)
    firmware.place(folder)
    crashes = []
    for _ in range(attempts):
        stop = replay(lines, Target(argv=argv), folder=folder, mode=known.mode)
        if stop is not None:
            crashes.append(classify(stop))
    return Replay(attempts=attempts, crashes=tuple(crashes))


def read_script(script: Path) -> tuple[str, ...]:
    """The commands of a qtest script without blank lines and comments."""
    try:
        text = script.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SecdlError("no readable qtest script", where=str(script), hint="name a .qtest file of a run") from error
    lines = tuple(line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def name_of(device: str, state: Sequence[str]) -> str:
    """`DEVICE-HASH`, the same for the same state wherever it is found."""
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in device)[:60]
    return f"{plain}-{sha256(chr(0).join((device, *state)).encode()).hexdigest()[:10]}"


def write(folder: Path, lines: Sequence[str], full: Sequence[str], known: Reproducer) -> Path:
    """Writes the files for `lines`; gives the script's path."""
    folder.mkdir(parents=True, exist_ok=True)
    firmware.place(folder)
    script = folder / f"{name_of(known.device, known.state)}.qtest"
    script.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    script.with_suffix(".json").write_bytes(codec.encode(known))
    script.with_suffix(".sh").write_text(_shell(script.name, known), encoding="utf-8")
    packed = gzip.compress("".join(f"{line}\n" for line in full).encode("ascii"), mtime=0)
    script.with_suffix(".full.qtest.gz").write_bytes(packed)
    return script


def _shell(script: str, known: Reproducer) -> str:
    command = shlex.join(Target(argv=known.argv).over_stdio())
    lines = (
        "#!/bin/sh",
        f"# {known.device}: {' | '.join(known.state)}".replace("\n", " "),
        f"# Found in {known.version}, sha256 {known.binary_sha256}.",
        f"# Reproduced in {known.reproduced} of {known.attempts} fresh processes. Exit status 124: it did not stop.",
        'cd "$(dirname "$0")" || exit 2',
        f"timeout 60 {command} < {shlex.quote(script)}",
    )
    return "".join(f"{line}\n" for line in lines)
