"""`secdl explain`: what a rule looks for, and what an attacker gains from it."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import click

from secdl.cli.options import configured
from secdl.model.errors import ConfigError
from secdl.model.tool import Rule
from secdl.pipeline.plan import tools_of
from secdl.threats.api import library_threats

_ADVISORY = re.compile(r"(CVE|GHSA|PYSEC|OSV|GO|DSA|DLA|DEBIAN|USN|RHSA|RUSTSEC|ALAS\d*|TEMP|MAL)-.", re.IGNORECASE)


@click.command("explain")
@click.argument("rule")
@click.option("--config", type=click.Path(path_type=Path), default=Path("secdl.toml"), help="For configured tools.")
def command(rule: str, config: Path) -> int:
    """Explain a rule or a threat.

    RULE is `rule`, `tool:rule`, or a threat of the library such as `HV-01`. Exit status: 0, or 2 where nothing
    describes it.
    """
    loaded = configured(config)
    known: dict[str, tuple[str, Rule]] = {}
    for tool in tools_of(loaded, where=str(config)):
        for one in tool.rules():
            known.setdefault(one.id, (tool.name, one))
            known[f"{tool.name}:{one.id}"] = (tool.name, one)
    for threat in library_threats():
        told = Rule(id=threat.id, title=threat.title, help=threat.description, gain=threat.gain, cwe=threat.cwe)
        known[threat.id] = ("threat library", told)
    if rule not in known:
        raise _unknown(rule, known)
    name, one = known[rule]
    click.echo(f"{name}:{one.id}  {one.title}")
    for head, text in (("What", one.help), ("Gain", one.gain), ("Fix", one.fix), ("CWE", ", ".join(one.cwe))):
        if text:
            click.echo(click.wrap_text(f"{head}: {text}", 100, "  ", "        ", preserve_paragraphs=True))
    return 0


def _unknown(rule: str, known: Mapping[str, tuple[str, Rule]]) -> ConfigError:
    if _ADVISORY.match(rule.rpartition(":")[2]):
        hint = "the report says which package it is in and which version mends it; `secdl db status` names the data"
        return ConfigError(f"{rule!r} is an advisory, not a rule", hint=hint)
    close = get_close_matches(rule, sorted(known), n=1)
    tools = ", ".join(sorted({tool for tool, _ in known.values()}))
    hint = f'did you mean "{close[0]}"?' if close else f"a report names the rule of each finding; known are: {tools}"
    return ConfigError(f"no tool describes the rule {rule!r}", hint=hint)
