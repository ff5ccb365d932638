"""References of secdl's rules and threats to CWE: well formed, and none that CWE itself advises against."""

import re

import pytest
import yaml

from secdl.model.shipped import shipped
from secdl.pipeline.plan import tools_of
from secdl.threats.api import library_threats

_PACKS = [
    rule
    for path in sorted(shipped("policies/semgrep").glob("*/*.yaml"))
    for rule in yaml.safe_load(path.read_text())["rules"]
]
# What the mapping notes of CWE discourage (pillars, some classes) or prohibit. CWE-693 is a pillar, too, but
# nothing below it fits a build that leaves a protection out.
_NOT_FOR_MAPPING = {16, 17, 20, 119, 200, 264, 269, 284, 285, 287, 310, 311, 345, 399, 400, 664, 668, 707, 710, 834}
_NOT_FOR_MAPPING |= {1059, 1125}
_REFERENCES = {f"{tool.name}:{rule.id}": rule.cwe for tool in tools_of(None) for rule in tool.rules() if rule.cwe} | {
    threat.id: threat.cwe for threat in library_threats() if threat.cwe
}


@pytest.mark.parametrize("where", _REFERENCES)
def test_a_weakness_is_named_once_by_an_id_that_cwe_maps_to(where):
    ids = _REFERENCES[where]
    assert all(re.fullmatch(r"CWE-[1-9][0-9]{0,3}", cwe) for cwe in ids), ids
    assert len(set(ids)) == len(ids)
    assert not {int(cwe[4:]) for cwe in ids} & _NOT_FOR_MAPPING


def test_a_semgrep_rule_says_each_weakness_by_id_and_name_and_one_id_has_one_name():
    said = [words for rule in _PACKS for words in rule["metadata"]["cwe"]]
    assert [words for words in said if not re.fullmatch(r"CWE-[1-9][0-9]{0,3}: [A-Z][\w -]+", words)] == []
    names = dict(words.split(": ", 1) for words in said)
    assert {f"{cwe}: {name}" for cwe, name in names.items()} == set(said)
