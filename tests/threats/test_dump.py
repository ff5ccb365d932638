"""Whatever bytes a model leaves, they are a model or `ModelBroken`, never another error."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.threats import dump
from secdl.threats.sandbox import ModelBroken

ELEMENT = {
    "name": "A",
    "cls": "Process",
    "kind": "vmm",
    "description": "",
    "boundary": None,
    "in_scope": True,
    "line": 1,
    "claims": [],
    "tags": [],
}
FLOW = {
    **ELEMENT,
    "name": "F",
    "source": 0,
    "sink": 0,
    "protocol": "",
    "order": -1,
    "scenario": "",
    "response": False,
    "data": [],
}
GOOD = {
    "format": "secdl-model/1",
    "name": "M",
    "description": "",
    "elements": [ELEMENT],
    "flows": [FLOW],
    "boundaries": [],
    "data": [],
    "threats": [],
    "excluded": 0,
    "findings": [],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(value: object) -> dump.Model:
    return dump.read(json.dumps(value).encode())


def test_the_smallest_model_reads():
    assert read(GOOD).elements[0].name == "A"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(raw):
    with pytest.raises(ModelBroken):
        dump.read(raw)


@given(st.sampled_from(sorted(GOOD)), ANYTHING)
def test_any_value_in_a_model_s_place_is_refused_or_read(key, value):
    with contextlib.suppress(ModelBroken):
        read({**GOOD, key: value})


@given(st.sampled_from(sorted(FLOW)), ANYTHING)
def test_any_value_in_a_flow_s_place_is_refused_or_read(key, value):
    with contextlib.suppress(ModelBroken):
        read({**GOOD, "flows": [{**FLOW, key: value}]})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"flows": [{**FLOW, "sink": 7}]}, "refers to an element that it does not have"),
        ({"elements": [{**ELEMENT, "boundary": 3}]}, "refers to an element that it does not have"),
        ({"findings": [{"threat": "X", "group": "flows", "index": 9}]}, "refers to an element"),
        ({"boundaries": [{**ELEMENT, "boundary": 0}]}, "inside itself"),
        ({"boundaries": [{**ELEMENT, "boundary": 1}, {**ELEMENT, "boundary": 0}]}, "inside itself"),
        ({"elements": [{**ELEMENT, "line": -1}]}, "no model"),
        ({"format": "secdl-model/2"}, "no model"),
        ({"error": {"what": "x\x1b[0m\ny", "line": -3}}, "x�[0m y"),
    ],
)
def test_a_model_that_contradicts_itself_is_refused(change, why):
    with pytest.raises(ModelBroken) as caught:
        read({**GOOD, **change})
    assert why in str(caught.value)


@given(st.text(max_size=300))
def test_every_name_is_one_harmless_line(name):
    shown = read({**GOOD, "elements": [{**ELEMENT, "name": name.encode("utf-8", "replace").decode()}]}).elements[0].name
    assert shown
    assert len(shown) <= 120
    assert "\n" not in shown
    assert "\x1b" not in shown
