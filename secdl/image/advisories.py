"""Judges the Debian packages of an image by the advisory snapshot: by SOURCE package, release and version."""

from collections import defaultdict

import msgspec
from packageurl import PackageURL

from secdl.advisories import Match, NotCovered, Snapshot
from secdl.advisories.gain import gain_of
from secdl.image.dpkg import Package
from secdl.image.packages import debian_packages
from secdl.image.rootfs import Rootfs, shown
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Location
from secdl.model.text import one_line

TOOL_NAME = "image-advisories"
_SHOWN = 4


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Missed fixes, and what was looked up."""

    findings: tuple[Finding, ...]
    work: Work


def judge(rootfs: Rootfs, snapshot: Snapshot, *, image: str, of: tuple[str, str], prefix: str = "package:") -> Judged:
    """One finding for each source package of `rootfs` and known vulnerability that its version has, `of` distribution
    and release (`debian`, `12`), located at `prefix` + purl.

    Raises `NotCovered` where the snapshot holds nothing for the image's release, `ImageRefused` where the image has no
    Debian packages.
    """
    distribution, release = of
    ecosystem = f"Debian:{release}"
    if distribution != "debian":
        raise NotCovered(
            f"no advisories for the distribution {one_line(distribution, limit=40) or 'without a name'}",
            where=f"image {image!r}",
            hint="packages of this image are not judged",
        )
    sources: dict[tuple[str, str], list[Package]] = defaultdict(list)
    packages = debian_packages(rootfs)
    for package in packages:
        sources[package.source, package.source_version].append(package)
    findings: list[Finding] = []
    known = 0
    for (source, version), binaries in sorted(sources.items()):
        known += snapshot.knows(ecosystem=ecosystem, package=source)
        for match in snapshot.match(ecosystem=ecosystem, package=source, version=version):
            if rebuilt(version, match.fixed):
                continue
            findings.append(_finding(match, binaries, release=release, image=image, prefix=prefix))
    read = {"packages": len(packages), "source_packages": len(sources), "sources_with_advisories": known}
    return Judged(findings=tuple(findings), work=Work(read=read))


def rebuilt(version: str, fixed: str) -> bool:
    """Whether `version` is `fixed` itself, rebuilt for an older release: `1.2-3~deb12u1` holds all that `1.2-3` does.

    It sorts before `1.2-3`, so advisories made of changelogs would call it unfixed.
    """
    return bool(fixed) and version.startswith((f"{fixed}~deb", f"{fixed}~bpo"))


def _finding(match: Match, binaries: list[Package], *, release: str, image: str, prefix: str) -> Finding:
    bare = PackageURL("deb", "debian", match.package).to_string()
    purl = PackageURL(
        "deb", "debian", match.package, match.version, {"arch": "source", "distro": f"debian-{release}"}
    ).to_string()
    names = sorted(package.name for package in binaries)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    what = f": {match.summary}" if match.summary else ""
    return Finding(
        tool=TOOL_NAME,
        rule=match.id,
        level=match.level,
        message=shown(f"{match.package} {match.version} ({', '.join(names[:_SHOWN])}{more}): {match.id}{what}"),
        locations=(Location(path=prefix + bare),),
        word=match.word,
        context=f"{image}|{bare}|{match.id}",
        aliases=match.aliases,
        purl=purl,
        gain=gain_of(match.word),
        fix=f"update {match.package} to {match.fixed} or later" if match.fixed else "no fixed version is known",
    )
