import pytest

from secdl.report.svg import MAX_BYTES, safe_svg

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 10 10">'


def safe(body: str) -> str | None:
    return safe_svg(f"{OPEN}{body}</svg>".encode(), label="a drawing", prefix="p-")


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        "<g><script href='data:,alert(1)'/></g>",
        "<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'><img src='x' onerror='a(1)'/></p></foreignObject>",
        "<image href='http://evil.example/x.png'/>",
        "<use href='http://evil.example/x.svg#a'/>",
        "<style>@import url(http://evil.example)</style>",
        "<animate attributeName='href' to='javascript:alert(1)'/>",
        "<set attributeName='onload' to='alert(1)'/>",
        "<x:script xmlns:x='http://www.w3.org/2000/svg'>alert(1)</x:script>",
        "<iframe xmlns='http://www.w3.org/1999/xhtml' src='javascript:alert(1)'/>",
        "<?xml-stylesheet href='http://evil.example'?>",
        "<filter id='f'><feImage href='http://evil.example'/></filter>",
    ],
)
def test_what_can_act_or_fetch_is_gone_with_its_content(body: str) -> None:
    made = safe(body)
    assert made is not None
    assert made.partition(">")[2].replace("<g>", "").replace("</g>", "") == "</svg>"


@pytest.mark.parametrize(
    "attribute",
    [
        "onclick='alert(1)'",
        "style='background:url(http://evil.example)'",
        "fill='url(http://evil.example#a)'",
        "stroke='expression(alert(1))'",
        "href='javascript:alert(1)'",
        "xlink:href='http://evil.example'",
        "filter='url(#f)'",
        "class='band evil'",
        "marker-end='url(http://evil.example#a)'",
        "transform='javascript(1)'",
        "data-filter='x'",
        "tabindex='0'",
    ],
)
def test_attributes_that_are_not_paint_or_place_are_gone(attribute: str) -> None:
    assert safe(f"<rect x='1' {attribute}/>") == safe("<rect x='1'/>")


def test_a_link_leaves_its_text() -> None:
    made = safe("<a xlink:href='javascript:alert(1)'><text x='1'>QEMU &lt;process&gt;</text></a>")
    assert made is not None
    assert made.endswith('<text x="1">QEMU &lt;process&gt;</text></svg>')


def test_ids_get_the_prefix_and_markers_follow() -> None:
    made = safe("<defs><marker id='m' orient='auto'/></defs><path id='q' d='M0,0L1,1' marker-end='url(#m)'/>")
    assert made is not None
    assert '<marker id="p-m" orient="auto">' in made
    assert 'marker-end="url(#p-m)"' in made


def test_classes_of_our_own_diagrams_stay() -> None:
    made = safe("<g class='cross'><rect class='node evil'/></g>")
    assert made is not None
    assert '<g class="cross"><rect class="node">' in made


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html></html>",
        b"<svg",
        b"\xff\xfe<\x00s\x00v\x00g\x00",
        b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"><text>&a;</text></svg>',
        b'<svg xmlns="http://www.w3.org/2000/svg">' + b" " * MAX_BYTES + b"</svg>",
        b'<svg xmlns="http://www.w3.org/2000/svg">' + b"<g/>" * 70_000 + b"</svg>",
    ],
)
def test_what_is_no_drawing_is_not_shown(raw: bytes) -> None:
    assert safe_svg(raw, label="x", prefix="p-") is None


def test_a_very_deep_drawing_is_cut_not_a_crash() -> None:
    deep = "<g>" * 5000 + "</g>" * 5000
    made = safe(deep)
    assert made is None or made.count("<g>") <= 40


def test_the_label_names_the_drawing_and_cannot_leave_it() -> None:
    made = safe_svg(f"{OPEN}</svg>".encode(), label='"><script>', prefix="p-")
    assert made is not None
    assert 'aria-label="&quot;&gt;&lt;script&gt;"' in made
