"""An OCI image layout over a tar that lies elsewhere: scanners read the same bytes without unpacking them first."""

import json
import os
from hashlib import sha256
from pathlib import Path

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


def write_layout(folder: Path, tar: Path, digest: str) -> None:
    """Writes an OCI layout into `folder`, its one layer a link to the uncompressed `tar` of that sha256 `digest`."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layer = blobs / digest.removeprefix("sha256:")
    layer.unlink(missing_ok=True)
    layer.symlink_to(os.path.relpath(tar.resolve(), blobs.resolve()))
    config = _blob(
        blobs,
        _CONFIG,
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest]}},
    )
    layers = [{"mediaType": _LAYER, "digest": digest, "size": tar.stat().st_size}]
    manifest = _blob(blobs, _MANIFEST, {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers})
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [manifest]}))


def _blob(blobs: Path, kind: str, value: object) -> dict[str, object]:
    raw = _json(value)
    name = sha256(raw).hexdigest()
    (blobs / name).write_bytes(raw)
    return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(raw)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
