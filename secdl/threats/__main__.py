"""The engine's command line: `python -m secdl.threats --model … --controls … --out FILE`.

Exit status: 0 ran to the end whatever it found, 2 wrong arguments or a wrong controls table, 3 could not measure
(no bubblewrap, no pytm, no graphviz). Beside FILE it writes `threats.json`, `dfd.svg` and `sequence.svg`.
"""

import argparse
import sys
from pathlib import Path

from secdl import __version__
from secdl.model.config import ThreatModel
from secdl.model.errors import ConfigError, SecdlError
from secdl.model.text import one_line
from secdl.threats.engine import Programs, run
from secdl.threats.subject import Subject, canary_subjects


def main(argv: list[str]) -> int:
    """The exit status of the engine for `argv`."""
    parser = argparse.ArgumentParser(prog="python -m secdl.threats", description="Evaluate one threat model.")
    for name in ("name", "root", "model", "controls", "python", "bwrap", "dot", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--library", default="")
    parser.add_argument("--canary", default="")
    parser.add_argument("--model-timeout", type=float, default=60.0)
    parser.add_argument("--dot-timeout", type=float, default=60.0)
    given = parser.parse_args(argv)
    try:
        _run(given)
    except SecdlError as error:
        sys.stderr.write(f"threatmodel: {one_line(str(error))}\n")
        return error.exit_status
    return 0


def _run(given: argparse.Namespace) -> None:
    out = Path(given.out)
    for program in (given.python, given.bwrap, given.dot):
        if not Path(program).is_absolute():
            raise ConfigError(f"{program!r} is not an absolute path", hint="name each program in full")
    entry = ThreatModel(name=given.name, path=given.model, controls=given.controls)
    files = run(
        Subject.of(entry, Path(given.root)),
        Programs(
            python=given.python,
            bwrap=given.bwrap,
            dot=given.dot,
            model_timeout_s=given.model_timeout,
            dot_timeout_s=given.dot_timeout,
        ),
        library=Path(given.library) if given.library else None,
        canaries=canary_subjects(Path(given.canary)) if given.canary else (),
        version=__version__,
    )
    for name, content in files.items():
        target = out if name == "out.sarif" else out.parent / name
        target.write_bytes(content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
