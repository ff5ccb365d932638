"""What the image stage opened: `image.json` in the evidence folder of `image-build`."""

from datetime import datetime
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
    or over the folder's listing and contents. `recipe` and `recipe_digest` are empty for an image that was not built
    here; `built` is when it was, `reused` whether by an earlier run. `release` is what its os-release says (`debian`,
    `12`).
    """

    schema: int = 1
    name: str
    kind: str
    path: str
    oci: str = ""
    digest: str
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
