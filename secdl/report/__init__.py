"""A judged run as documents: pure functions of a record, the same bytes for the same record."""

from collections.abc import Callable, Mapping

from secdl.model import codec
from secdl.model.record import Record
from secdl.report import html, junit, markdown, sarif


def _json(record: Record) -> bytes:
    """The verdict as verdict.json holds it."""
    return codec.encode(record.verdict)


FORMATS: Mapping[str, Callable[[Record], bytes]] = {
    "html": html.render,
    "sarif": sarif.render,
    "markdown": markdown.render,
    "junit": junit.render,
    "json": _json,
}
"""What `secdl report --format` takes."""

FILES: Mapping[str, str] = {
    "html": "report.html",
    "sarif": "report.sarif",
    "markdown": "report.md",
    "junit": "junit.xml",
}
"""The files that a run writes into its folder `report/`, by format; `json` is the run's own verdict.json."""
