"""`secdl waiver`: accept a finding for a time, in writing, by two people."""

from datetime import UTC, datetime
from pathlib import Path

import click

from secdl.cli.options import config_option, json_option
from secdl.gate import waivers as gate
from secdl.model import codec
from secdl.model.config import load_config
from secdl.model.errors import ConfigError
from secdl.model.policy import Waiver, load_policy, parse_waivers
from secdl.model.shipped import shipped
from secdl.model.text import one_line
from secdl.model.toml import read_value
from secdl.run.store import OWN, hide, locked, write_atomic


@click.group("waiver")
def command() -> None:
    """Accept findings for a time, in writing, by two people."""


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> int:
    """List every waiver. Exit status: 0."""
    path, text = _file(config)
    _print(parse_waivers(text, where=str(path)).waiver, as_json)
    return 0


@command.command("due")
@config_option
@click.option("--days", type=click.IntRange(0, 3650), default=21, show_default=True, help="How far to look ahead.")
@json_option
def due(config: Path, days: int, as_json: bool) -> int:
    """List waivers that have expired or will within DAYS. Exit status: 0 none, 1 some."""
    path, text = _file(config)
    found = gate.due(parse_waivers(text, where=str(path)), as_of=datetime.now(UTC).date(), days=days)
    _print(found, as_json)
    return 1 if found else 0


@command.command("add")
@config_option
@click.option("--fingerprint", default="", help="The finding itself, as findings.jsonl names it.")
@click.option("--rule", default="", metavar="TOOL:RULE", help="A rule, together with --path.")
@click.option("--path", default="", help="Where the rule is waived.")
@click.option("--cve", default="", help="A vulnerability, together with --purl.")
@click.option("--purl", default="", help="The package; all its versions where it names none.")
@click.option("--reason", required=True, help="Why this is accepted.")
@click.option("--owner", required=True, help="Who will mend it.")
@click.option("--approver", required=True, help="Who accepts it; not the owner.")
@click.option("--expires", required=True, metavar="YYYY-MM-DD", help="Last day on which it holds.")
def add(config: Path, expires: str, **fields: str) -> int:
    """Write a waiver for a finding, a rule or a vulnerability.

    By --fingerprint, by --rule and --path, or by --cve and --purl. Exit status: 0 written, 2 where it would not be
    accepted.
    """
    _file(config)
    own = config.resolve().parent / OWN
    try:
        hide(own)
        # What is read must still be there when it is written, and an id that is free must stay so until then.
        with locked(own / "waivers.lock"):
            click.echo(_add(config, expires, fields))
    except OSError as error:
        hint = "make room, give access, or work on a copy that can be written"
        where = str(error.filename or own)
        raise ConfigError(error.strerror or "cannot be written", where=where, hint=hint) from error
    return 0


def _add(config: Path, expires: str, fields: dict[str, str]) -> str:
    path, text = _file(config)
    today = datetime.now(UTC).date()
    waivers = parse_waivers(text, where=str(path))
    given = {"id": gate.next_id(waivers, today=today), "created": today, "expires": expires, **fields}
    waiver = read_value(given, Waiver, ("waiver",), where="")
    limits = load_policy(_policy(config)).waivers
    if fault := gate.fault(waiver, limits=limits, today=today):
        raise ConfigError(f"this waiver {fault}", hint=f"the limits stand in {_policy(config)}")
    write_atomic(path, gate.add(text, waiver).encode())
    return waiver.id


def _file(config: Path) -> tuple[Path, str]:
    loaded = load_config(config)
    if not loaded.gate.waivers:
        hint = 'add `waivers = "policies/waivers.toml"` under [gate]'
        raise ConfigError("no waiver file is configured", where=str(config), hint=hint)
    path = config.resolve().parent / loaded.gate.waivers
    try:
        return path, path.read_text("utf-8")
    except FileNotFoundError:
        return path, ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(error), where=str(path)) from error


def _policy(config: Path) -> Path:
    named = load_config(config).gate.policy
    return config.resolve().parent / named if named else shipped("policies/gate.toml")


def _print(waivers: tuple[Waiver, ...], as_json: bool) -> None:
    if as_json:
        click.echo(codec.encode(waivers).decode(), nl=False)
        return
    for waiver in waivers:
        what = waiver.fingerprint[:16] or f"{waiver.rule} {waiver.path}".strip() or f"{waiver.cve} {waiver.purl}"
        people = f"owner {one_line(waiver.owner)}, approver {one_line(waiver.approver) or 'nobody'}"
        click.echo(f"{waiver.id}  until {waiver.expires}  {one_line(what)}  {people}: {one_line(waiver.reason)}")
