"""What the SBOM tools share: syft's arguments, and its CycloneDX report as proof of work and canary."""

from collections.abc import Iterator, Mapping

import msgspec

from secdl.model.codec import decode
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.text import one_line
from secdl.model.tool import CANARY, CANARY_PACKAGE, Job

OUTPUT = "sbom.cdx.json"
SPDX = "sbom.spdx.json"
RULE = "planted-package"
"""The rule of a canary's component: an SBOM has no findings, its canary is one more component."""
ENV: Mapping[str, str] = {"SYFT_CHECK_FOR_APP_UPDATE": "false"}


class Component(msgspec.Struct, frozen=True, gc=False):
    """A package or file that syft lists."""

    type: str
    name: str
    version: str = ""
    purl: str = ""


class Producer(msgspec.Struct, frozen=True):
    """A tool that made the document."""

    name: str


class Producers(msgspec.Struct, frozen=True):
    """The tools that made the document."""

    components: tuple[Producer, ...]


class Metadata(msgspec.Struct, frozen=True):
    """Who made the document."""

    tools: Producers


class Bom(msgspec.Struct, frozen=True, rename="camel"):
    """A CycloneDX document of syft; one without packages has no `components`."""

    bom_format: str
    spec_version: str
    serial_number: str
    metadata: Metadata
    components: tuple[Component, ...] = ()


def arguments(source: str, job: Job, *more: str) -> tuple[str, ...]:
    """syft's arguments to describe `source` in CycloneDX and SPDX."""
    return (
        "scan",
        source,
        "--quiet",
        f"--source-name={job.subject or job.name}",
        f"--output=cyclonedx-json={job.out}",
        f"--output=spdx-json={job.folder}/{SPDX}",
        *more,
    )


def parse(raw: bytes, job: Job) -> Iterator[Finding]:
    """The planted packages that the SBOM lists; an SBOM says nothing else that is good or bad."""
    for component in read(raw, job).components:
        if component.name == CANARY_PACKAGE:
            yield job.finding(
                rule=RULE,
                level=Level.INFO,
                message=f"{component.name} {component.version} is listed",
                locations=(Location(path=CANARY + one_line(component.purl or component.name)),),
            )


def work(raw: bytes, job: Job) -> Work:
    """Packages listed, the planted ones left out; none at all is not measured, whatever the exit status."""
    listed = sum(component.purl != "" and component.name != CANARY_PACKAGE for component in read(raw, job).components)
    return Work(read={"packages": listed})


def read(raw: bytes, job: Job) -> Bom:
    """`raw` as syft's CycloneDX document. Raises `MalformedOutput`."""
    where = f"{job.tool}: {job.output}"
    bom = decode(raw, Bom, where=where)
    if bom.bom_format != "CycloneDX":
        raise MalformedOutput(
            f"bomFormat {one_line(bom.bom_format, limit=40)!r}", where=where, hint="not an SBOM of syft"
        )
    if "syft" not in [producer.name for producer in bom.metadata.tools.components]:
        raise MalformedOutput("an SBOM that syft did not make", where=where, hint="check what [tools.syft] path names")
    return bom
