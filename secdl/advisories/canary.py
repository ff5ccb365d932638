"""A vulnerability that the data in use need not know: what canaries of package scanners must be found to have."""

from secdl.advisories.files import Advisory, Affected, Range
from secdl.advisories.snapshot import Snapshot
from secdl.model.tool import CANARY_PACKAGE

ID = "SECDL-CANARY-1"


def plant(snapshot: Snapshot, ecosystem: str) -> None:
    """Has every version of the canary's package before 2.0 be vulnerable in `ecosystem` (`PyPI`, `Debian:12`).

    Only the opened snapshot changes. Nobody publishes that package; a real one would not do, because data that was
    imported need not know it. It is found by the same matching as all others. Raises `NotCovered`.
    """
    name, _, release = ecosystem.partition(":")
    affected = Affected(package=CANARY_PACKAGE, release=release, ranges=(Range(introduced="0", fixed="2.0"),))
    planted = Advisory(
        id=ID,
        modified="2026-01-01",
        summary="planted: a scanner that does not report this does not ask, or does not listen",
        severity=("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",),
        affected=(affected,),
    )
    snapshot.plant(name, planted)
