"""Which ids are one vulnerability."""

import pytest

from secdl.advisories.aliases import canonical, components


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        (["PYSEC-2021-1", "GHSA-aaaa-bbbb-cccc", "CVE-2021-1"], "CVE-2021-1"),
        (["PYSEC-2021-1", "GHSA-aaaa-bbbb-cccc"], "GHSA-aaaa-bbbb-cccc"),
        (["DSA-1-1", "GO-2021-0001"], "GO-2021-0001"),
        (["DEBCL-CVE-2020-1", "CVE-2020-1"], "CVE-2020-1"),
        (["CVE-2021-10000", "CVE-2021-9999"], "CVE-2021-9999"),
        ([], ""),
    ],
)
def test_the_name_of_a_vulnerability(ids: list[str], name: str) -> None:
    assert canonical(ids) == name


def test_sets_that_share_an_id_through_others_are_one() -> None:
    assert components([{"A"}, {"B"}, {"A", "C"}, {"C", "B"}, {"D"}]) == [[0, 1, 2, 3], [4]]


def test_an_update_for_many_vulnerabilities_joins_none() -> None:
    assert components([{"CVE-2020-1", "DSA-4000-1"}, {"CVE-2020-2", "DSA-4000-1"}]) == [[0], [1]]
