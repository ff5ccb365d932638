"""Known vulnerabilities: the snapshot shipped with secdl, newer data imported over it, and what matches in them."""

from secdl.advisories.snapshot import Match, NotCovered, Snapshot, load

__all__ = ["Match", "NotCovered", "Snapshot", "load"]
