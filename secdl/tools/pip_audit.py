"""pip-audit: known vulnerabilities of locked Python dependencies, asked of secdl's own OSV service."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

import msgspec
from packageurl import PackageURL

from secdl.advisories.aliases import canonical
from secdl.advisories.canary import ID
from secdl.advisories.gain import gain_of
from secdl.advisories.service import SEVERITY
from secdl.model.codec import decode
from secdl.model.config import Config
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.text import one_line
from secdl.model.tool import CANARY, CANARY_PACKAGE, Canary, Checkout, Job, Stage, Subject, Tool
from secdl.tools._locks import LAID, OTHERS, Pin, python_locks, written

_FOREIGN = "a lock of another language: no advisory of Python speaks of it, trivy alone judges it"
_LEVELS = {level.value: level for level in Level}


class Vulnerability(msgspec.Struct, frozen=True):
    id: str
    fix_versions: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    description: str = ""


class Dependency(msgspec.Struct, frozen=True):
    """A pin that was looked up, or with `skip_reason` one that was not."""

    name: str
    version: str = ""
    vulns: tuple[Vulnerability, ...] | None = None
    skip_reason: str = ""


class Report(msgspec.Struct, frozen=True):
    """pip-audit's JSON report."""

    dependencies: tuple[Dependency, ...]
    fixes: tuple[msgspec.Raw, ...]


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[dependencies]]`; for the lock of another language one that says so."""
    return tuple(
        Subject(
            name=entry.name, sources=(entry.path,), skip=_FOREIGN if PurePosixPath(entry.path).name in OTHERS else ""
        )
        for entry in config.dependencies
    )


def lay(job: Job, checkout: Checkout) -> Mapping[str, bytes]:
    """The pins of all locks, without markers and hashes: pip-audit would leave out, or end on, what is conditional."""
    locks = python_locks(job.sources[0], checkout)
    joined = {(pin.name, pin.version or pin.url): pin for found in locks.values() for pin in found}
    if not joined:
        hint = "a requirements file, uv.lock, poetry.lock, pdm.lock, pylock.toml or Pipfile.lock is read"
        raise MalformedOutput("locks no Python dependency", where=job.sources[0], hint=hint)
    return {f"{LAID}/requirements.txt": written(tuple(_respelled(joined[key] for key in sorted(joined))))}


def argv(job: Job) -> tuple[str, ...]:
    """Looks up the pins as they stand: nothing is resolved, downloaded or run."""
    return (
        "--vulnerability-service=osv",
        f"--osv-url={job.services['osv']}/v1/query",
        "--no-deps",
        "--disable-pip",
        "--format=json",
        "--desc=on",
        "--aliases=on",
        "--progress-spinner=off",
        f"--output={job.out}",
        f"--requirement={job.folder}/{LAID}/requirements.txt",
        f"--requirement={job.canary}/requirements.txt",
    )


def parse(raw: bytes, job: Job) -> Iterator[Finding]:
    """One finding for each vulnerability of each pin."""
    for dependency in _report(raw, job).dependencies:
        for vulnerability in dependency.vulns or ():
            yield _finding(dependency, vulnerability, job)


def work(raw: bytes, job: Job) -> Work:
    """Pins looked up. One that pip-audit skipped is unread: it says nothing of it, and still exits 0."""
    looked_up, skipped = 0, []
    for dependency in _report(raw, job).dependencies:
        if dependency.vulns is None:
            name = one_line(dependency.name, limit=120)
            skipped.append(f"{name}: {one_line(dependency.skip_reason or 'without result', limit=200)}")
        elif dependency.name != CANARY_PACKAGE:
            looked_up += 1
    return Work(read={"packages": looked_up}, unread=tuple(skipped))


def _respelled(pins: Iterable[Pin]) -> Iterator[Pin]:
    """A lock for several platforms may hold a name twice. pip-audit ends on that, but takes names as they are spelled
    for different ones; its report spells them alike."""
    seen: Counter[str] = Counter()
    for pin in pins:
        number = seen[pin.name]
        seen[pin.name] += 1
        name = "".join(c.upper() if number >> place & 1 else c for place, c in enumerate(pin.name))
        yield msgspec.structs.replace(pin, name=name)


def _report(raw: bytes, job: Job) -> Report:
    return decode(raw, Report, where=f"pip-audit: {job.output}")


def _finding(dependency: Dependency, vulnerability: Vulnerability, job: Job) -> Finding:
    ids = {vulnerability.id, *vulnerability.aliases}
    name = canonical(ids)
    purl = PackageURL("pypi", None, one_line(dependency.name, limit=200), one_line(dependency.version, limit=100))
    bare = PackageURL("pypi", None, purl.name).to_string()
    level, word, summary = _told(vulnerability.description)
    place = f"{CANARY}requirements.txt" if dependency.name == CANARY_PACKAGE else job.sources[0]
    fixed = one_line(vulnerability.fix_versions[0], limit=100) if vulnerability.fix_versions else ""
    return job.finding(
        rule=name,
        level=level,
        message=f"{purl.name} {purl.version}: {name}: {summary or 'no summary'}",
        locations=(Location(path=place),),
        word=word,
        context=f"{bare}|{one_line(name, limit=200)}",
        aliases=tuple(sorted(one_line(alias, limit=200) for alias in ids - {name})),
        purl=purl.to_string(),
        gain=gain_of(word),
        fix=f"update {purl.name} to {fixed} or later" if fixed else "no fixed version is known",
    )


def _told(description: str) -> tuple[Level, str, str]:
    """Level, word and summary out of what secdl's OSV service said; a description of another's has an unknown level."""
    head, bar, summary = description.partition(" | ")
    level, semicolon, word = head.removeprefix(SEVERITY).partition(";")
    if not (bar and semicolon and head.startswith(SEVERITY)):
        return Level.UNKNOWN, "", description
    return _LEVELS.get(level, Level.UNKNOWN), one_line(word, limit=200), summary


TOOL = Tool(
    name="pip-audit",
    stage=Stage.DEPS,
    title="Known vulnerabilities of Python dependencies",
    subjects=subjects,
    lay=lay,
    argv=argv,
    parse=parse,
    work=work,
    # pip-audit exits 1 both when it has findings and when it gave up; only then it writes no report.
    completed=frozenset({0, 1}),
    canary=Canary(folder="pip-audit", expects={ID: 1}),
    services=("osv",),
    ecosystems=("PyPI",),
    weight_s=4.0,
)
