"""The orders of versions, against the programs that define them."""

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secdl.advisories.versions import debian_key, normal_name, pypi_key, semver_key

_WORD = st.text(alphabet="0123456789abz.+~", max_size=6)
_DEBIAN = st.builds(
    lambda epoch, start, rest, revision: f"{epoch}{start}{rest}{revision}",
    st.sampled_from(["", "0:", "1:", "10:"]),
    st.sampled_from("0129"),
    _WORD,
    st.one_of(st.just(""), st.builds(lambda word: f"-{word or '0'}", _WORD)),
)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
def test_debian_order_is_that_of_dpkg() -> None:
    @settings(max_examples=150)
    @given(_DEBIAN, _DEBIAN)
    def agrees(left: str, right: str) -> None:
        word = "eq" if debian_key(left) == debian_key(right) else "lt" if debian_key(left) < debian_key(right) else "gt"
        command = ["/usr/bin/dpkg", "--compare-versions", left, word, right]
        assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0, (left, word, right)

    agrees()


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("1.0~rc1-1", "1.0-1"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+b"),
        ("9.9-9", "1:0.1-1"),
        ("1.2-1", "1.2-1+deb12u1"),
        ("1.2-1~deb12u1", "1.2-1"),
        ("2.36-9", "2.36-10"),
        ("1", "1.0.1"),
    ],
)
def test_debian_versions_in_their_order(low: str, high: str) -> None:
    assert debian_key(low) < debian_key(high)


@pytest.mark.parametrize(("left", "right"), [("0:1.0", "1.0"), ("1.0-0", "1.0"), ("1.00", "1.0"), ("1.", "1.0")])
def test_debian_versions_that_are_equal(left: str, right: str) -> None:
    assert debian_key(left) == debian_key(right)


def test_a_number_of_ten_thousand_digits_is_compared() -> None:
    assert debian_key("1" * 10_000) < debian_key("2" * 10_000)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("v1.2.3-alpha", "1.2.3"),
        ("1.0.0-alpha.9", "1.0.0-alpha.10"),
        ("1.0.0-9", "1.0.0-alpha"),
        ("1.0.0-alpha", "1.0.0-alpha.1"),
        ("go1.22rc1", "go1.22"),
        ("v0.0.0-20190101000000-aaaaaaaaaaaa", "v0.0.0-20200101000000-000000000000"),
        ("1.9", "1.10"),
    ],
)
def test_semantic_versions_in_their_order(low: str, high: str) -> None:
    assert semver_key(low) < semver_key(high)


def test_build_metadata_and_prefix_do_not_count() -> None:
    assert semver_key("v2.0.0+incompatible") == semver_key("2.0.0")


@pytest.mark.parametrize("text", ["", "latest", "(devel)", "\x00", "1." * 5000 + "x!"])
def test_what_has_no_semantic_order_has_no_key(text: str) -> None:
    assert semver_key(text) is None


def test_a_bound_outside_pep_440_is_taken_by_its_release() -> None:
    assert pypi_key("2.9.0-NA") == pypi_key("2.9.0")
    assert pypi_key("not a version") is None


def test_a_local_version_is_the_public_one() -> None:
    # PYSEC-2025-189 ends with "2.6.0-cu124", and what is installed calls itself 2.6.0+cu124.
    assert pypi_key("2.6.0+cu124") == pypi_key("2.6.0-cu124") == pypi_key("2.6.0")


def test_python_names_are_normalised_and_others_are_not() -> None:
    assert normal_name("PyPI", "Zope._Interface") == "zope-interface"
    assert normal_name("Debian:12", "libX11") == "libX11"
