"""What the image stage opened: `image.json` in the evidence folder of `image-build`."""

import os
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Count

FILE = "image.json"


class ImageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One image, identified. It is never copied into a run: `path` is the tar or folder itself, absolute.

    `oci` is an OCI image layout over the same tar, or over the folder packed into one, for scanners that read one
    (`syft scan oci-dir:…`); its last layer plants the package `secdl-canary`. `digest` is sha256 over the tar's bytes,
    or over the folder's listing and contents; `seal` tells whether `path` is still what that digest is of. `recipe` and
    `recipe_digest` are empty for an image that was not built here; `built` is when it was, `reused` whether by an
    earlier run. `release` is what its os-release says (`debian`, `12`).
    """

    schema: int = 1
    name: str
    kind: str
    path: str
    oci: str = ""
    digest: str
    seal: str = ""
    size_bytes: Count
    files: Count
    packages: Count
    distribution: str = ""
    release: str = ""
    recipe: str = ""
    recipe_digest: str = ""
    built: datetime | None = None
    reused: bool = False


def image_of(output: str) -> ImageRecord:
    """The image beside `output`, a path in the evidence folder of `image-build` (`job.inputs["image-build"]`).

    Raises `MalformedOutput` where the record is absent or wrong, or the image it names is gone.
    """
    where = Path(output).parent / FILE
    record = codec.load(where, ImageRecord)
    if record.schema != 1 or record.kind not in ("tar", "folder"):
        raise MalformedOutput("not an image record of this secdl", where=str(where), hint="run the images stage again")
    if not Path(record.path).exists():
        raise MalformedOutput(
            f"image {record.path} is gone", where=str(where), hint="run again with a fresh cache to build it anew"
        )
    return record


def seal_of(path: Path) -> str:
    """What changes whenever the file at `path` is written, or whatever lies in the folder there: nobody sets a ctime.

    Raises `MalformedOutput` where it cannot be read.
    """
    try:
        if not path.is_dir():
            return _mark(path.stat())
        rows = "\n".join(sorted(_rows(path)))
    except OSError as error:
        raise MalformedOutput(error.strerror or "unreadable", where=str(path)) from error
    return f"sha256:{sha256(rows.encode('utf-8', 'surrogateescape')).hexdigest()}"


def check_seal(record: ImageRecord) -> None:
    """Raises `MalformedOutput` unless the image is untouched since it was identified: its checks would speak of another
    one, and be reused for the one of the record."""
    if not record.seal or seal_of(Path(record.path)) != record.seal:
        hint = "run again, and let nothing write there meanwhile"
        raise MalformedOutput("the image changed since it was identified", where=record.path, hint=hint)


def _rows(top: Path) -> Iterator[str]:
    yield f"\0{_mark(top.stat())}"
    todo = [str(top)]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                yield f"{entry.path}\0{_mark(entry.stat(follow_symlinks=False))}"
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)


def _mark(about: os.stat_result) -> str:
    return f"{about.st_dev}:{about.st_ino}:{about.st_size}:{about.st_mtime_ns}:{about.st_ctime_ns}"
