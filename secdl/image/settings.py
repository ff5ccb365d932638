"""Settings in an image that are wrong as shipped: SSH server, SELinux, keys that every copy would share."""

import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase

import msgspec

from secdl.image.rootfs import Kind, Rootfs

_SSHD = "etc/ssh/sshd_config"
_HOST_KEYS = "etc/ssh/ssh_host_*_key"
_SELINUX = "etc/selinux/config"
_SSHD_RULES = {
    "x11forwarding": ("yes", "ssh-x11-forwarding"),
    "permitrootlogin": ("yes", "ssh-root-password-login"),
    "permitemptypasswords": ("yes", "ssh-empty-passwords"),
}
_INCLUDE_DEPTH = 8


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that breaks `rule`, where it stands."""

    rule: str
    path: str
    line: int | None
    message: str


def faults(rootfs: Rootfs) -> tuple[Fault, ...]:
    """All wrong settings, by path."""
    found = (*_host_keys(rootfs), *_sshd(rootfs), *_selinux(rootfs))
    return tuple(sorted(found, key=lambda fault: (fault.path, fault.rule)))


def read_files(rootfs: Rootfs) -> int:
    """How many of the files that `faults` looks at the image has."""
    return sum(rootfs.file(path) is not None for path in (_SSHD, _SELINUX)) + len(rootfs.match((_HOST_KEYS,)))


def _host_keys(rootfs: Rootfs) -> Iterator[Fault]:
    for entry in rootfs.match((_HOST_KEYS,)):
        if b"PRIVATE KEY" in rootfs.read(entry)[:100]:
            kind = posixpath.basename(entry.path).removeprefix("ssh_host_").removesuffix("_key")
            yield Fault(
                rule="ssh-host-key-in-image",
                path=entry.path,
                line=1,
                message=f"private {kind} host key of the SSH server",
            )


def _sshd(rootfs: Rootfs) -> Iterator[Fault]:
    if rootfs.file(_SSHD) is None:
        return
    seen: set[str] = set()
    for path, line, key, value in _sshd_lines(rootfs, _SSHD, _INCLUDE_DEPTH):
        # sshd takes the first value of a keyword; what a Match block says holds for some sessions only.
        if key == "match":
            return
        bad, rule = _SSHD_RULES.get(key, ("", ""))
        if rule and key not in seen and value.lower() == bad:
            yield Fault(rule=rule, path=path, line=line, message=f"{key} {value}")
        seen.add(key)


def _sshd_lines(rootfs: Rootfs, path: str, depth: int) -> Iterator[tuple[str, int, str, str]]:
    """(file, line, keyword, value) in the order that sshd reads them, included files in place."""
    for number, line in enumerate((rootfs.text(path) or "").splitlines(), start=1):
        words = line.split("#", 1)[0].replace("=", " ", 1).split()
        if len(words) < 2:
            continue
        key = words[0].lower()
        if key != "include":
            yield path, number, key, words[1].strip('"')
            continue
        for pattern in words[1:] if depth else ():
            name = pattern.strip('"')
            bare = name.strip("/") if name.startswith("/") else f"etc/ssh/{name}"
            for included in _names(rootfs, bare):
                yield from _sshd_lines(rootfs, included, depth - 1)


def _names(rootfs: Rootfs, pattern: str) -> list[str]:
    """Files and links that `pattern` names, in the order of glob(3)."""
    depth = pattern.count("/")
    return sorted(
        path
        for path, entry in rootfs.entries.items()
        if path.count("/") == depth and entry.kind in (Kind.FILE, Kind.LINK) and fnmatchcase(path, pattern)
    )


def _selinux(rootfs: Rootfs) -> Iterator[Fault]:
    for number, line in enumerate((rootfs.text(_SELINUX) or "").splitlines(), start=1):
        key, _, value = line.strip().partition("=")
        if key == "SELINUX" and value.strip().lower() in ("permissive", "disabled"):
            yield Fault(
                rule="selinux-not-enforcing", path=_SELINUX, line=number, message=f"SELINUX={value.strip().lower()}"
            )
