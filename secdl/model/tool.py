"""What a tool is to secdl, and the job it is given. A module in `secdl.tools` with a `TOOL` is a plugin."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from posixpath import normpath
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.text import clean, one_line

if TYPE_CHECKING:
    from secdl.model.config import Config

CANARY = "canary:"
"""Path prefix of a result in the planted defects."""
CANARY_PACKAGE = "secdl-canary"
"""Name of the package that canaries of dependency scanners pin; nobody publishes it, and no report lists it."""
OUTSIDE = "outside:"
"""Path prefix of a result outside the checkout: shown, never opened."""
LAID = "src"
"""Folder in the evidence folder for sources that are laid out: all that a scanner of folders may read, nothing else."""
SCRIPT = ".laid.py"
"""Ending of a laid source whose own name does not say that it is Python."""
# The scheme has two letters at least: `c://x` is on a drive, and a file may be called `a:b.c`.
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_NAMED = ("image:", "device:", "package:", "model:", OUTSIDE)


class Stage(StrEnum):
    """A step of the pipeline that can be asked for by name."""

    SAST = "sast"
    DEPS = "deps"
    IMAGES = "images"
    THREATMODEL = "threatmodel"
    FUZZ = "fuzz"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that configuration declares for a tool: a job is made of each.

    `name` is empty where a tool has one job for all it reads. `sources` are repo-relative POSIX paths, the files or
    folders that the result depends on. `settings` are JSON values for the adapter; `rules` among them is the sha256 of
    the rules it judges by, where they are files. `skip` is why the tool can say nothing of it, empty where it can.
    """

    name: str = ""
    sources: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    skip: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One planned run of a tool. Stored in plan.json, so that its output can be parsed again anywhere.

    `name` is the folder under evidence/: the tool, or `tool@subject`. `root` is the checkout, `folder` the evidence
    folder as the tool saw it. `inputs` maps the name of each needed tool to that
    tool's output file, `programs` each further program of the tool to its absolute path, `services` each service to
    its URL, `data` each shared data folder (advisories, cache) to its path. `engine` is true for secdl's own engines,
    whose reports name places (`canary:…`) themselves. `narrowed` is true where `--changed-since` left out some of its
    sources.
    """

    name: str
    tool: str
    stage: Stage
    subject: str = ""
    root: str = ""
    folder: str = ""
    output: str = "out.json"
    sources: tuple[str, ...] = ()
    settings: dict[str, Any] = {}
    needs: tuple[str, ...] = ()
    inputs: dict[str, str] = {}
    programs: dict[str, str] = {}
    services: dict[str, str] = {}
    data: dict[str, str] = {}
    has_canary: bool = False
    engine: bool = False
    narrowed: bool = False
    timeout_s: float = 300.0
    size_cap_bytes: int = 512 << 20
    skip: str = ""

    @property
    def out(self) -> str:
        """Absolute path of the file that the tool writes its report to."""
        return f"{self.folder}/{self.output}"

    @property
    def canary(self) -> str:
        """Absolute path of the copied canary: one more target of the same invocation."""
        return f"{self.folder}/canary"

    @property
    def laid(self) -> str:
        """Absolute path of the sources that the tool laid out (`Tool.lay`), each below its own repo-relative name."""
        return f"{self.folder}/{LAID}"

    def path(self, reported: str) -> str:
        """`reported` as secdl names it: repo-relative, `canary:…`, a named place, or `outside:…`."""
        text = one_line(reported, limit=1000)
        if text[:7].lower() == "file://":
            text = text[7:]
        if text.startswith(_NAMED):
            return text
        if text.startswith(CANARY):
            # Only an engine may say so: a source file of that name must not hide its findings.
            return text if self.engine else "./" + text
        if _ELSEWHERE.match(text):
            return OUTSIDE + text
        root = normpath(self.root or "/-")
        full = normpath(text if text.startswith("/") else f"{root}/{text}")
        # Normalised first: `canary/../../src/a.py` is no planted defect, and `./…/canary/a.py` is one.
        if self.has_canary and (planted := _below(normpath(self.canary), full)) is not None:
            return CANARY + planted
        laid = _below(normpath(self.laid), full) if self.folder else None
        inside = laid.removesuffix(SCRIPT) if laid else _below(root, full)
        if inside is None:
            return OUTSIDE + text
        return f"./{inside}" if inside.startswith((CANARY, *_NAMED)) else inside

    def finding(
        self,
        *,
        rule: str,
        level: Level,
        message: str,
        path: str = "",
        line: int | None = None,
        column: int | None = None,
        **more: Any,
    ) -> Finding:
        """A finding of this job's tool, its text made safe to show; `more` are further fields of `Finding`."""
        locations = more.pop("locations", None)
        if locations is None:
            place = Location(path=self.path(path), line=position(line), column=position(column))
            locations = (place,) if path else ()
        if "snippet" in more:
            more["snippet"] = clean(more["snippet"], limit=2000)
        return Finding(
            tool=self.tool,
            rule=one_line(rule, limit=200),
            level=level,
            message=clean(message.strip()),
            locations=locations,
            **more,
        )


def position(number: int | None) -> int | None:
    """`number` where it can be a line or column; tools report 0, -1 and nonsense for "somewhere"."""
    return number if number is not None and 0 < number < 1 << 31 else None


