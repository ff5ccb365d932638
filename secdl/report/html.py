"""A judged run as one HTML file for the person who signs the release."""

import base64
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from secdl.model import words
from secdl.model.finding import LEVELS
from secdl.model.record import Record
from secdl.model.text import clean
from secdl.model.verdict import ReasonKind
from secdl.report import charts, detail, engines, rows, view
from secdl.report.view import View

BLOCKERS = 7
"""Blockers that the first screen shows."""
FEW = 2
"""Up to so many blockers stand across the page, so that no column is left empty."""
GAPS = 9
"""Lines of *Not measured* that the first screen shows before "and N more"."""
ACCEPTED = 6
"""Accepted risks that the first screen shows before "and N more"."""
DRAWINGS = {"dfd.svg": "Data flows", "sequence.svg": "Sequence"}
LONGEST = 1000
"""Characters of one text that the page shows; browsers take seconds to break a word of thousands."""

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_WORDS = (
    words.action,
    words.age,
    words.duration,
    words.first_seen,
    words.gain,
    words.left,
    words.listed,
    words.moment,
    words.number,
    words.owner,
    words.share,
    words.short,
    words.size,
    words.some,
    words.where,
)


def render(record: Record) -> bytes:
    """`record` as one self-contained page, UTF-8: no request leaves it, and nothing in it runs but its own script."""
    style, script = _part("report.css"), _part("report.js")
    seen = view.view(record)
    page = (
        _environment()
        .get_template("report.html")
        .render(
            style=Markup(style),  # noqa: S704 - our own file  # nosec B704
            script=Markup(script),  # noqa: S704  # nosec B704
            csp=_policy(style, script),
            **_context(seen),
        )
    )
    return page.encode("utf-8")


def _context(seen: View) -> dict[str, object]:
    record = seen.record
    images = detail.images(record)
    findings = detail.finding_rows(seen)
    return {
        "seen": seen,
        "record": record,
        "plan": record.plan,
        "verdict": seen.verdict,
        "counts": seen.verdict.counts,
        "facts": view.facts(record, tuple((image.name, image.digest) for image in images)),
        "max_blockers": BLOCKERS,
        "few_blockers": FEW,
        "max_gaps": GAPS,
        "max_accepted": ACCEPTED,
        "effect": view.effect,
        "jobs": detail.job_rows(seen),
        "findings": findings,
        "unlisted": len(seen.present) - len(findings),
        "absent": seen.absent[: detail.ABSENT_LISTED],
        "causes": rows.by_cause(record),
        "remarks": tuple(
            r
            for r in seen.verdict.reasons
            if r.kind in (ReasonKind.WAIVER_INVALID, ReasonKind.WAIVER_DUE, ReasonKind.WAIVER_UNUSED)
        ),
        "levels": tuple((level.value, seen.verdict.counts.by_level.get(level.value, 0)) for level in LEVELS),
        "packages": detail.packages(seen),
        "images": images,
        "hardening": engines.hardening(record),
        "threats": tuple((seen, detail.drawings(record, seen.job, DRAWINGS)) for seen in engines.threats(record)),
        "fuzzing": engines.fuzzing(record),
        "level_chart": _markup(_level_chart(seen)),
        "time_chart": _markup(_time_chart(seen)),
    }


def _level_chart(seen: View) -> str | None:
    counts = seen.verdict.counts.by_level
    bars = [(level.value, float(counts.get(level.value, 0))) for level in LEVELS]
    return charts.bars(bars, label="Findings by level", unit="findings", prefix="c1-")


def _time_chart(seen: View) -> str | None:
    ran = sorted((run for run in seen.ran if not run.skipped), key=lambda run: -run.evidence.duration_s)
    bars = [(run.evidence.job, run.evidence.duration_s) for run in ran[:12]]
    return charts.bars(bars, label="Wall time by job", unit="seconds", prefix="c2-")


def _markup(svg: str | None) -> Markup | None:
    return None if svg is None else Markup(svg)  # noqa: S704 - safe_svg made it  # nosec B704


def _part(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: nothing is fetched, and only this style and this script count."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def _shown(value: object) -> object:
    """What stands in the page for `value`: hostile text cleaned, and nothing that nobody meant to show."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return clean(value, limit=LONGEST)
    if value is None:
        raise TypeError("a template shows None")
    return value


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    named: dict[str, Callable[..., object]] = {function.__name__: function for function in _WORDS}
    environment.globals.update(named)
    environment.filters["markup"] = _markup
    return environment
