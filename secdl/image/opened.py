"""The image of a record, opened the way its kind needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secdl.image.folder import open_folder
from secdl.image.rootfs import LIMITS, Limits, Rootfs
from secdl.image.tarball import open_tar
from secdl.model.image import ImageRecord


@contextmanager
def open_image(record: ImageRecord, limits: Limits = LIMITS) -> Iterator[Rootfs]:
    """The root file system of `record`. Raises `ImageRefused`."""
    opener = open_folder if record.kind == "folder" else open_tar
    with opener(Path(record.path), limits) as rootfs:
        yield rootfs
