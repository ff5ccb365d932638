"""Which advisory ids speak of the same vulnerability, and which of them names it."""

import re
from collections.abc import Iterable, Sequence

_RANKS = ("CVE-", "GHSA-", "PYSEC-", "GO-", "RUSTSEC-")
_BUNDLES = ("DSA-", "DLA-", "DTSA-", "USN-", "LSN-", "RHSA-", "RHBA-", "RHEA-", "ELSA-", "ALSA-", "RLSA-", "SUSE-")
_DIGITS = re.compile(r"\d+")


def bundles(identifier: str) -> bool:
    """Whether `identifier` names an update that may mend many vulnerabilities: it never joins two of them."""
    return identifier.startswith(_BUNDLES)


def canonical(identifiers: Iterable[str]) -> str:
    """The id that names a vulnerability: CVE, else GHSA, else PYSEC, GO or RUSTSEC, else the vendor's; the oldest of
    several. Empty where there is none."""
    return min(identifiers, key=_rank, default="")


def components(sets: Sequence[Iterable[str]]) -> list[list[int]]:
    """Indices of `sets` grouped so that sets which share an id, directly or through others, stand together."""
    parent = list(range(len(sets)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    owner: dict[str, int] = {}
    for index, identifiers in enumerate(sets):
        for identifier in identifiers:
            if not bundles(identifier):
                parent[root(index)] = root(owner.setdefault(identifier, index))
    groups: dict[int, list[int]] = {}
    for index in range(len(sets)):
        groups.setdefault(root(index), []).append(index)
    return sorted(groups.values())


def _rank(identifier: str) -> tuple[int, tuple[int, ...], str]:
    rank = next((place for place, prefix in enumerate(_RANKS) if identifier.startswith(prefix)), len(_RANKS))
    numbers = tuple(int(digits[:18]) for digits in _DIGITS.findall(identifier)[:4])
    # PYSEC, GO and RUSTSEC are of one rank: no package has two of them.
    return min(rank, 2) if rank < len(_RANKS) else rank, numbers, identifier
