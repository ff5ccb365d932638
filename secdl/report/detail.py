"""What stands below the first screen: jobs, findings with their source, dependencies, images, drawings."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from secdl.model import codec, words
from secdl.model.errors import MalformedOutput
from secdl.model.finding import Finding
from secdl.model.image import FILE as IMAGE_FILE
from secdl.model.image import ImageRecord
from secdl.model.record import Excerpt, Record
from secdl.model.tool import CANARY_PACKAGE
from secdl.report import engines
from secdl.report.rows import Ran
from secdl.report.svg import safe_svg
from secdl.report.view import View

LISTED = 2000
"""Findings that the page lists, worst first; the counts are of all."""
ABSENT_LISTED = 200
COMPONENTS_LISTED = 500


class Component(msgspec.Struct, frozen=True, gc=False):
    """A component of a CycloneDX document, as far as the page shows it."""

    name: str
    version: str = ""
    type: str = ""
    purl: str = ""


class Bom(msgspec.Struct, frozen=True):
    """A CycloneDX document, as far as the page shows it."""

    bomFormat: str  # noqa: N815 - the format's own word
    specVersion: str  # noqa: N815
    components: tuple[Component, ...] = ()


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the table *What ran* shows it."""

    job: str
    program: str
    origin: str
    state: str
    valid: bool
    lost: bool
    reason: str
    took: str
    cpu: str
    memory: str
    read: str
    canary: str


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as the table *Findings* shows it; `lines` are numbered source lines, the reported one marked."""

    finding: Finding
    state: str
    where: str
    places: tuple[str, ...]
    lines: tuple[tuple[int, str, bool], ...]


class Packages(msgspec.Struct, frozen=True, kw_only=True):
    """The components that one job listed, those with findings first."""

    job: str
    format: str
    total: int
    with_findings: int
    rows: tuple[tuple[Component, int], ...]


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A diagram that may stand in the page; `markup` is None where it could not be shown.

    `themed` says that it leaves its colours to the page; another one needs white paper.
    """

    title: str
    markup: str | None
    themed: bool


def job_rows(seen: View) -> tuple[JobRow, ...]:
    """Every planned job, in plan order."""
    return tuple(_job_row(run) for run in seen.ran)


def finding_rows(seen: View) -> tuple[FindingRow, ...]:
    """The findings that the page lists, worst first."""
    excerpts = {(excerpt.path, excerpt.line): excerpt for excerpt in seen.record.excerpts}
    return tuple(_finding_row(finding, excerpts) for finding in seen.present[:LISTED])


def packages(seen: View) -> tuple[Packages, ...]:
    """What each SBOM of the run lists."""
    counts: dict[str, int] = {}
    for finding in seen.present:
        if finding.purl:
            counts[_bare(finding.purl)] = counts.get(_bare(finding.purl), 0) + 1
    return tuple(_packages(job, bom, counts) for job, bom in _boms(seen.record))


def images(record: Record) -> tuple[ImageRecord, ...]:
    """Every image that the run opened, in plan order."""
    found = []
    for job, raw in engines.files(record, IMAGE_FILE):
        try:
            found.append(codec.decode(raw, ImageRecord, where=job))
        except MalformedOutput:
            continue
    unique = {(image.name, image.digest): image for image in found}
    return tuple(unique.values())


def drawings(record: Record, job: str, names: Mapping[str, str]) -> tuple[Drawing, ...]:
    """The SVG files of `job` that are there, by file name and title, made safe."""
    found: list[Drawing] = []
    for name, title in names.items():
        if (raw := record.file(job, name)) is not None:
            prefix = f"d{len(found)}-{[e.job for e in record.evidence].index(job)}-"
            markup = safe_svg(raw, label=f"{title}, {job}", prefix=prefix)
            found.append(Drawing(title=title, markup=markup, themed=b'class="tm"' in raw[:300]))
    return tuple(found)


def _job_row(run: Ran) -> JobRow:
    evidence = run.evidence
    canary = "none planted"
    if evidence.canary is not None:
        expected = sum(evidence.canary.expected.values())
        found = sum(min(count, evidence.canary.found.get(rule, 0)) for rule, count in evidence.canary.expected.items())
        canary = f"{found} of {words.some(expected, 'planted defect')} found"
    return JobRow(
        job=evidence.job,
        program=f"{evidence.tool} {evidence.version}".strip(),
        origin=evidence.origin.value or "none",
        state=run.state,
        valid=run.valid,
        lost=not run.valid and not run.skipped,
        reason=run.reason,
        took=words.duration(evidence.duration_s),
        cpu=words.duration(evidence.cpu_s),
        memory=words.size(evidence.peak_rss_bytes),
        read=words.read(evidence.work.read),
        canary=canary,
    )


def state_of(finding: Finding) -> str:
    """`blocking`, `waived` or `advising`: each finding is exactly one of them."""
    return "blocking" if finding.blocking else "waived" if finding.waiver is not None else "advising"


def _finding_row(finding: Finding, excerpts: Mapping[tuple[str, int], Excerpt]) -> FindingRow:
    places = tuple(f"{place.path}:{place.line}" if place.line else place.path for place in finding.locations)
    lines: tuple[tuple[int, str, bool], ...] = ()
    if finding.locations and (line := finding.locations[0].line):
        excerpt = excerpts.get((finding.locations[0].path, line))
        if excerpt is not None:
            text = excerpt.text[:4000].split("\n")
            lines = tuple((excerpt.first + n, row, excerpt.first + n == excerpt.line) for n, row in enumerate(text))
    return FindingRow(
        finding=finding, state=state_of(finding), where=words.where(finding), places=places[1:20], lines=lines
    )


def _boms(record: Record) -> Iterator[tuple[str, Bom]]:
    valid = engines.counted(record)
    for evidence in record.evidence:
        for name in sorted(evidence.files) if evidence.job in valid else ():
            # Below a folder lie copies: the planted defects, and what was scanned.
            if name.endswith(".json") and "/" not in name and (raw := record.file(evidence.job, name)) is not None:
                if b'"CycloneDX"' not in raw[:4096]:
                    continue
                try:
                    bom = codec.decode(raw, Bom, where=evidence.job)
                except MalformedOutput:
                    continue
                if bom.bomFormat == "CycloneDX":
                    yield evidence.job, bom


def _packages(job: str, bom: Bom, counts: Mapping[str, int]) -> Packages:
    listed = [
        component for component in bom.components if component.type != "file" and component.name != CANARY_PACKAGE
    ]
    rows = [(component, counts.get(_bare(component.purl), 0) if component.purl else 0) for component in listed]
    rows.sort(key=_package_order)
    return Packages(
        job=job,
        format=f"CycloneDX {bom.specVersion}",
        total=len(rows),
        with_findings=sum(count > 0 for _, count in rows),
        rows=tuple(rows[:COMPONENTS_LISTED]),
    )


def _package_order(row: tuple[Component, int]) -> tuple[Any, ...]:
    component, count = row
    return -count, component.name, component.version, component.purl


def _bare(purl: str) -> str:
    return purl.partition("?")[0].partition("#")[0]
