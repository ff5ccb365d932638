"""A loopback OSV service over the snapshot, for scanners that want to ask one (pip-audit).

Answers `POST /v1/query` and `/v1/querybatch` as the OSV API does, in a thread of the calling process. A package that
no advisory speaks of is answered with nothing, which scanners take for "read, and clean"; a question that cannot be
answered is an error status, which makes them fail.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from packaging.version import InvalidVersion, Version

from secdl.advisories.canary import plant
from secdl.advisories.snapshot import Match, Snapshot, load
from secdl.advisories.versions import base
from secdl.model.errors import SecdlError

SEVERITY = "severity="
"""First word of an answer's summary: pip-audit has no field that would carry the severity to its report."""
_LARGEST_BODY = 4 << 20
_IDLE_S = 20


class _Package(msgspec.Struct, frozen=True):
    name: str
    ecosystem: str


class _Query(msgspec.Struct, frozen=True):
    package: _Package
    version: str


class _Batch(msgspec.Struct, frozen=True):
    queries: tuple[_Query, ...]


def answer(snapshot: Snapshot, query: _Query) -> dict[str, Any]:
    """What the OSV API says to one query; `{}` where nothing is known."""
    asked = query.package
    matches = snapshot.match(ecosystem=asked.ecosystem, package=asked.name, version=query.version)
    return {"vulns": [_vulnerability(match, asked) for match in matches]} if matches else {}


@contextmanager
def osv_service(folder: Path) -> Iterator[str]:
    """The URL of an OSV service over the snapshot in `folder`, as `http://127.0.0.1:PORT`, while the block runs.

    Raises `SecdlError` where the snapshot cannot be read.
    """
    snapshot = load(folder)
    # A damaged file is one clear error now, not a refused question later; all but PyPI is read when it is asked for.
    snapshot.verify()
    if "PyPI" in snapshot.manifest.ecosystems:
        plant(snapshot, "PyPI")
    server = _Server(("127.0.0.1", 0), _Handler)
    server.snapshot = snapshot
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _vulnerability(match: Match, asked: _Package) -> dict[str, Any]:
    events: list[dict[str, str]] = [{"introduced": "0"}]
    if match.fixed and _readable(match):
        events.append({"fixed": match.fixed})
    kind = "SEMVER" if base(asked.ecosystem) in ("Go", "crates.io") else "ECOSYSTEM"
    affected = {"package": {"name": match.package, "ecosystem": asked.ecosystem}}
    return {
        "schema_version": "1.7.0",
        "id": match.id,
        "aliases": list(match.aliases),
        "modified": "1970-01-01T00:00:00Z",
        "summary": f"{SEVERITY}{match.level.value};{match.word} | {match.summary}",
        "affected": [{**affected, "ranges": [{"type": kind, "events": events}]}],
    }


def _readable(match: Match) -> bool:
    # pip-audit ends with a traceback on a fixed version outside PEP 440, and advisories hold some.
    if base(match.ecosystem) != "PyPI":
        return True
    try:
        Version(match.fixed)
    except InvalidVersion:
        return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    snapshot: Snapshot

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S

    def do_POST(self) -> None:
        """Answers a query or a batch."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self._refuse(411 if not length else 413, "Content-Length is missing or too large")
            return
        body = self.rfile.read(int(length))
        try:
            if self.path == "/v1/query":
                self._say(200, answer(self.server.snapshot, msgspec.json.decode(body, type=_Query)))
            elif self.path == "/v1/querybatch":
                batch = msgspec.json.decode(body, type=_Batch)
                self._say(200, {"results": [answer(self.server.snapshot, query) for query in batch.queries]})
            else:
                self._refuse(404, "ask /v1/query or /v1/querybatch")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, SecdlError) as error:
            self._refuse(400, str(error))

    def log_message(self, *args: Any) -> None:
        """Nothing: a line per question would bury what people read."""

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True
        self._say(status, {"code": status, "message": message})

    def _say(self, status: int, value: object) -> None:
        body = msgspec.json.encode(value)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
