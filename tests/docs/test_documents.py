"""What the documents say, checked against the program and the tree."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from secdl.cli.main import cli

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENTS = [*sorted(_ROOT.glob("*.md")), *sorted((_ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]+)[^)]*\)")
_SESSION = re.compile(r"nox -s ([a-z ]+?)(?= --|`| {2,}|#|$|,|\n)", re.MULTILINE)
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_INLINE = re.compile(r"`(secdl [a-z][^`\n]*)`")
_LINE = re.compile(r"^\s*\$? ?(secdl [a-z][^\n#·]*)", re.MULTILINE)
_USAGE = _ROOT / "docs/usage.md"


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


_KNOWN = dict(_commands(cli))


def _shown(text: str) -> list[str]:
    """Command lines in code: whole lines of a fenced block, and what stands between backticks outside of one."""
    fenced = [line for block in _FENCED.findall(text) for line in _LINE.findall(block)]
    return fenced + _INLINE.findall(_FENCED.sub("", text))


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(path):
    prose = _CODE.sub("", _FENCED.sub("", path.read_text("utf-8")))
    for target in _LINK.findall(prose):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_every_session_that_is_spoken_of_is_there(path):
    offered = set()
    for source in ("noxfile.py", "secdl/sessions.py"):
        text = (_ROOT / source).read_text("utf-8")
        offered |= set(re.findall(r"@nox\.session\([^)]*\)\ndef (\w+)", text))
    assert {"secure", "tests"} <= offered
    spoken_of = {name for names in _SESSION.findall(path.read_text("utf-8")) for name in names.split()}
    assert not spoken_of - offered


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.relative_to(_ROOT).as_posix())
def test_every_command_line_that_is_shown_is_understood(path):
    for line in _shown(path.read_text("utf-8")):
        try:
            words = shlex.split(line.replace("…", ""))[1:]
        except ValueError:
            words = line.split()[1:]
        if not words or "|" in words[0]:
            continue
        found = next((_KNOWN[key] for key in _KNOWN if tuple(words[: len(key)]) == key), None)
        group = next((key for key in _KNOWN if key[0] == words[0]), None)
        assert found or group, line
        if found:
            options = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
            used = {word.partition("=")[0].strip("[]") for word in words if word.startswith("--") and len(word) > 2}
            assert not used - options - {"--help"}, line


@pytest.mark.skipif(not _USAGE.exists(), reason="docs/usage.md is not written yet")
def test_the_usage_names_every_command_and_every_option():
    text = _USAGE.read_text("utf-8") if _USAGE.exists() else ""
    for path, command in _KNOWN.items():
        assert f"secdl {' '.join(path)}" in text
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert max(parameter.opts, key=len) in text, (path, parameter.opts)


def test_the_usage_shows_each_command_as_its_help_does():
    done = subprocess.run([sys.executable, "scripts/usage.py", "--check"], cwd=_ROOT, env=_env(), check=False)
    assert done.returncode == 0, "docs/usage.md is behind: run `python scripts/usage.py`"


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}
