"""What a run set out to do: `plan.json`, written before the first tool starts."""

from dataclasses import dataclass
from datetime import datetime

from secdl.model.tool import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is judged. `commit` is the checkout's, with `-dirty` where the tree differs and `-unknown` where
    git cannot tell; empty outside git."""

    name: str
    version: str
    commit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """What `exclude` keeps from the scanners below a source's path: `files` of `of` files in its languages."""

    source: str
    patterns: tuple[str, ...]
    files: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """What nothing looks into below a source, sorted: folders because of their names, and links to code elsewhere."""

    source: str
    folders: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A source of which no scanner reads anything, by its path, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The jobs of a run and the moment (`as_of`, UTC) that ages and expiries are judged by.

    `stages` were asked for, `left_out` were not (by `--only`, or an import). `scope` is empty for the whole tree, else
    says which changes were looked at. `excluded` has an entry for every source of which configuration hides a part.
    `imports` is true for a run of foreign reports alone.
    """

    schema: int = 1
    secdl: str
    run: str
    as_of: datetime
    profile: str
    root: str
    product: Product
    stages: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    scope: str = ""
    excluded: tuple[Exclusion, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    unread: tuple[Unread, ...] = ()
    imports: bool = False
    jobs: tuple[Job, ...] = ()
