"""An image that somebody else made: what it is, whether it can be read as a whole, and its digest."""

import bz2
import gzip
import lzma
import shutil
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO, cast

import msgspec

from secdl.image.cache import locked, prune, published
from secdl.image.dpkg import installed, os_release
from secdl.image.folder import folder_digest, open_folder
from secdl.image.oci import pack_folder, write_layout
from secdl.image.rootfs import LIMITS, ImageRefused, Kind, Limits, Rootfs
from secdl.image.tarball import compressed, open_tar
from secdl.model.errors import ConfigError
from secdl.model.image import ImageRecord, check_seal, seal_of

_CHUNK = 1 << 20
_LAYOUTS = 4
"""Layouts that stay in the cache; one of a folder holds a copy of it."""
_DISKS = {b"QFI\xfb": "a qcow2 disk", b"KDMV": "a VMDK disk", b"conectix": "a VHD disk", b"hsqs": "a squashfs"}
_UNPACKERS = ("gz", "bz2", "xz")


def identify(path: Path, *, name: str, cache: Path, limits: Limits = LIMITS) -> ImageRecord:
    """The image at `path`: a folder, a tar, or a tar under gzip, bzip2 or xz, which is unpacked into `cache` once.

    Raises `ConfigError` where there is nothing, `ImageRefused` where it cannot be read safely and as a whole.
    """
    if path.is_dir():
        seal = seal_of(path)
        with open_folder(path, limits) as rootfs:
            record = describe(rootfs, name=name, kind="folder", digest=folder_digest(rootfs), seal=seal)
        return _laid_out(record, cache)
    if not path.is_file():
        raise ConfigError(f"no image at {path}", where=f"image {name!r}", hint="give a tar or a folder")
    path = path.resolve()
    if kind := compressed(path):
        path = _unpacked(path, kind, cache, limits)
    _refuse_disks(path)
    seal = seal_of(path)
    with open_tar(path, limits) as rootfs:
        record = describe(rootfs, name=name, kind="tar", digest=file_sha256(path), seal=seal)
    return _laid_out(record, cache)


def _laid_out(record: ImageRecord, cache: Path) -> ImageRecord:
    """`record` with the OCI layout over its tar, or over its folder packed beside it; made once."""
    # With the place: the layout of a tar links to it, and must not outlive it there.
    key = sha256(f"{record.digest}\n{record.path}\n".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    layout = cache / "layouts" / key
    with locked(layout):
        if not layout.exists():
            prune(layout.parent, keep=_LAYOUTS - 1)
            with published(layout) as fresh:
                tar, digest = Path(record.path), record.digest
                if record.kind == "folder":
                    tar = fresh / "rootfs.tar"
                    pack_folder(Path(record.path), tar)
                    digest = file_sha256(tar)
                write_layout(fresh, tar, digest)
                # Else it would stay in the cache as what it is not.
                check_seal(record)
    check_seal(record)
    return msgspec.structs.replace(record, oci=str(layout))


def describe(rootfs: Rootfs, *, name: str, kind: str, digest: str, seal: str) -> ImageRecord:
    """The record of an opened image. Raises `ImageRefused` where it is no root file system."""
    # A tar need not list folders.
    if not any(path.partition("/")[0] in ("etc", "usr") for path in rootfs.entries):
        raise ImageRefused(
            "neither /etc nor /usr: not a root file system",
            where=f"image {name!r}",
            hint="flatten a container image or cut the leading folder off first",
        )
    distribution, release = os_release(rootfs)
    files = [entry for entry in rootfs.entries.values() if entry.kind is Kind.FILE]
    return ImageRecord(
        name=name,
        kind=kind,
        path=rootfs.where,
        digest=digest,
        seal=seal,
        size_bytes=sum(entry.size for entry in files),
        files=len(files),
        packages=len(installed(rootfs)),
        distribution=distribution,
        release=release,
    )


def file_sha256(path: Path) -> str:
    """`sha256:…` of the file's bytes."""
    with path.open("rb") as stream:
        return f"sha256:{file_digest(stream, sha256).hexdigest()}"


def _refuse_disks(path: Path) -> None:
    with path.open("rb") as stream:
        head = stream.read(512)
    for magic, what in _DISKS.items():
        if head.startswith(magic):
            raise ImageRefused(
                f"{what} is not read: a disk image can name files of this machine",
                where=path.name,
                hint="give a tar of its root file system; until then it is not measured",
            )
    if head[257:262] != b"ustar" and any(head):
        raise ImageRefused(
            "not a tar (disk images are not read)",
            where=path.name,
            hint="give a tar of its root file system; until then it is not measured",
        )


def _unpacked(path: Path, kind: str, cache: Path, limits: Limits) -> Path:
    if kind not in _UNPACKERS:
        raise ImageRefused(
            f"a tar under {kind} is not read", where=path.name, hint="unpack it first; until then it is not measured"
        )
    folder = cache / "unpacked" / file_sha256(path).removeprefix("sha256:")[:32]
    with locked(folder):
        if not folder.exists():
            with published(folder) as fresh:
                _unpack(path, kind, fresh / "rootfs.tar", limits)
    return folder / "rootfs.tar"


def _unpack(path: Path, kind: str, target: Path, limits: Limits) -> None:
    # Small files may hold long runs of zeros for good reason, so the ratio counts from 64 MiB on.
    cap = min(limits.total_bytes, max(64 << 20, limits.ratio * path.stat().st_size))
    room = shutil.disk_usage(target.parent).free - (1 << 30)
    written = 0
    try:
        with _reader(path, kind) as source, target.open("wb") as out:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > cap:
                    raise ImageRefused(
                        f"unpacks to more than {cap:,} bytes", where=path.name, hint="the image is not measured"
                    )
                if written > room:
                    raise ImageRefused("no room to unpack it", where=str(target.parent), hint="free some disk space")
                out.write(chunk)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise ImageRefused(f"damaged {kind}: {error}", where=path.name, hint="the image is not measured") from error


def _reader(path: Path, kind: str) -> IO[bytes]:
    if kind == "gz":
        return cast("IO[bytes]", gzip.GzipFile(path, "rb"))
    return bz2.BZ2File(path, "rb") if kind == "bz2" else lzma.LZMAFile(path, "rb")
