"""The OCI layout that scanners read an image by, and the package planted in it."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from secdl.image.oci import pack_folder, write_layout

PLANTED = "var/lib/dpkg/status.d/secdl-canary"


def image(folder: Path) -> Path:
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "os-release").write_text("ID=debian\n")
    (folder / "etc" / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "etc" / "pipe")
    return folder


def layout(tmp_path: Path, name: str) -> tuple[Path, Path]:
    tar = tmp_path / f"{name}.tar"
    if not tar.exists():
        pack_folder(image(tmp_path / f"{name}-root"), tar)
    write_layout(tmp_path / name, tar, f"sha256:{hashlib.sha256(tar.read_bytes()).hexdigest()}")
    return tmp_path / name, tar


def blob(folder: Path, digest: str) -> bytes:
    raw = (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == digest
    return raw


def test_every_blob_is_what_its_digest_says_and_the_last_layer_is_the_canary(tmp_path: Path) -> None:
    folder, tar = layout(tmp_path, "a")
    index: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
    manifest = json.loads(blob(folder, index["manifests"][0]["digest"]))
    config = json.loads(blob(folder, manifest["config"]["digest"]))
    layers = [blob(folder, layer["digest"]) for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert [len(layer) for layer in layers] == [layer["size"] for layer in manifest["layers"]]
    assert layers[0] == tar.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(layers[1])) as planted:
        assert planted.getnames() == ["var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/status.d", PLANTED]


def test_the_same_image_gives_the_same_layout(tmp_path: Path) -> None:
    folder, _ = layout(tmp_path, "a")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    layout(tmp_path, "a")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_packed_folder_keeps_links_and_leaves_pipes_out(tmp_path: Path) -> None:
    pack_folder(image(tmp_path / "root"), tmp_path / "root.tar")
    with tarfile.open(tmp_path / "root.tar") as packed:
        assert packed.getmember("./etc/link").linkname == "/etc/shadow"
        assert sorted(packed.getnames()) == [".", "./etc", "./etc/link", "./etc/os-release"]
