"""An OCI image layout over a tar that lies elsewhere: scanners read the same bytes without unpacking them first.

A second layer adds one package that is not in the image: the canary of scanners that read packages.
"""

import io
import json
import os
import tarfile
from hashlib import sha256
from pathlib import Path

from secdl.model.tool import CANARY_PACKAGE

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def write_layout(folder: Path, tar: Path, digest: str) -> None:
    """Writes an OCI layout into `folder`: a link to the uncompressed `tar` of that sha256 `digest`, and the canary."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layer = blobs / digest.removeprefix("sha256:")
    layer.unlink(missing_ok=True)
    layer.symlink_to(os.path.relpath(tar.resolve(), blobs.resolve()))
    layers = [
        {"mediaType": _LAYER, "digest": digest, "size": tar.stat().st_size},
        _blob(blobs, _LAYER, _planted()),
    ]
    rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    settings = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
    config = _blob(blobs, _CONFIG, _json(settings))
    content = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
    manifest = _blob(blobs, _MANIFEST, _json(content))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [manifest]}))


def pack_folder(source: Path, tar: Path) -> None:
    """Writes the folder `source` as an uncompressed `tar`; links stay links, what is neither file nor folder is left
    out. Raises `OSError`."""
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
        out.add(source, arcname=".", filter=lambda entry: None if entry.isdev() else entry)


def _planted() -> bytes:
    """A layer with one more package in the database; a database in parts is read beside the whole one."""
    lines = f"Package: {CANARY_PACKAGE}\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0\n"
    raw = (lines + "Maintainer: secdl\nDescription: planted\n").encode()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.USTAR_FORMAT) as out:
        # syft does not see a file whose folders the layer does not name.
        for folder in ("var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/status.d"):
            above = tarfile.TarInfo(folder)
            above.type, above.mode = tarfile.DIRTYPE, 0o755
            out.addfile(above)
        entry = tarfile.TarInfo(f"var/lib/dpkg/status.d/{CANARY_PACKAGE}")
        entry.size = len(raw)
        out.addfile(entry, io.BytesIO(raw))
    return layer.getvalue()


def _blob(blobs: Path, kind: str, raw: bytes) -> dict[str, object]:
    name = sha256(raw).hexdigest()
    (blobs / name).write_bytes(raw)
    return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(raw)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
