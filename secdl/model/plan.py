"""What a run set out to do: `plan.json`, written before the first tool starts."""

from datetime import datetime

import msgspec

from secdl.model.tool import Job


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged. `commit` is the checkout's, with `-dirty` where the tree differs and `-unknown` where
    git cannot tell; empty outside git."""

    name: str
    version: str
    commit: str = ""


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """What `exclude` keeps from the scanners below a source's path: `files` of `of` files in its languages."""

    source: str
    patterns: tuple[str, ...]
    files: int
    of: int


class PassedOver(msgspec.Struct, frozen=True, kw_only=True):
    """What nothing looks into below a source, sorted: folders because of their names, and links to code elsewhere."""

    source: str
    folders: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A source of which no scanner reads anything, by its path, and why."""

    source: str
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
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
