"""Small images for tests: tars made in memory, honest and hostile."""

import io
import tarfile
from pathlib import Path

from secdl.image.weak import weak_elf

OS_RELEASE = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'


def status(*packages: tuple[str, str, str]) -> bytes:
    """A dpkg status file of (name, version, source)."""
    blocks = []
    for name, version, source in packages:
        lines = [f"Package: {name}", "Status: install ok installed", "Architecture: amd64"]
        lines += [f"Source: {source}"] if source else []
        blocks.append("\n".join([*lines, f"Version: {version}", "Description: text", " more text", ""]))
    return "\n".join(blocks).encode()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644, size: int = 0
) -> tarfile.TarInfo:
    """A header; `size` is what it claims."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, size
    return info


def file(name: str, content: bytes, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A regular file and its content."""
    return member(name, mode=mode, size=len(content)), content


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link."""
    return member(name, tarfile.SYMTYPE, link=target), b""


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """Writes a PAX tar of `members` to `path`."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def debian(path: Path, *more: tuple[tarfile.TarInfo, bytes]) -> Path:
    """A tar of a small Debian image with one package and one weak program, merged /usr."""
    return tar(
        path,
        (member("./usr/bin", tarfile.DIRTYPE, mode=0o755), b""),
        link("./bin", "usr/bin"),
        file("./etc/os-release", OS_RELEASE),
        file("./var/lib/dpkg/status", status(("libssl3", "3.0.5-1", "openssl"), ("tool", "1.0-1", ""))),
        file("./usr/bin/weak", weak_elf(), 0o755),
        *more,
    )
