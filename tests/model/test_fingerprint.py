from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from secdl.model.finding import Finding, Level, Location
from secdl.model.fingerprint import context, fingerprint, identify, pathless

TEXT = st.text(max_size=12)
PARTS = st.tuples(TEXT, TEXT, TEXT, TEXT, st.integers(0, 5))


def finding(path="src/a.py", line=1, snippet="x = call( y )", message="bad at 3", **more):
    place = Location(path=path, line=line)
    return Finding(tool="t", rule="r", level=Level.HIGH, message=message, snippet=snippet, locations=(place,), **more)


def ids(*findings):
    return [one.fingerprint for one in identify(findings)]


def test_value_never_changes_for_it_is_on_disk_everywhere():
    assert ids(finding()) == ["ccca3f208d5a31daef161ce62e3e736d5f6d24bafb27129472badb55117f28f8"]


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_moved_line_and_new_indentation_change_nothing(before, after):
    assert ids(finding(line=before)) == ids(finding(line=after, snippet="\tx  =\n call( y )  "))


def test_without_snippet_the_message_counts_but_not_its_digits():
    assert ids(finding(snippet="", message="line 3 of 9")) == ids(finding(snippet=" ", message="line 14 of 20"))
    assert ids(finding(snippet="", message="line 3")) != ids(finding(snippet="", message="row 3"))


def test_own_context_wins_over_snippet_and_message():
    assert context(finding(context="ghsa")) == "ghsa"
    assert ids(finding(context="a")) == ids(finding(context="a", snippet="other", message="other"))


def test_equals_are_told_apart_by_their_order():
    many = [finding(line=n) for n in range(5)]
    assert len(set(ids(*many))) == 5
    assert ids(*many) == ids(*[finding(line=n + 7) for n in range(5)])
    assert ids(*many)[:2] == ids(*many[:2])


def test_order_of_others_does_not_matter():
    three = [finding(), finding(path="b"), finding(snippet="z")]
    expected = sorted(ids(*three))
    assert all(sorted(ids(*order)) == expected for order in permutations(three))


@given(PARTS, PARTS)
def test_different_parts_have_different_fingerprints(one, other):
    clear = all("\0" not in part for part in (*one[:4], *other[:4]))
    if one != other and clear:
        assert fingerprint(*one) != fingerprint(*other)
    assert fingerprint(*one) == fingerprint(*one)
    assert len(fingerprint(*one)) == 64


def test_renamed_file_keeps_the_hash_without_path():
    assert pathless(finding(path="old/a.py", line=3)) == pathless(finding(path="new/b.py", line=9))
    assert pathless(finding()) != pathless(finding(snippet="other"))


def test_identify_leaves_its_input_alone():
    one = finding()
    list(identify([one]))
    assert one.fingerprint == ""
