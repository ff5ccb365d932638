"""Writes the commands into docs/usage.md as `--help` shows them; `--check` only says whether they are up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from secdl.cli.main import cli

USAGE = Path(__file__).resolve().parent.parent / "docs" / "usage.md"
BEGIN = "<!-- commands: written by scripts/usage.py -->\n"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command below `group` as a section of Markdown, in the order of `--help`."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            words = " ".join(("secdl", *path, name))
            context = click.Context(command, info_name=words, max_content_width=100, terminal_width=100)
            yield f"### `{words}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def written(text: str) -> str:
    """`text` of docs/usage.md with the commands as they are now."""
    return text.partition(BEGIN)[0] + BEGIN + "\n" + "\n".join(commands(cli))


def main() -> int:
    """Writes the file, or with `--check` gives 1 where it differs."""
    text = USAGE.read_text("utf-8")
    if "--check" in sys.argv:
        return int(text != written(text))
    USAGE.write_text(written(text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
