"""Rules written down in TOML, so that an engine and the command line speak of them in the same words."""

from pathlib import Path

import msgspec

from secdl.model.finding import Level
from secdl.model.toml import load_toml
from secdl.model.tool import Rule


class RuleEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[rule]]`: a `Rule` and the level of its findings."""

    id: str
    level: Level
    title: str
    help: str
    gain: str
    fix: str
    cwe: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule without its level."""
        return Rule(id=self.id, title=self.title, help=self.help, gain=self.gain, fix=self.fix, cwe=self.cwe)


class _Book(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rule: tuple[RuleEntry, ...]


def rulebook(path: Path) -> dict[str, RuleEntry]:
    """The rules in the TOML file at `path`, by id. Raises `ConfigError`."""
    return {entry.id: entry for entry in load_toml(path, _Book).rule}
