"""trivy: known vulnerabilities of locked dependencies, by a database that trivy brings or is given."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from secdl.advisories.aliases import canonical
from secdl.model.codec import decode
from secdl.model.config import Config
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.text import one_line
from secdl.model.tool import CANARY, Canary, Job, Stage, Subject, Tool
from secdl.tools._locks import lay_locks, lock_of

_LEVELS = {
    "CRITICAL": Level.CRITICAL,
    "HIGH": Level.HIGH,
    "MEDIUM": Level.MEDIUM,
    "LOW": Level.LOW,
    "UNKNOWN": Level.UNKNOWN,
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tools.trivy]`: `database` is a trivy cache folder, with `db/trivy.db` and `db/metadata.json` in it."""

    database: str = ""


class Identifier(msgspec.Struct, frozen=True, rename="pascal"):
    purl: str = msgspec.field(default="", name="PURL")


class Package(msgspec.Struct, frozen=True, rename="pascal"):
    name: str
    version: str = ""


class Vulnerability(msgspec.Struct, frozen=True, rename="pascal"):
    vulnerability_id: str = msgspec.field(name="VulnerabilityID")
    pkg_name: str
    installed_version: str
    severity: str
    pkg_identifier: Identifier = Identifier()
    fixed_version: str = ""
    title: str = ""
    description: str = ""
    severity_source: str = ""
    cwe_ids: tuple[str, ...] = msgspec.field(default=(), name="CweIDs")
    vendor_ids: tuple[str, ...] = msgspec.field(default=(), name="VendorIDs")


class Result(msgspec.Struct, frozen=True, rename="pascal"):
    """What trivy says of one lock file."""

    target: str
    kind: str = msgspec.field(default="", name="Class")
    packages: tuple[Package, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] = ()


class Report(msgspec.Struct, frozen=True, rename="pascal"):
    """trivy's JSON report; one that found no lock file has no `Results`."""

    schema_version: int
    artifact_name: str
    artifact_type: str
    results: tuple[Result, ...] = ()


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[dependencies]]`."""
    database = config.settings("trivy", Settings).database
    return tuple(
        Subject(name=entry.name, sources=(entry.path,), settings={"database": database})
        for entry in config.dependencies
    )


def argv(job: Job) -> tuple[str, ...]:
    """One scan of the evidence folder, offline. Raises `MalformedOutput` where there is no database to judge by."""
    database = Path(job.root, job.settings.get("database") or f"{job.data['cache']}/trivy")
    if not (database / "db" / "metadata.json").is_file():
        hint = "`[tools.trivy] database` names a trivy cache folder that holds one"
        raise MalformedOutput("no vulnerability database for trivy", where=str(database), hint=hint)
    return (
        "filesystem",
        f"--cache-dir={database}",
        "--scanners=vuln",
        "--list-all-pkgs",
        "--format=json",
        f"--output={job.out}",
        "--quiet",
        "--no-progress",
        "--offline-scan",
        "--skip-db-update",
        "--skip-java-db-update",
        "--skip-version-check",
        "--disable-telemetry",
        job.folder,
    )


def parse(raw: bytes, job: Job) -> Iterator[Finding]:
    """One finding for each vulnerability of each package."""
    for result in _report(raw, job).results:
        for vulnerability in result.vulnerabilities:
            yield _finding(vulnerability, _place(result.target), job)


def work(raw: bytes, job: Job) -> Work:
    """Packages that trivy read out of the locks."""
    results = [result for result in _report(raw, job).results if not _place(result.target).startswith(CANARY)]
    return Work(read={"packages": sum(len(result.packages) for result in results)})


def _report(raw: bytes, job: Job) -> Report:
    where = f"trivy: {job.output}"
    report = decode(raw, Report, where=where)
    if (report.schema_version, report.artifact_type) != (2, "filesystem"):
        kind = one_line(f"schema {report.schema_version}, artifact type {report.artifact_type}", limit=80)
        raise MalformedOutput(f"a report of another kind: {kind}", where=where, hint="schema 2 of a folder is read")
    return report


def _place(target: str) -> str:
    """The lock file that trivy's target was laid out from, `canary:…` for the planted one."""
    plain = one_line(target, limit=1000)
    if plain.startswith("canary/"):
        return CANARY + plain.removeprefix("canary/")
    return lock_of(plain)


def _finding(vulnerability: Vulnerability, place: str, job: Job) -> Finding:
    ids = {vulnerability.vulnerability_id, *vulnerability.vendor_ids}
    name = canonical(ids)
    purl = one_line(vulnerability.pkg_identifier.purl, limit=300)
    package, version = one_line(vulnerability.pkg_name, limit=200), one_line(vulnerability.installed_version, limit=100)
    fixed = one_line(vulnerability.fixed_version, limit=200)
    title = vulnerability.title or vulnerability.description or "no summary"
    return job.finding(
        rule=name,
        level=_LEVELS.get(vulnerability.severity, Level.UNKNOWN),
        message=f"{package} {version}: {name}: {one_line(title, limit=300)}",
        locations=(Location(path=place),),
        word=one_line(f"{vulnerability.severity} {vulnerability.severity_source}", limit=80),
        context=f"{purl.partition('@')[0] or package}|{one_line(name, limit=200)}",
        cwe=tuple(one_line(cwe, limit=20) for cwe in vulnerability.cwe_ids),
        aliases=tuple(sorted(one_line(alias, limit=200) for alias in ids - {name})),
        purl=purl or None,
        fix=f"update {package} to {fixed}" if fixed else "no fixed version is known",
    )


TOOL = Tool(
    name="trivy",
    stage=Stage.DEPS,
    title="Known vulnerabilities of dependencies, by trivy's database",
    subjects=subjects,
    lay=lay_locks,
    argv=argv,
    parse=parse,
    work=work,
    canary=Canary(folder="trivy", expects={"CVE-2019-10906": 1}),
    # Its report does not say how old its database is, and unknown is stale.
    ecosystems=("trivy database",),
    # Nor is the database, a gigabyte, among what the evidence cache compares.
    reusable=False,
    weight_s=5.0,
    settings=Settings,
)
