import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.model.text import clean, one_line

ANY = st.text(st.characters(codec=None), max_size=300)
FORBIDDEN = [chr(code) for code in (0, 7, 8, 0x1B, 0x7F, 0x9B, 0x61C, 0x200B, 0x202E, 0x2028, 0x2066, 0xFEFF, 0xE0041)]


@given(ANY)
def test_cleaned_text_holds_no_control_character_and_can_be_encoded(text):
    for made in (clean(text), one_line(text)):
        made.encode("utf-8")
        assert not [c for c in made if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]


@given(ANY)
def test_one_line_is_one_line_however_it_is_split(text):
    made = one_line(text)
    assert len(made.splitlines()) <= 1
    assert "\t" not in made
    assert len(made) <= 400


@given(ANY, st.integers(2, 50))
def test_limit_holds(text, limit):
    assert len(clean(text, limit=limit)) <= limit
    assert len(one_line(text, limit=limit)) <= limit


@given(ANY)
def test_cleaning_twice_changes_nothing(text):
    assert clean(clean(text)) == clean(text)
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize("char", FORBIDDEN)
def test_what_moves_a_cursor_or_hides_text_is_replaced(char):
    assert clean(f"a{char}b") == one_line(f"a{char}b") == "a�b"


def test_line_breaks_with_blanks_around_fold_into_one_space():
    assert one_line("  a \r\n \n\t b\n") == "a b"


def test_newline_and_tab_stay_in_clean_text():
    assert clean("a\n\tb") == "a\n\tb"


def test_huge_blanks_take_no_time():
    began = time.process_time()
    assert one_line("a" + " " * 2_000_000 + "b\x01").startswith("a  ")
    assert one_line("a" + "\n " * 1_000_000 + "b") == "a b"
    assert time.process_time() - began < 3
