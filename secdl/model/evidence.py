"""What one run of a tool left behind: enough to prove that it ran, and to judge it again later."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""How many, as a tool claims it: what no tool can have counted is not read, and every sum of counts can be written."""


class Outcome(StrEnum):
    """How a tool's run ended. Only `OK` is evidence; `SKIPPED` says that configuration names nothing for it to read."""

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    MISSING = "missing"
    SKIPPED = "skipped"


class Origin(StrEnum):
    """Where an executable came from; `OVERRIDE` is a path from configuration, which the release profile refuses."""

    PYPI = "pypi"
    GO = "go"
    DEBIAN = "debian"
    PATH = "path"
    SECDL = "secdl"
    OVERRIDE = "override"
    IMPORT = "import"
    NONE = ""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One executable: the argv prefix that starts it, its version, sha256 digest (`sha256:…`) and origin."""

    argv: tuple[str, ...]
    version: str
    digest: str
    origin: Origin


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Proof of work: what the tool says it read, canary excluded.

    `read` counts by unit, as in `{"files": 42, "lines": 9000}`; all zero means that it read nothing.
    `unread` names planned subjects that it could not read or parse; one is enough to void the evidence.
    `loaded` maps what an engine found loaded in the programs that it tests (absolute path) to the sha256 of each:
    where one is another by now, the evidence speaks of the past.
    """

    read: dict[str, Count] = {}
    unread: tuple[str, ...] = ()
    loaded: dict[str, str] = {}


class CanaryResult(msgspec.Struct, frozen=True, kw_only=True):
    """Hits by rule on the planted defects: `expected` at least, `found` in fact."""

    expected: dict[str, int]
    found: dict[str, int]

    @property
    def missed(self) -> tuple[str, ...]:
        """Rules that found fewer planted defects than there are, sorted; with none to find, nothing is proven."""
        if not self.expected:
            return ("every rule",)
        return tuple(sorted(rule for rule, count in self.expected.items() if self.found.get(rule, 0) < count))


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One job's record, `evidence/<job>/evidence.json`; its presence is the job's commit mark.

    `reason` says in one line why the outcome is not OK. `argv` is what ran. `peak_rss_bytes` and `cpu_s` include
    reaped children. `subjects` is what it was asked to read; `files` maps names in the evidence folder to sha256.
    `advisories` maps each ecosystem used to its data date (None: unknown). `reused_from` is the run that measured.
    `rules_digest` is that of the rules and settings it judged by, where they are files of their own (`sha256:…`).
    `root` and `folder` are checkout and evidence folder as the tool saw them: paths in its output are relative to them.
    """

    schema: int = 1
    job: str
    tool: str
    stage: str
    outcome: Outcome
    reason: str = ""
    version: str = ""
    origin: Origin = Origin.NONE
    digest: str = ""
    programs: dict[str, Program] = {}
    argv: tuple[str, ...] = ()
    exit_status: int | None = None
    started: datetime | None = None
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    subjects: tuple[str, ...] = ()
    work: Work = Work()
    canary: CanaryResult | None = None
    advisories: dict[str, date | None] = {}
    files: dict[str, str] = {}
    rules_digest: str = ""
    root: str = ""
    folder: str = ""
    cache_key: str = ""
    reused_from: str = ""
