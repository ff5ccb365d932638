"""Known vulnerabilities: the snapshot shipped with secdl, newer data imported over it, and what matches in them."""

from secdl.advisories.service import osv_service
from secdl.advisories.snapshot import Match, NotCovered, Snapshot, load
from secdl.advisories.store import Status, data_dates, folder_in_use, import_data, status

__all__ = [
    "Match",
    "NotCovered",
    "Snapshot",
    "Status",
    "data_dates",
    "folder_in_use",
    "import_data",
    "load",
    "osv_service",
    "status",
]
