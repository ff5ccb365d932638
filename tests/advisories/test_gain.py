"""What an attacker gains, told from a vector."""

import pytest

from secdl.advisories.gain import gain_of


@pytest.mark.parametrize(
    ("word", "gain"),
    [
        (
            "9.8 CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "An attacker over the network, without an account, reads all data, changes any data and stops the service",
        ),
        (
            "CVSS:3.0/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N",
            "An attacker from a process on the machine, with an ordinary account, once a user plays along, "
            "reads some data",
        ),
        (
            "CVSS:4.0/AV:A/AC:L/AT:N/PR:H/UI:N/VC:N/VI:L/VA:L/SC:N/SI:N/SA:N",
            "An attacker from the adjacent network, with a privileged account, "
            "changes some data and slows the service down",
        ),
    ],
)
def test_gain_of_a_vector(word: str, gain: str) -> None:
    assert gain_of(word) == gain


@pytest.mark.parametrize(
    "word",
    [
        "",
        "high",
        "vendor:low",
        "CVSS:3.1/AV:N",
        "CVSS:3.1/AV:N/PR:N/UI:N/C:N/I:N/A:N",
        "CVSS:3.1/:/::",
        "CVSS:2.0/AV:N/PR:N/C:H",
    ],
)
def test_nothing_is_made_up(word: str) -> None:
    assert gain_of(word) == ""
