"""`secdl explain`: what a rule looks for, and what an attacker gains from it."""

from pathlib import Path

import click

from secdl.model.config import load_config
from secdl.model.errors import ConfigError
from secdl.model.toml import nearest
from secdl.model.tool import Rule
from secdl.pipeline.plan import tools_of
from secdl.threats.api import library_threats


@click.command("explain")
@click.argument("rule")
@click.option("--config", type=click.Path(path_type=Path), default=Path("secdl.toml"), help="For configured tools.")
def command(rule: str, config: Path) -> int:
    """Explain RULE, as `rule` or `tool:rule`, or a threat of the library, as `HV-01`.

    Exit status: 0, or 2 where nothing describes it.
    """
    loaded = load_config(config) if config.exists() else None
    known: dict[str, tuple[str, Rule]] = {}
    for tool in tools_of(loaded, where=str(config)):
        for one in tool.rules():
            known.setdefault(one.id, (tool.name, one))
            known[f"{tool.name}:{one.id}"] = (tool.name, one)
    for threat in library_threats():
        told = Rule(id=threat.id, title=threat.title, help=threat.description, gain=threat.gain, cwe=threat.cwe)
        known[threat.id] = ("threat library", told)
    if rule not in known:
        hint = nearest(rule, tuple(sorted(known)))
        raise ConfigError(f"no tool describes the rule {rule!r}", hint=hint)
    name, one = known[rule]
    click.echo(f"{name}:{one.id}  {one.title}")
    for head, text in (("What", one.help), ("Gain", one.gain), ("Fix", one.fix), ("CWE", ", ".join(one.cwe))):
        if text:
            click.echo(click.wrap_text(f"{head}: {text}", 100, "  ", "        ", preserve_paragraphs=True))
    return 0
