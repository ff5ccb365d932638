"""Compares the package database of an image with the SBOM that was made of it: they must name the same packages."""

from collections.abc import Iterator

import msgspec
from packageurl import PackageURL

from secdl.image.dpkg import STATUS, Package, installed
from secdl.image.rootfs import ImageRefused, Rootfs, shown
from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Location
from secdl.model.rulebook import RuleEntry
from secdl.model.text import one_line
from secdl.model.tool import CANARY_PACKAGE

TOOL_NAME = "image-packages"
_RPM = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/Packages")
Key = tuple[str, str]
"""A binary package's name and architecture."""


class Component(msgspec.Struct, frozen=True, gc=False):
    """A component of a CycloneDX document, as far as it is compared."""

    name: str
    purl: str = ""


class Bom(msgspec.Struct, frozen=True, rename="camel"):
    """A CycloneDX document."""

    bom_format: str
    spec_version: str
    components: tuple[Component, ...] = ()


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The differences and what was compared."""

    findings: tuple[Finding, ...]
    work: Work


def compare(rootfs: Rootfs, sbom: bytes, *, prefix: str, rules: dict[str, RuleEntry]) -> Compared:
    """The differences between the dpkg database of `rootfs` and the CycloneDX document `sbom`.

    Raises `ImageRefused` where either names no package at all, `MalformedOutput` for another document.
    """
    database = {(package.name, package.architecture): package for package in debian_packages(rootfs)}
    listed = sbom_packages(sbom)
    if not listed:
        raise ImageRefused(
            "the SBOM holds no Debian package", where=rootfs.where, hint="an empty SBOM is no SBOM: not measured"
        )
    findings = [
        Finding(
            tool=TOOL_NAME,
            rule=rule,
            level=rules[rule].level,
            message=message,
            locations=(Location(path=f"{prefix}{STATUS}"),),
            context=f"{rule}|{key[0]}:{key[1]}",
            cwe=rules[rule].cwe,
        )
        for rule, key, message in _differences(database, listed)
    ]
    return Compared(findings=tuple(findings), work=Work(read={"packages": len(database), "sbom_packages": len(listed)}))


def debian_packages(rootfs: Rootfs) -> tuple[Package, ...]:
    """The installed Debian packages. Raises `ImageRefused` where there are none to read."""
    packages = installed(rootfs)
    if not packages:
        rpm = any(rootfs.find(path) is not None for path in _RPM)
        raise ImageRefused(
            "an rpm package database, which is not read yet" if rpm else "no dpkg package database",
            where=rootfs.where,
            hint="packages of this image are not measured",
        )
    return packages


def sbom_packages(raw: bytes) -> dict[Key, str]:
    """Version by name and architecture of the Debian packages in a CycloneDX document. Raises `MalformedOutput`."""
    bom = codec.decode(raw, Bom, where="SBOM")
    if bom.bom_format != "CycloneDX":
        raise MalformedOutput(
            f"bomFormat {one_line(bom.bom_format, limit=40)!r}", where="SBOM", hint="CycloneDX is read"
        )
    listed: dict[Key, str] = {}
    for component in bom.components:
        if component.purl.startswith("pkg:deb/"):
            try:
                purl = PackageURL.from_string(component.purl)
            except ValueError as error:
                raise MalformedOutput(one_line(f"not a purl: {component.purl}"), where="SBOM") from error
            if purl.name == CANARY_PACKAGE:
                continue
            listed[purl.name, dict(purl.qualifiers or {}).get("arch", "")] = purl.version or ""
    return listed


def _differences(database: dict[Key, Package], listed: dict[Key, str]) -> Iterator[tuple[str, Key, str]]:
    for key in sorted(database.keys() | listed.keys()):
        name = shown(f"{key[0]}:{key[1]}")
        if key not in listed:
            yield "package-missing-from-sbom", key, f"{name} {database[key].version} is installed, not in the SBOM"
        elif key not in database:
            yield "package-only-in-sbom", key, f"{name} {shown(listed[key])} is in the SBOM, not installed"
        elif listed[key] != database[key].version:
            yield (
                "package-version-differs",
                key,
                f"{name}: installed {database[key].version}, in the SBOM {shown(listed[key])}",
            )
