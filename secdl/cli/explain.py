"""`secdl explain`: what a rule looks for, and what an attacker gains from it."""

from pathlib import Path

import click

from secdl.model.config import load_config
from secdl.model.errors import ConfigError
from secdl.model.toml import nearest
from secdl.model.tool import Rule
from secdl.pipeline.plan import tools_of


@click.command("explain")
@click.argument("rule")
@click.option("--config", type=click.Path(path_type=Path), default=Path("secdl.toml"), help="For configured tools.")
def command(rule: str, config: Path) -> int:
    """Explain RULE, as `rule` or `tool:rule`. Exit status: 0, or 2 where no tool describes it."""
    loaded = load_config(config) if config.exists() else None
    known: dict[str, tuple[str, Rule]] = {}
    for tool in tools_of(loaded):
        for one in tool.rules():
            known.setdefault(one.id, (tool.name, one))
            known[f"{tool.name}:{one.id}"] = (tool.name, one)
    if rule not in known:
        hint = nearest(rule, tuple(sorted(known)))
        raise ConfigError(f"no tool describes the rule {rule!r}", hint=hint)
    name, one = known[rule]
    click.echo(f"{name}:{one.id}  {one.title}")
    for head, text in (("What", one.help), ("Gain", one.gain), ("Fix", one.fix), ("CWE", ", ".join(one.cwe))):
        if text:
            click.echo(click.wrap_text(f"{head}: {text}", 100, "  ", "        ", preserve_paragraphs=True))
    return 0
