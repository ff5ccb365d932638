"""The planted images of image-build: four small tars that must not be read, made and tried in every run."""

import io
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from secdl.image.rootfs import ImageRefused
from secdl.image.tarball import open_tar
from secdl.model.finding import Finding, Level, Location

RULE = "image-refused"
_BLOCK = 512


def sprung(tool: str) -> Iterator[Finding]:
    """One finding for each trap that the reader refused."""
    with tempfile.TemporaryDirectory(prefix="secdl-traps-") as folder:
        for name, raw in sorted(_traps().items()):
            path = Path(folder) / f"{name}.tar"
            path.write_bytes(raw)
            try:
                with open_tar(path):
                    continue
            except ImageRefused as refused:
                yield Finding(
                    tool=tool,
                    rule=RULE,
                    level=Level.INFO,
                    message=refused.what,
                    locations=(Location(path=f"canary:{path.name}"),),
                )


def _traps() -> dict[str, bytes]:
    hidden = _tar(_file("etc/passwd"))
    return {
        "climbs-out": _tar(_file("../../etc/passwd")),
        "hard-link-out": _tar(_file("etc/passwd"), _link("etc/shadow", "/etc/shadow")),
        # Both whole files are there; what follows them is not.
        "cut-off": _tar(_file("etc/passwd"), _file("etc/group"))[: 4 * _BLOCK],
        "hidden-behind-the-end": _tar(_file("etc/passwd")) + hidden,
    }


def _file(name: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = 4
    return member, b"root"


def _link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.LNKTYPE, target
    return member, b""


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()
