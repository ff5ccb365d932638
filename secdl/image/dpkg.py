"""The package database of a Debian image: `/var/lib/dpkg/status` and `status.d`; states are those of dpkg(1)."""

import re

import msgspec

from secdl.image.rootfs import ImageRefused, Rootfs
from secdl.model.text import one_line

STATUS = "var/lib/dpkg/status"
_STATUS_FOLDER = "var/lib/dpkg/status.d/"
_SOURCE = re.compile(r"^(\S+)(?:\s+\((\S+)\))?$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9.+-]*$")
_ABSENT = ("not-installed", "config-files")
_PRESENT = ("installed", "half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")


class Package(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A binary package of which files are there, and the source package that it was built from."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str


def installed(rootfs: Rootfs) -> tuple[Package, ...]:
    """All packages of which files are there, configured or not, by name and architecture; none where the image holds
    no dpkg database.

    Raises `ImageRefused` where the database is there and a record of it cannot be read.
    """
    packages = parse_status(rootfs.text(STATUS) or "")
    for entry in rootfs.files():
        # Images without dpkg itself (distroless) hold one file a package there, without a status field.
        if entry.path.startswith(_STATUS_FOLDER) and not entry.path.endswith(".md5sums"):
            packages += parse_status(rootfs.read(entry).decode("utf-8", "replace"), complete=False)
    return tuple(sorted(packages, key=lambda package: (package.name, package.architecture)))


def parse_status(text: str, *, complete: bool = True) -> list[Package]:
    """The packages of a dpkg status file of which files are there. Where not `complete`, records need no `Status`."""
    packages = []
    for number, block in enumerate(re.split(r"\n[ \t]*\n", text), start=1):
        fields = _fields(block)
        if not fields:
            continue
        status = fields.get("status", "" if complete else "install ok installed").split()
        if len(status) != 3 or status[2] not in (*_ABSENT, *_PRESENT):
            raise ImageRefused(f"record {number} has no status", where=STATUS, hint="the database is damaged")
        if status[2] == "half-installed" and not fields.get("version"):
            # As dpkg leaves it where the first unpacking was cut off: some files are there, of no version it knows.
            what = f"{one_line(fields.get('package', ''), limit=80)} is half-installed, of no known version"
            raise ImageRefused(what, where=STATUS, hint="finish installing it, or remove it")
        if status[2] in _PRESENT:
            packages.append(_package(fields, number))
    return packages


def os_release(rootfs: Rootfs) -> tuple[str, str]:
    """(`debian`, `12`): ID and VERSION_ID of the image's os-release, empty where it says nothing."""
    text = rootfs.text("etc/os-release") or rootfs.text("usr/lib/os-release") or ""
    values = dict(re.findall(r"^([A-Z_]+)=[\"']?([^\"'\n]*)", text, re.MULTILINE))
    return values.get("ID", ""), values.get("VERSION_ID", "")


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    # dpkg ends a line at nothing else: a field may hold what Python takes for the end of one.
    for line in block.split("\n"):
        if line[:1] not in (" ", "\t", "") and ":" in line:
            key, _, value = line.partition(":")
            fields[key.lower()] = value.strip()
    return fields


def _package(fields: dict[str, str], number: int) -> Package:
    name, version = fields.get("package", ""), fields.get("version", "")
    source = _SOURCE.match(fields.get("source") or name)
    if not _NAME.match(name) or not version or source is None:
        raise ImageRefused(
            f"record {number} names no package and version", where=STATUS, hint="the database is damaged"
        )
    return Package(
        name=name,
        version=version,
        architecture=fields.get("architecture", ""),
        source=source[1],
        source_version=source[2] or version,
    )
