"""Where the files that come with secdl lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped(name: str) -> Path:
    """Absolute path of `policies/…`, `threatmodels/…`, `tools.lock.toml` and the like as shipped with this secdl."""
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.exists() else _PACKAGE.parent / name


def canary_folder(name: str) -> Path:
    """Absolute path of the planted defects `secdl/canaries/<name>`."""
    return _PACKAGE / "canaries" / name
