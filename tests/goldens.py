"""Goldens: normalised output kept beside the captured input, written anew only by `nox -s goldens`."""

import os
from pathlib import Path


def assert_golden(content: bytes, path: Path) -> None:
    """Holds `content` against the golden at `path`; with SECDL_GOLDENS=write in the environment it writes it."""
    if os.environ.get("SECDL_GOLDENS") == "write":
        path.write_bytes(content)
    assert content == path.read_bytes(), f"{path.name} differs; `nox -s goldens` writes it anew, to be reviewed as code"
