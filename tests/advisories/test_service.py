"""The loopback OSV service."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from packaging.version import Version

from secdl.advisories import osv_service
from secdl.advisories.store import shipped_folder
from secdl.model.errors import SecdlError


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with osv_service(shipped_folder()) as url:
        yield url


def ask(url: str, body: bytes, path: str = "/v1/query", method: str = "POST") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if answer.headers.get_content_type() == "application/json" else raw
    finally:
        connection.close()


def query(package: str, version: str, ecosystem: str = "PyPI") -> dict[str, Any]:
    return {"package": {"name": package, "ecosystem": ecosystem}, "version": version}


def test_a_vulnerable_version_is_answered_by_canonical_id_with_its_fix(url: str) -> None:
    status, answer = ask(url, json.dumps(query("jinja2", "2.4.1")).encode())
    assert status == 200
    by_id = {one["id"]: one for one in answer["vulns"]}
    one = by_id["CVE-2019-10906"]
    assert "PYSEC-2019-217" in one["aliases"]
    assert one["affected"][0]["ranges"][0]["events"][-1] == {"fixed": "2.10.1"}
    assert one["summary"].startswith("severity=")


def test_an_unknown_package_is_answered_with_nothing(url: str) -> None:
    assert ask(url, json.dumps(query("no-such-package-anywhere", "1.0")).encode()) == (200, {})


def test_the_canary_is_known_and_mended_by_its_fix(url: str) -> None:
    _, answer = ask(url, json.dumps(query("secdl-canary", "1.0")).encode())
    assert [one["id"] for one in answer["vulns"]] == ["SECDL-CANARY-1"]
    assert ask(url, json.dumps(query("secdl-canary", "2.0")).encode()) == (200, {})


def test_a_batch_is_answered_in_order(url: str) -> None:
    body = {"queries": [query("six", "1.16.0"), query("jinja2", "2.4.1"), query("golang.org/x/net", "0.7.0", "Go")]}
    _, answer = ask(url, json.dumps(body).encode(), "/v1/querybatch")
    assert [bool(one) for one in answer["results"]] == [False, True, True]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"package": "x"}', b"[" * 200_000, b"\xff\xfe", b'{"version": "1"}', b"x" * 100_000],
)
def test_a_garbled_question_is_refused_not_answered_clean(url: str, body: bytes) -> None:
    assert ask(url, body)[0] == 400


def test_an_ecosystem_without_data_is_refused_not_answered_clean(url: str) -> None:
    assert ask(url, json.dumps(query("a", "1", "npm")).encode())[0] == 400
    assert ask(url, json.dumps(query("a", "1", "Debian:7")).encode())[0] == 400


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/v2/query", 404), ("GET", "/v1/query", 501)])
def test_other_doors_are_shut(url: str, method: str, path: str, status: int) -> None:
    assert ask(url, b"{}", path, method)[0] == status


def test_a_body_without_or_with_a_huge_length_is_refused(url: str) -> None:
    host, port = urlsplit(url).netloc.split(":")
    for header, status in (
        (b"", b"411"),
        (b"Content-Length: 99999999999\r\n", b"413"),
        (b"Content-Length: -1\r\n", b"413"),
    ):
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(b"POST /v1/query HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n")
            assert client.recv(100).split()[1] == status


def test_noise_on_the_line_does_not_stop_the_service(url: str) -> None:
    host, port = urlsplit(url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(bytes(range(256)) * 4)
    assert ask(url, json.dumps(query("six", "1.16.0")).encode())[0] == 200


def test_every_fix_that_is_told_is_a_version(url: str) -> None:
    # PYSEC-2021-371 is fixed in "0.2.0-n653": pip-audit ends with a traceback on that.
    for package in ("jinja2", "tensorflow", "nvflare", "vyper"):
        _, answer = ask(url, json.dumps(query(package, "0.1.0")).encode())
        for one in answer.get("vulns", ()):
            for event in one["affected"][0]["ranges"][0]["events"]:
                Version(event.get("fixed", "0"))


def test_it_listens_on_the_loopback_alone_and_stops(url: str) -> None:
    with osv_service(shipped_folder()) as other:
        assert other.startswith("http://127.0.0.1:")
        assert other != url
    with pytest.raises(ConnectionRefusedError):
        ask(other, b"{}")


def test_damaged_data_starts_no_service(tmp_path: Path) -> None:
    with pytest.raises(SecdlError), osv_service(tmp_path):
        pass
