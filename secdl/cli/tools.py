"""`secdl tools`: the external programs that secdl runs."""

import click

from secdl.cli.main import complain
from secdl.cli.options import json_option
from secdl.cli.table import print_rows
from secdl.model import codec
from secdl.run.doctor import tools
from secdl.run.toolchain import Row, State, Toolchain, Unavailable


@click.group("tools")
def command() -> None:
    """List, install and verify the external programs."""


@command.command("list")
@json_option
def list_(as_json: bool) -> int:
    """List every locked tool and how it stands. Exit status: 0."""
    _show(tools(Toolchain(), overrides={}, thorough=False), as_json)
    return 0


@command.command("verify")
@json_option
def verify(as_json: bool) -> int:
    """Read every installed file again and compare digests. Exit status: 0, or 3 where one was altered."""
    rows = tools(Toolchain(), overrides={}, thorough=True)
    _show(rows, as_json)
    return 3 if any(row.state is State.REFUSED for row in rows) else 0


@command.command("install")
@click.argument("names", nargs=-1, metavar="[TOOL…]")
@click.option("--install", "system", is_flag=True, help="Allow Debian packages to be installed (root or sudo).")
def install(names: tuple[str, ...], system: bool) -> int:
    """Install these tools, or all that are missing. Exit status: 0 all there, 3 where one is not."""
    chain = Toolchain()
    found = chain.install(
        names or chain.names(), system=system, progress=lambda text: click.echo(text, err=True), retry=True
    )
    missing = [one for one in found if isinstance(one, Unavailable)]
    for one in missing:
        named = "" if one.reason.startswith(one.name) else f"{one.name}: "
        complain(f"{named}{one.reason}; {one.remedy}")
    return 3 if missing else 0


def _show(rows: tuple[Row, ...], as_json: bool) -> None:
    if as_json:
        click.echo(codec.encode(rows).decode(), nl=False)
    else:
        print_rows(rows)
