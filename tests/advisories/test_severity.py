"""From vectors and words to a level."""

import pytest

from secdl.advisories.severity import level_of
from secdl.model.finding import Level

V31_HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
V30_LOW = "CVSS:3.0/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
V4_CRITICAL = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ([V31_HIGH], Level.HIGH),
        ([V31_HIGH, V4_CRITICAL], Level.CRITICAL),
        ([V30_LOW, V31_HIGH], Level.HIGH),
        (["CRITICAL", V30_LOW], Level.LOW),
        (["Moderate"], Level.MEDIUM),
        (["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"], Level.INFO),
        ([], Level.UNKNOWN),
        (["CVSS:3.1/garbage"], Level.UNKNOWN),
        (["CVSS:9.9/AV:N"], Level.UNKNOWN),
        (["not urgent"], Level.UNKNOWN),
        (["vendor:low", V4_CRITICAL], Level.LOW),
        (["vendor:low", "vendor:medium"], Level.MEDIUM),
        (["vendor:unimportant"], Level.LOW),
        (["vendor:not yet assigned", V31_HIGH], Level.HIGH),
        (["vendor:not yet assigned"], Level.UNKNOWN),
    ],
)
def test_level_of_severities(given: list[str], level: Level) -> None:
    assert level_of(given)[0] is level


def test_the_word_is_kept_where_it_is_not_understood() -> None:
    assert level_of(["not urgent"]) == (Level.UNKNOWN, "not urgent")


def test_a_broken_vector_does_not_hide_a_readable_one() -> None:
    assert level_of(["CVSS:3.1/garbage", V31_HIGH])[0] is Level.HIGH


def test_a_malicious_package_is_critical() -> None:
    assert level_of([], ["PYSEC-2025-1", "MAL-2025-1"])[0] is Level.CRITICAL


def test_a_vulnerability_that_is_exploited_is_critical_whatever_its_score() -> None:
    assert level_of([V30_LOW, "known exploited"]) == (Level.CRITICAL, "known exploited")
