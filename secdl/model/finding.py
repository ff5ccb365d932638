"""One normalised result of a tool, and where it is."""

from datetime import date
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad a finding is; `UNKNOWN` never passes silently."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"
    UNKNOWN = "unknown"


LEVELS = tuple(Level)
"""Worst first; unknown last, because it is not known to be harmless."""


class Status(StrEnum):
    """What a finding is against the baseline; without a baseline every finding is new."""

    NEW = "new"
    UNCHANGED = "unchanged"
    ABSENT = "absent"


class AbsentCause(StrEnum):
    """Why a finding of the baseline is not here; only `FIXED` says that it is gone for good."""

    FIXED = "code changed"
    RULE_CHANGED = "rule or tool changed"
    NOT_SCANNED = "not scanned"
    ADVISORY_WITHDRAWN = "advisory withdrawn"


class Location(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place: repo-relative POSIX `path`, 1-based `line` and `column`.

    A path that is not source begins `image:NAME/`, `device:NAME`, `package:` or `model:NAME/`; one that a tool
    reported outside every configured root begins `outside:`.
    """

    path: str
    line: int | None = None
    column: int | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One result. A tool's parser fills the first block; the gate fills the second.

    `word` is the tool's own severity word; `snippet` the source text it reported; `context` what the fingerprint
    hashes in place of the snippet (for packages: purl and canonical advisory); `gain` what a guest or attacker gains;
    `fix` the next action (for packages: the fixed version).
    """

    tool: str
    rule: str
    level: Level
    message: str
    locations: tuple[Location, ...] = ()
    word: str = ""
    snippet: str = ""
    context: str = ""
    cwe: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    purl: str | None = None
    gain: str = ""
    fix: str = ""

    fingerprint: str = ""
    status: Status = Status.NEW
    absent_cause: AbsentCause | None = None
    blocking: bool = False
    waiver: str | None = None
    owner: str | None = None
    first_seen: date | None = None

    @property
    def path(self) -> str:
        """Path of the first location; empty where the tool gave none."""
        return self.locations[0].path if self.locations else ""
