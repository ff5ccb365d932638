"""`gate.toml` and `waivers.toml`: what each profile asks for, and the findings that two people have accepted."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from secdl.model.errors import ConfigError, PolicyError
from secdl.model.evidence import Origin
from secdl.model.finding import Level
from secdl.model.text import one_line
from secdl.model.toml import nearest, parse_toml, read_toml_text
from secdl.model.tool import Stage

T = TypeVar("T")
Days = Annotated[int, msgspec.Meta(ge=0, le=36500)]
Line = Annotated[
    str, msgspec.Meta(max_length=500, pattern=r"\S", description="1 to 500 characters, not all of them blank")
]
_Fingerprint = Annotated[
    str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$", description="64 hexadecimal digits, as findings.jsonl has them")
]
_Advisory = Annotated[
    str,
    msgspec.Meta(
        max_length=100,
        pattern=r"^([A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9.:_]+)+)?$",
        description="an advisory id such as CVE-2024-1086, GHSA-jfh8-c2jp-5v3q or DSA-5000-1",
    ),
]
_Purl = Annotated[
    str,
    msgspec.Meta(pattern=r"^(pkg:\S+)?$", description="a package URL such as pkg:pypi/example@1.2 or pkg:pypi/example"),
]
WaiverId = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="letters, digits, . _ -")
]
_ANY = "*"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Block(StrEnum):
    """Which findings may block: those that the baseline does not hold, or all."""

    NEW = "new"
    ALL = "all"


class Stale(StrEnum):
    """What advisory data beyond its age does: warn, or void the evidence that rests on it."""

    WARN = "warn"
    REFUSE = "refuse"


class Mode(StrEnum):
    """What findings of one rule do, whatever their level and stage."""

    BLOCK = "block"
    ADVISE = "advise"


class RuleMode(_Table, frozen=True):
    """`[rules."tool:rule"]`; `why` is for the reader of the policy."""

    mode: Mode
    why: str = ""


class ProfilePolicy(_Table, frozen=True):
    """`[profiles.NAME]`.

    `requires` lists by stage the tools that must leave valid evidence; `requires_subjects` the stages for which
    configuration must name a subject. `levels` block, except in the stages that only `advises`; an unknown level counts
    as `unknown_as`. `refuses_origins` voids evidence of executables that came from there.
    """

    requires: dict[Stage, tuple[str, ...]] = {}
    requires_subjects: tuple[Stage, ...] = ()
    tolerates_missing: bool = False
    block: Block = Block.ALL
    levels: tuple[Level, ...] = (Level.CRITICAL, Level.HIGH, Level.MEDIUM)
    unknown_as: Level = Level.HIGH
    advises: tuple[Stage, ...] = ()
    advisory_max_days: Days = 30
    advisory_stale: Stale = Stale.REFUSE
    refuses_origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        if self.unknown_as is Level.UNKNOWN:
            raise ValueError("`unknown_as` names the level that an unknown one counts as, so it cannot be `unknown`")
        if Level.UNKNOWN in self.levels:
            raise ValueError("`levels` cannot hold `unknown`: say with `unknown_as` what it counts as")


class WaiverLimits(_Table, frozen=True):
    """`[waivers]`: how far a waiver may reach. `max_days` by level of the finding, from `created` to `expires`."""

    require_approver: bool = True
    warn_days: Days = 21
    max_findings: Annotated[int, msgspec.Meta(ge=1)] = 25
    max_days: dict[Level, Days] = {}

    def days(self, level: Level) -> int:
        """Longest life of a waiver for a finding of `level`; the strictest of all where the policy does not say."""
        known = self.max_days.get(level)
        return known if known is not None else min(self.max_days.values(), default=90)


class PolicyTable(_Table, frozen=True):
    """A whole `gate.toml`. `rules` maps `tool:rule` to its mode; a `*` may end the key, the longest match counts."""

    name: Line
    profiles: Annotated[dict[str, ProfilePolicy], msgspec.Meta(min_length=1)]
    rules: dict[str, RuleMode] = {}
    waivers: WaiverLimits = WaiverLimits()

    def __post_init__(self) -> None:
        for key in self.rules:
            if not key.partition(":")[0] or ":" not in key or _ANY in key[:-1]:
                raise ValueError(f"rules: {key!r} is not `tool:rule`; only the end may be `*`")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A gate policy as read: `where` is its file, `reference` how a report names it, `digest` the sha256 of its text
    (`sha256:…`)."""

    where: str
    reference: str
    digest: str
    profiles: Mapping[str, ProfilePolicy]
    rules: Mapping[str, Mode]
    waivers: WaiverLimits

    def profile(self, name: str) -> ProfilePolicy:
        """The profile called `name`. Raises `PolicyError` where the policy has none."""
        if name not in self.profiles:
            near = nearest(name, tuple(sorted(self.profiles)))
            hint = f"{near}; or add [profiles.{name}] to your policy, which `policy` under [gate] names"
            raise PolicyError(f"no profile {name!r}", where=self.where, hint=hint)
        return self.profiles[name]

    def mode(self, tool: str, rule: str) -> Mode | None:
        """What the policy says of one rule; None where it says nothing."""
        name = f"{tool}:{rule}"
        if (exact := self.rules.get(name)) is not None:
            return exact
        globs = [key for key in self.rules if key.endswith(_ANY) and name.startswith(key[:-1])]
        return self.rules[max(globs, key=len)] if globs else None


