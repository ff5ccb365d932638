"""The planted image of each check, read by the same reader as a real one."""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secdl.image.rootfs import Rootfs
from secdl.image.tarball import open_tar


@contextmanager
def planted(folder: Path) -> Iterator[Rootfs]:
    """The planted defects in `folder` packed into a tar, its programs setuid: read on the same way as a real image."""
    with tempfile.TemporaryDirectory(prefix="secdl-canary-") as room:
        path = Path(room) / "canary.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for source in sorted(folder.rglob("*")):
                name = source.relative_to(folder).as_posix()
                member = archive.gettarinfo(source, arcname=name)
                member.mode = 0o4755 if name.startswith("usr/bin/") else 0o644
                if source.is_file():
                    with source.open("rb") as stream:
                        archive.addfile(member, stream)
        with open_tar(path) as rootfs:
            yield rootfs