def _below(folder: str, path: str) -> str | None:
    """`path` relative to `folder`, empty for the folder itself, None outside it. Both are normalised."""
    if path == folder:
        return ""
    prefix = folder.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """Planted defects that a tool must find in every run, or its evidence does not count.

    `folder` lies under secdl/canaries and is copied into the evidence folder before the run. `expects` counts the hits
    by rule; where it is empty, comments `canary: RULE` in the files are counted instead. A result belongs to the canary
    when its path begins `canary:` once normalised (an engine that plants its own reports it at `canary:…` itself).
    Where it is not `ours`, `folder` lies below the checkout.
    """

    folder: str = ""
    expects: Mapping[str, int] = {}
    ours: bool = True


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What `secdl explain` and the report say of a rule. `gain` is what a guest or attacker gains from the defect."""

    id: str
    title: str
    help: str = ""
    gain: str = ""
    fix: str = ""
    cwe: tuple[str, ...] = ()


def no_rules() -> tuple[Rule, ...]:
    """For tools whose reports carry all that is to be said of a rule."""
    return ()


class Checkout(Protocol):
    """What a tool may look at before its run: regular files of the checkout, by repo-relative POSIX path."""

    def files(self, path: str) -> tuple[str, ...]:
        """The regular files at or below `path`, sorted; links are not followed."""

    def read(self, path: str) -> bytes:
        """The content of one of them. Raises `MalformedOutput` where it cannot be read or is too large."""


def lays_nothing(_job: Job, _checkout: Checkout) -> Mapping[str, bytes]:
    """For tools that read the checkout as it is."""
    return {}


def spares_nothing(_job: Job) -> frozenset[str]:
    """For tools that start all of their programs for every job."""
    return frozenset()


def sees_all(_job: Job) -> bool:
    """For tools whose jobs read nothing but what secdl compares before it reuses their evidence."""
    return True


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A scanner as pure functions: arguments out, bytes in.

    `subjects(config)` gives one `Subject` per job, none where configuration declares nothing for it (SKIPPED).
    `argv(job)` gives the arguments after the program. `parse(raw, job)` gives the findings in the report, canary
    included; `work(raw, job)` the proof of work, canary excluded. Both raise `MalformedOutput` on anything that is not
    the whole report of this tool. `raw` is the content of `output` in the evidence folder (`"stdout"` is one too).
    `completed` are exit statuses that mean "ran to the end". `needs` are tools whose output it reads (for a tool with
    the same subject, that subject's). `program` is its entry in tools.lock.toml (`name` where empty), or `builtin` the
    Python module of secdl that is the engine; `programs` are further entries it starts itself, but
    for those that `spares(job)` names; `services` what must
    answer while it runs (`"osv"`); `ecosystems` the advisory data it is judged by. `lay(job, checkout)` gives files by
    path in the evidence folder, written there before the run: for a tool that reads one folder only, in which its
    canary must lie too, or more than it is told to, or that cannot read a file as it is. It is then all that the tool
    reads of the checkout, and raises as `parse` does. `narrows` is true where
    `--changed-since` may cut its sources down to changed files; its jobs carry `settings["planned"]`, the files below
    the sources that configuration means, sorted, `"reads"`, by source the endings of such files, and where cut down
    `"removed"`, the files that are gone. `settings["scopes"]` of a tool are the sources that rules are for, by the
    beginning of their names. `weight_s` is the expected duration, for scheduling, `timeout_s` the
    deadline before the profile's factor. `reusable` is false where the tool keeps a cache of its own or
    reads what secdl cannot know, `repeatable(job)` where that one job does; `downloads` true where it goes to the
    network, by the user's proxies.
    `settings` is a frozen msgspec.Struct type (forbid_unknown_fields) of its own keys under `[tools.NAME]`.
    `configured` is true for a program that the repository names itself.
    """

    name: str
    stage: Stage
    title: str
    subjects: Callable[["Config"], tuple[Subject, ...]]
    argv: Callable[[Job], tuple[str, ...]]
    parse: Callable[[bytes, Job], Iterator[Finding]]
    work: Callable[[bytes, Job], Work]
    completed: frozenset[int] = frozenset({0})
    output: str = "out.json"
    needs: tuple[str, ...] = ()
    canary: Canary | None = None
    program: str = ""
    builtin: str = ""
    programs: tuple[str, ...] = ()
    spares: Callable[[Job], frozenset[str]] = spares_nothing
    services: tuple[str, ...] = ()
    lay: Callable[[Job, Checkout], Mapping[str, bytes]] = lays_nothing
    ecosystems: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    rules: Callable[[], tuple[Rule, ...]] = no_rules
    narrows: bool = False
    weight_s: float = 10.0
    timeout_s: float = 300.0
    reusable: bool = True
    repeatable: Callable[[Job], bool] = sees_all
    downloads: bool = False
    settings: type | None = None
    configured: bool = False

    def place(self, job: Job) -> str:
        """The working directory. A scanner may take settings from files there: only secdl's engines and configured
        programs run in the checkout, all others in the evidence folder."""
        return job.root if self.builtin or self.configured else job.folder

    def starting(self, job: Job) -> "Tool":
        """This tool with only the programs that `job` starts, reusable where that job is."""
        spared = self.spares(job)
        programs = tuple(name for name in self.programs if name not in spared)
        return replace(self, programs=programs, reusable=self.reusable and self.repeatable(job))