class Waiver(_Table, frozen=True, kw_only=True):
    """`[[waiver]]`: findings accepted until `expires` (that day included).

    It selects by exactly one of: `fingerprint`; `rule` (`tool:rule`) and `path` (may hold `*`, `?`, `**`);
    `cve` and `purl` (all versions where the purl has none).
    """

    id: WaiverId
    fingerprint: _Fingerprint = ""
    rule: str = ""
    path: str = ""
    cve: _Advisory = ""
    purl: _Purl = ""
    reason: Line
    owner: Line
    approver: str = ""
    created: date
    expires: date

    def __post_init__(self) -> None:
        chosen = (bool(self.fingerprint), bool(self.rule or self.path), bool(self.cve or self.purl))
        if sum(chosen) != 1 or bool(self.rule) != bool(self.path) or bool(self.cve) != bool(self.purl):
            raise ValueError("give exactly one of: `fingerprint`; `rule` and `path`; `cve` and `purl`")
        if self.rule and not all(self.rule.rpartition(":")[::2]):
            raise ValueError(f"rule {self.rule!r} is not `tool:rule`, such as bandit:B602")
        if self.path and (why := _never_met(self.path)):
            raise ValueError(f"path {self.path!r} {why}, so it covers nothing: write it as findings.jsonl has it")
        if self.purl and (why := _no_purl(self.purl)):
            raise ValueError(f"purl {self.purl!r}: {why}; a right one is pkg:pypi/example@1.2")
        if self.expires < self.created:
            raise ValueError(f"`expires`, {self.expires}, lies before `created`, {self.created}")


def _never_met(path: str) -> str:
    """Why no finding can have a path that matches `path`; empty where one can."""
    if not path.strip():
        return "is blank"
    if path.startswith("/"):
        return "begins with `/`"
    if path.endswith("/"):
        return "ends with `/`"
    # `./` stands only before a source file that is called like a place of another kind, such as `image:`.
    if path.startswith("./") and ":" not in path.split("/")[1]:
        return "begins with `./`"
    if ".." in path.split("/"):
        return "goes up by `..`"
    if path.count("[") != path.count("]"):
        return "opens a `[` and never closes it; only `*`, `?` and `**` match more than themselves"
    return ""


def _no_purl(text: str) -> str:
    """Why `text` is no package URL; empty where it is one."""
    # Few waivers name a package, and each command would pay for the import.
    from packageurl import PackageURL

    try:
        PackageURL.from_string(text)
    except ValueError as error:
        return one_line(str(error), limit=120)
    return ""


class Waivers(_Table, frozen=True):
    """A whole `waivers.toml`."""

    waiver: tuple[Waiver, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for waiver in self.waiver:
            if waiver.id in seen:
                raise ValueError(f"id {waiver.id!r} is used twice; ids tell waivers apart")
            seen.add(waiver.id)


def load_policy(path: Path) -> Policy:
    """The gate policy at `path`. Raises `PolicyError` that names file, line and key."""
    return parse_policy(_text(path), where=str(path))


def parse_policy(text: str, *, where: str) -> Policy:
    """Gate policy `text`; `where` names it in errors."""
    table = _parse(text, PolicyTable, where)
    return Policy(
        where=where,
        reference=table.name,
        digest="sha256:" + sha256(text.encode()).hexdigest(),
        profiles=table.profiles,
        rules={key: rule.mode for key, rule in table.rules.items()},
        waivers=table.waivers,
    )


def load_waivers(path: Path) -> Waivers:
    """The waivers at `path`. Raises `PolicyError` that names file, line and key."""
    return parse_waivers(_text(path), where=str(path))


def parse_waivers(text: str, *, where: str) -> Waivers:
    """Waiver file `text`; `where` names it in errors."""
    return _parse(text, Waivers, where)


def _text(path: Path) -> str:
    try:
        return read_toml_text(path)
    except ConfigError as error:
        raise PolicyError(error.what, where=error.where, hint=error.hint) from error


def _parse(text: str, kind: type[T], where: str) -> T:
    try:
        return parse_toml(text, kind, where=where)
    except ConfigError as error:
        raise PolicyError(error.what, where=error.where, hint=error.hint) from error
