"""The image of a record, opened the way its kind needs, and untouched since it was identified."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secdl.image.folder import open_folder
from secdl.image.rootfs import LIMITS, Limits, Rootfs
from secdl.image.tarball import open_tar
from secdl.model.image import ImageRecord, check_seal


@contextmanager
def open_image(record: ImageRecord, limits: Limits = LIMITS) -> Iterator[Rootfs]:
    """The root file system of `record`. Raises `ImageRefused`; `MalformedOutput` where it changed before the end."""
    check_seal(record)
    opener = open_folder if record.kind == "folder" else open_tar
    with opener(Path(record.path), limits) as rootfs:
        yield rootfs
    check_seal(record)
