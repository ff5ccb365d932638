"""Python for scanners: they are given what Python itself reads, whatever encoding and line ends a file has."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.tools._sources import as_python_reads

CALL = "import os\nos.system(input())\n"
TRICKS = {
    "carriage returns": f"# x\n{CALL}".replace("\n", "\r").encode(),
    "utf-7": b"# coding: utf-7\n#+AAo-" + CALL.encode(),
    "unicode_escape": b"# coding: unicode_escape\n#" + f"\n{CALL}".encode("unicode_escape"),
    "raw_unicode_escape": b"# coding: raw_unicode_escape\n#" + f"\n{CALL}".replace("\n", r"\u000a").encode(),
    "a name in either line": b"#!/usr/bin/python\n# -*- coding: utf_7 -*- coding: x\n#+AAo-" + CALL.encode(),
    "a name behind a carriage return": b"#!/usr/bin/python\r# coding: utf-7\r#+AAo-" + CALL.encode(),
    "latin-1": "# coding: latin-1\nx = 'é'\n".encode("latin-1") + CALL.encode(),
    "a byte order mark": b"\xef\xbb\xbf# coding: utf-8\n" + CALL.encode(),
}


@pytest.mark.parametrize("raw", TRICKS.values(), ids=list(TRICKS))
def test_a_scanner_is_given_the_code_that_python_runs_as_plain_utf_8(raw):
    laid = as_python_reads(raw)
    assert ast.dump(ast.parse(laid)) == ast.dump(ast.parse(raw))
    assert "\nos.system(input())" in laid.decode("utf-8-sig")
    assert b"\r" not in laid


@pytest.mark.parametrize("raw", [b"# coding: nothing\nx\n", b"x = '\xff'\n", b"# coding: ascii\nx = '\xc3\xa9'\n"])
def test_what_python_cannot_decode_stays_for_the_scanner_to_fail_on(raw):
    assert as_python_reads(raw) == raw


@given(st.binary(max_size=60), st.sampled_from(["", "# coding: utf-7\n", "# coding: cp037\n", "# coding: hex\n"]))
def test_any_bytes_are_survived_and_plain_ones_are_kept(tail, head):
    raw = head.encode() + tail
    assert isinstance(as_python_reads(raw), bytes)
    if raw.isascii() and not head and b"\r" not in raw and b"coding" not in raw:
        assert as_python_reads(raw) == raw
