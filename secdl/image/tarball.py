"""A tar archive read in place: one pass makes the index, nothing is unpacked."""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secdl.image.rootfs import LIMITS, Entry, Index, Kind, Limits, Rootfs, shown
from secdl.model.text import one_line

_BLOCK = 512
_CAPABILITY = "SCHILY.xattr.security.capability"
_KIND = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.FOLDER,
    tarfile.SYMTYPE: Kind.LINK,
}


@contextmanager
def open_tar(path: Path, limits: Limits = LIMITS) -> Iterator[Rootfs]:
    """The image in the uncompressed tar at `path`. Raises `ImageRefused`."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        index = _index(path, size, limits)

        def fetch(entry: Entry, limit: int) -> bytes:
            return os.pread(stream.fileno(), min(limit, entry.size), entry.at)

        yield Rootfs(where=str(path), entries=index.entries, fetch=fetch, limits=limits)


def _index(path: Path, size: int, limits: Limits) -> Index:
    index = Index(path.name, limits)
    end = 0
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                # The list would keep every member of a hostile archive in memory.
                archive.members.clear()  # type: ignore[attr-defined]  # typeshed knows only getmembers()
                if archive.offset <= end:
                    raise index.refused("a tar header that leads backwards")
                end = archive.offset
                _add(index, member, size)
            end = archive.offset
    except (tarfile.TarError, ValueError, OSError, EOFError) as error:
        raise index.refused(f"not a whole tar: {one_line(str(error))}") from error
    except (MemoryError, RecursionError) as error:
        raise index.refused("a tar header too large to hold") from error
    if not index.entries:
        raise index.refused("an empty tar")
    _check_end(path, end, index)
    return index


def _add(index: Index, member: tarfile.TarInfo, size: int) -> None:
    name = member.name
    if member.issparse():
        raise index.refused("a sparse member: make the tar without --sparse")
    if member.islnk():
        original = index.entries.get(index.place(member.linkname))
        if original is None or original.kind is Kind.FOLDER:
            raise index.refused(f"the hard link {shown(name)[:100]!r} names no file of the image")
        index.add(name, original)
        return
    kind = _KIND.get(member.type, Kind.OTHER)
    bytes_ = member.size if kind is Kind.FILE else 0
    if kind is Kind.FILE and (bytes_ < 0 or member.offset_data + bytes_ > size):
        raise index.refused(f"cut off within {shown(name)[:100]!r}")
    entry = Entry(
        path="",
        kind=kind,
        mode=member.mode & 0o7777,
        size=bytes_,
        target=member.linkname if kind is Kind.LINK else "",
        at=member.offset_data,
        capable=_CAPABILITY in member.pax_headers,
    )
    index.add(name, entry)


def _check_end(path: Path, end: int, index: Index) -> None:
    """tarfile takes a broken or missing header for the end of the archive; only an empty block is one."""
    with path.open("rb") as stream:
        stream.seek(end)
        if stream.read(_BLOCK) != bytes(_BLOCK):
            raise index.refused("cut off, or broken in the middle: no end mark where the last member ends")
        while chunk := stream.read(1 << 20):
            if chunk.strip(b"\0"):
                raise index.refused("data behind the end mark of the tar")


def compressed(path: Path) -> str:
    """The compression of the file at `path`: `gz`, `bz2`, `xz`, `zst`, or empty."""
    with path.open("rb") as stream:
        head = stream.read(6)
    for kind, magic in (("gz", b"\x1f\x8b"), ("bz2", b"BZh"), ("xz", b"\xfd7zXZ\0"), ("zst", b"\x28\xb5\x2f\xfd")):
        if head.startswith(magic):
            return kind
    return ""
