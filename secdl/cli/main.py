"""The entry point: picks the command, and turns every error into one line and an exit status."""

import errno
import gc
import importlib
import os
import sys
import traceback
from pathlib import Path

import click

from secdl import __version__
from secdl.model.errors import SecdlError
from secdl.model.text import one_line

COMMANDS = {
    "secure": "secure",
    "scan": "scan",
    "gate": "gate",
    "report": "report",
    "import": "import_",
    "init": "init",
    "doctor": "doctor",
    "tools": "tools",
    "db": "db",
    "threat": "threat",
    "fuzz": "fuzz",
    "waiver": "waiver",
    "explain": "explain",
    "schema": "schema",
}
BUG = 4

_MACHINE = {
    errno.EACCES: "mend its permissions, or work on a copy",
    errno.EPERM: "mend its permissions, or work on a copy",
    errno.EROFS: "work on a copy that can be written",
    errno.ENOSPC: "make room on the disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EDQUOT: "make room within the quota",
    errno.EIO: "look after the disk",
    errno.ENXIO: "is it the file you meant?",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "is it the path you meant?",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do about a fault of the machine or of the path that a user named, which is no bug of secdl."""


class Lazy(click.Group):
    """Loads a command's module when the command is used, so that none pays for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"secdl.cli.{COMMANDS[cmd_name]}")
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101 - a fault in secdl itself
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="secdl")
def cli() -> None:
    """The release gate for KVM/QEMU hypervisors: every check runs, proves that it ran, and becomes one verdict.

    Exit status: 0 PASS or PARTIAL, 1 FAIL, 2 usage or configuration, 3 INCOMPLETE, 4 a bug in secdl.
    """


def run(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits."""
    sys.exit(main(sys.argv[1:] if arguments is None else arguments))


def main(arguments: list[str]) -> int:
    """Runs the command line; gives the exit status."""
    machine = os.uname().machine if hasattr(os, "uname") else "this machine"
    if (sys.platform, machine) != ("linux", "x86_64"):
        complain(f"runs on Linux x86_64, not on {sys.platform} {machine}: use a virtual machine or CI")
        return 2
    # Values know nothing of one another: hardly anything is in a cycle, and to look for cycles costs all the same.
    gc.set_threshold(100_000, 50, 100)
    try:
        status = cli.main(arguments, prog_name="secdl", standalone_mode=False)
    except click.exceptions.Abort:
        complain("interrupted")
        return 3
    except click.ClickException as error:
        error.show()
        return 2
    except SecdlError as error:
        complain(str(error))
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output went away; the devnull keeps Python's own flush at exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _MACHINE:
            return _bug(error)
        # Of a copy, the second name is the one that could not be written.
        where = error.filename2 or error.filename or "a file that was being written"
        complain(f"{where}: {error.strerror}; {_MACHINE[error.errno]}")
        return 2
    except Exception as error:
        return _bug(error)
    return status if isinstance(status, int) else 0


def _bug(error: Exception) -> int:
    complain(f"bug in secdl: {type(error).__name__}: {error}; please report it with {_keep(error)}")
    return BUG


def complain(text: str) -> None:
    """One line for a person, on standard error."""
    click.echo(f"secdl: {one_line(text, limit=2000)}", err=True)


def _keep(error: Exception) -> Path:
    """Writes the traceback to a file; gives its path."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", prefix="secdl-bug-", suffix=".txt", delete=False) as file:
        file.write(f"secdl {__version__}\n" + "".join(traceback.format_exception(error)))
    return Path(file.name)
