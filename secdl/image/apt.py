"""What the machine's own apt is configured to: where packages come from, and what state its indexes are in."""

import glob
import re
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.model.errors import ConfigError

FORMAT = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(FILENAME)"
"""What `apt-get indextargets --no-release-info --format` is asked for; `parse_targets` reads it. Without release
information it also answers where the indexes were deleted, as they are in container images."""
# How apt reaches its sources, and how it judges their age: a build must see them as the machine does.
_KEPT = re.compile(
    r"^(Acquire::(?:(?:http|https|ftp)::[A-Za-z:-]*Proxy[A-Za-z0-9.:-]*|Retries|Check-Valid-Until|Check-Date)"
    r' "[^"]*");$'
)
_URI = re.compile(r"^[a-z][a-z0-9+:]*:/[^\s\[\]]+$")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One index of packages: its repository, release, component, and the file that holds it on this machine."""

    uri: str
    release: str
    component: str
    file: str


def stamp(folders: Sequence[Path] = (Path("/etc/apt"), Path("/var/lib/apt/lists"))) -> str:
    """Changes when apt's configuration is written or its indexes are renewed."""
    state = sha256()
    for folder in folders:
        for path in sorted((folder, *folder.rglob("*")) if folder.is_dir() else ()):
            with suppress(OSError):
                about = path.stat()
                state.update(f"{path}\t{about.st_size}\t{about.st_mtime_ns}\t{about.st_ctime_ns}\n".encode())
    return state.hexdigest()


def parse_targets(text: str) -> tuple[Target, ...]:
    """The targets in the output of `apt-get indextargets`; lines of another shape are left out."""
    targets = []
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == 4 and _URI.match(parts[0]):
            targets.append(Target(uri=parts[0], release=parts[1], component=parts[2], file=parts[3]))
    return tuple(targets)


def choose(targets: Sequence[Target], suites: Sequence[str]) -> tuple[str, tuple[Target, ...]]:
    """The first of `suites` that is among `targets`, and the targets of it, its updates and security fixes.

    Raises `ConfigError` where there is none.
    """
    for suite in suites:
        wanted = {suite, f"{suite}-updates", f"{suite}-security", f"{suite}/updates"}
        chosen = tuple(target for target in targets if target.release in wanted)
        if any(target.release == suite for target in chosen):
            return suite, chosen
    raise ConfigError(
        f"the machine's apt sources carry none of the releases {', '.join(suites)}",
        where="image recipe",
        hint="add one under /etc/apt/sources.list.d, run `apt-get update`, or name another release in the recipe",
    )


def sources_list(targets: Sequence[Target]) -> str:
    """One line of sources.list for each repository and release in `targets`."""
    components: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        components.setdefault((target.uri, target.release), []).append(target.component)
    lines = [
        f"deb {uri} {release} {' '.join(sorted(set(names)))}" for (uri, release), names in sorted(components.items())
    ]
    return "\n".join(lines) + "\n"


def index_state(targets: Sequence[Target]) -> str:
    """A digest that changes when the machine's indexes of `targets` change; absent files count as such."""
    state = sha256()
    for target in sorted(targets, key=lambda target: (target.uri, target.release, target.component, target.file)):
        path = Path(target.file)
        # apt keeps them plain or under any of its compressions.
        kept = sorted(path.parent.glob(f"{glob.escape(path.name)}*"))
        content = " ".join(sha256(file.read_bytes()).hexdigest() for file in kept) or "absent"
        state.update(f"{target.release}\t{target.component}\t{content}\n".encode())
    return state.hexdigest()


def options(config_dump: str) -> tuple[str, ...]:
    """The settings in `apt-config dump` that a build on this machine needs as well (proxies, retries, date checks)."""
    return tuple(match[1] for line in config_dump.splitlines() if (match := _KEPT.match(line)))
