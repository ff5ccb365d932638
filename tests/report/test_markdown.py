import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from secdl.report.markdown import MAX_BYTES, code, prose, render

from . import records


def tokens(text: str) -> list[Token]:
    found = []
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
        found.append(token)
        found.extend(token.children or ())
    return found


@pytest.mark.parametrize(
    "text",
    [
        records.HOSTILE,
        "- item",
        "1. item",
        "12) item",
        "# heading",
        "> quote",
        "===",
        "a\n---\nb",
        "<b>x</b><!-- c --> &lt;",
        "![i](http://e.example/x.png) [l][r] <http://e.example>",
        "~~x~~ __y__ *z* `q` ``r",
        "| a | b |\n|---|---|",
        "\\",
        "\\<b>",
        "$`a`$",
    ],
)
def test_hostile_prose_is_text_and_nothing_else(text: str) -> None:
    kinds = {token.type for token in tokens(prose(text, limit=5000))}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


def test_prose_links_no_name_number_or_address() -> None:
    said = prose("@octocat org/repo#12 GH-12 https://e.example www.e.example a@b.example mailto:x")
    plain = re.sub(r"\\(.)", r"\1", said)
    assert not re.search(r"@\w|#\d|GH-\d|://\S*e\.|www\.|mailto:x", plain)


@pytest.mark.parametrize("text", ["a`b", "``", "`", "", "```\nx", "| a |", "<b>", "@octocat", "http://e.example"])
def test_hostile_code_is_text(text: str) -> None:
    kinds = {token.type for token in tokens(f"x {code(text)}: end")}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


@pytest.mark.parametrize("text", ["hw/net/nic.c:212", " x ", "a\nb", "trivy@secdl", "pkg:pypi/jinja2@3.1.2", "*x*\\"])
def test_harmless_code_is_one_span(text: str) -> None:
    assert [token.type for token in tokens(f"- {code(text)}: end")].count("code_inline") == 1


def test_hostile_run_has_the_structure_of_a_peaceful_one() -> None:
    peaceful = (records.failing(), records.partial())
    allowed = {token.type for record in peaceful for token in tokens(render(record).decode())}
    found = {token.type for token in tokens(render(records.hostile()).decode())}
    assert found - allowed <= {"text_special"}


@pytest.mark.parametrize("make", [records.hostile, lambda: records.large(5000)])
def test_comment_fits_whatever_the_run_says(make: object) -> None:
    assert callable(make)
    assert len(render(make())) < MAX_BYTES


def test_waivers_full_of_what_must_be_escaped_fit_and_the_cut_is_said() -> None:
    record = records.failing()
    (one, *_) = record.verdict.waivers
    accepted = tuple(replace(one, id=f"w{n}", reason="&" * 500, owner="&" * 500, approver="&" * 500) for n in range(60))
    text = render(replace(record, verdict=replace(record.verdict, waivers=accepted))).decode()
    assert len(text.encode()) <= MAX_BYTES
    assert text.endswith("Too long for a comment: the rest is in `report/report.html`.\n")


def test_ten_blockers_are_named_and_the_rest_counted() -> None:
    text = render(records.large(500)).decode()
    blockers = text.partition("### Blockers")[2].partition("###")[0]
    assert blockers.count("\n- **") == 10
    assert "- and 40 more" in blockers
