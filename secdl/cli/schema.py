"""`secdl schema`: JSON Schemas of secdl's files, for editors and other programs."""

from typing import Any

import click
import msgspec

from secdl.model import codec
from secdl.model.config import Config
from secdl.model.finding import Finding
from secdl.model.policy import PolicyTable, Waivers
from secdl.model.verdict import Verdict

KINDS: dict[str, Any] = {
    "config": Config,
    "policy": PolicyTable,
    "waivers": Waivers,
    "verdict": Verdict,
    "finding": Finding,
}


@click.command("schema")
@click.argument("kind", type=click.Choice(sorted(KINDS)))
def command(kind: str) -> int:
    """Print the JSON Schema of a file.

    The file is secdl.toml, gate.toml, waivers.toml, verdict.json, or a line of findings.jsonl.
    """
    schema = msgspec.json.schema(KINDS[kind])
    click.echo(codec.encode({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}).decode(), nl=False)
    return 0
