"""What the command line asks of the threat library, without a run."""

from secdl.model.shipped import shipped
from secdl.model.threat import LIBRARY, Threat
from secdl.threats.library import Kind, load_library

__all__ = ["kinds", "library_threats"]


def library_threats() -> tuple[Threat, ...]:
    """The threats of the shipped library, in its order."""
    return tuple(entry.threat for entry in load_library(shipped(LIBRARY)).threat)


def kinds() -> tuple[Kind, ...]:
    """The kinds of elements and flows that a model may name."""
    return load_library(shipped(LIBRARY)).kind
