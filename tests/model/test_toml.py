import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.model.config import Config, load_config
from secdl.model.errors import ConfigError, PolicyError
from secdl.model.policy import PolicyTable, Waivers, load_policy, load_waivers, parse_policy, parse_waivers
from secdl.model.shipped import shipped
from secdl.model.toml import line_of, load_toml, nearest, parse_toml

CONFIG = """# comment
[product]
name = "x"
version = "1"

[[source]]
name = "one"
path = "src"
languages = ["python"]

[[source]]
name = "two"
path = "hw"
languages = ["c"]
guest_facing = true

[profiles.merge]
timeout_factor = 2.0
"""


def fault(text, kind=Config):
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, kind, where="f.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_right_file_reads():
    config = parse_toml(CONFIG, Config, where="f.toml")
    assert [source.name for source in config.source] == ["one", "two"]


FAULTS = {
    "unknown key": (
        ("guest_facing", "guest_faceing"),
        "f.toml:15: source[2].guest_faceing",
        'did you mean "guest_facing"',
    ),
    "unknown table": (("[profiles.merge]", "[profile.merge]"), "f.toml:17: profile", 'did you mean "profiles"'),
    "wrong word": (('["c"]', '["cc"]'), "f.toml:14: source[2].languages[1]", "got 'cc'"),
    "wrong type": (("true", '"yes"'), "f.toml:15: source[2].guest_facing: got 'yes'", "expected true or false"),
    "missing key": (('path = "hw"\n', ""), "f.toml:11: source[2]", "key `path` is missing"),
    "missing table": (("[product]", "[tools.product]"), "f.toml: document", "key `product` is missing"),
    "out of range": (("2.0", "-1.0"), "f.toml:18: profiles.merge.timeout_factor", "a number above 0"),
    "table for a value": (('"src"', "{ a = 1 }"), "f.toml:8: source[1].path", "expected text in quotes"),
    "wrong number": (("2.0", '"x"'), "f.toml:18: profiles.merge.timeout_factor: got 'x'", "; expected a number"),
    "empty path": (('"src"', '""'), "f.toml:8: source[1].path: got ''", "expected path below the folder"),
    "text for a list": (('["c"]', '"c"'), "f.toml:14: source[2].languages: got 'c'", "expected a list"),
    "bad name": (('"one"', '"One Two"'), "f.toml:7: source[1].name: got 'One Two'", "expected lower-case letters"),
}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_names_file_line_key_and_what_was_expected(name):
    (old, new), where, what = FAULTS[name]
    said = fault(CONFIG.replace(old, new, 1))
    assert said.startswith(where)
    assert what in said


@pytest.mark.parametrize(
    "text", ["a = ", "[a", "a = 1\na = 2", "\x00", "a = 'x\ny'", "x = " + "[" * 20_000, "[a]\n[a]"]
)
def test_text_that_is_no_toml_is_one_line(text):
    assert fault(text).startswith("f.toml")


def test_file_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "latin").write_bytes(b"a = '\xe9'")
    (tmp_path / "huge").write_bytes(b"#" * (9 << 20))
    for name, what in (("latin", "UTF-8"), ("huge", "8 MiB"), ("none", "No such file"), (".", "directory")):
        with pytest.raises(ConfigError, match=what) as caught:
            load_toml(tmp_path / name, Config)
        assert str(tmp_path) in str(caught.value)


def test_hostile_key_comes_out_on_one_short_line():
    said = fault('[product]\nname="x"\nversion="1"\n"a\\u001b[31m\\nb' + "k" * 5000 + '" = 1')
    assert "\x1b" not in said
    assert len(said) < 400


@given(st.text(max_size=200))
def test_any_text_reads_or_is_a_config_error(text):
    for kind in (Config, PolicyTable, Waivers):
        try:
            parse_toml(text, kind, where="f")
        except ConfigError:
            continue


KEYS = st.text("abcdef", min_size=1, max_size=4)


@given(st.lists(st.tuples(KEYS, KEYS), min_size=1, max_size=8, unique_by=lambda pair: pair[0]))
def test_line_of_finds_every_key(pairs):
    lines = []
    for table, key in pairs:
        lines += [f"[{table}]", "# between", f"{key} = 1"]
    text = "\n".join(lines)
    data = tomllib.loads(text)
    for position, (table, key) in enumerate(pairs):
        assert data[table][key] == 1
        assert line_of(text, (table, key)) == 3 * position + 3


def test_line_is_the_one_that_an_editor_shows():
    text = "# a\u2028b\x85c\r\n[a]\r\nb = 1\r\n"
    assert tomllib.loads(text) == {"a": {"b": 1}}
    assert [line_of(text, ("a",)), line_of(text, ("a", "b"))] == [2, 3]


def test_text_that_is_no_toml_names_its_line():
    assert fault("[product]\nname = \n").startswith("f.toml:2: not TOML: ")
    assert fault("x = [1").startswith("f.toml: not TOML: ")


def test_line_of_counts_tables_in_arrays():
    text = "[[a]]\nx = 1\n[[a.b]]\ny = 1\n[[a.b]]\ny = 2\n[[a]]\n[[a.b]]\ny = 3\n"
    assert [line_of(text, ("a", 0, "b", 1, "y")), line_of(text, ("a", 1, "b", 0, "y"))] == [6, 9]


def test_nearest_word_or_all_words():
    assert nearest("relase", ("dev", "release")) == 'did you mean "release"?'
    assert nearest("zzz", ("dev", "merge")) == "known: dev, merge"
    assert nearest("zzz", ("dev", "merge", "merge")) == "known: dev, merge"


def test_shipped_policy_and_waivers_read_and_bind_all_three_profiles():
    policy = load_policy(shipped("policies/gate.toml"))
    assert set(policy.profiles) == {"dev", "merge", "release"}
    assert policy.profile("dev").tolerates_missing
    assert not policy.profile("merge").tolerates_missing
    assert "override" in policy.profile("release").refuses_origins
    assert load_waivers(shipped("policies/waivers.toml")) == Waivers()


POLICY_FAULTS = {
    'name = "x"\n[profiles.dev]\nblok = "new"': 'f:3: profiles.dev.blok: unknown key; did you mean "block"',
    'name = "x"\n[profiles.dev]\nblock = "nwe"': "f:3: profiles.dev.block: got 'nwe'; did you mean \"new\"",
    'name = "x"\n[profiles.dev]\nlevels = ["hihg"]': "f:3: profiles.dev.levels[1]: got 'hihg'",
    'name = "x"\n[profiles.dev]\nlevels = ["unknown"]': "unknown_as",
    'name = "x"\n[profiles.dev.requires]\nsats = ["bandit"]': "f:3: profiles.dev.requires",
    'name = "x"\n[profiles]': "f:2: profiles",
    'name = "x"\n[profiles.dev]\n[rules]\n"bandit" = { mode = "advise" }': "is not `tool:rule`",
    'name = "x"\n[profiles.dev]\n[rules]\n"b*:x" = { mode = "advise" }': "is not `tool:rule`",
    'name = "x"\n[profiles.dev]\n[rules]\n"b:x" = { mode = "advice" }': 'did you mean "advise"',
    'name = "x"\n[profiles.dev]\n[waivers.max_days]\nhgih = 3': "f:4: waivers.max_days",
    'name = "x"\n[profiles.dev]\n[waivers]\nwarn_days = -1': "f:4: waivers.warn_days",
}


@pytest.mark.parametrize("text", sorted(POLICY_FAULTS))
def test_wrong_policy_names_line_key_and_nearest_word(text):
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, where="f")
    assert POLICY_FAULTS[text] in str(caught.value)
    assert str(caught.value).startswith("f:")


WAIVER = """
[[waiver]]
id = "W-1"
rule = "bandit:B1"
path = "a/b.py"
reason = "r"
owner = "o"
approver = "p"
created = 2026-01-01
expires = 2026-02-01
"""
SELECTOR = 'rule = "bandit:B1"\npath = "a/b.py"'
WAIVER_FAULTS = {
    "two selectors": (("reason", 'cve = "CVE-2024-1"\npurl = "pkg:a/b"\nreason'), "exactly one of"),
    "rule alone": (('path = "a/b.py"\n', ""), "exactly one of"),
    "no rule": (('"bandit:B1"', '"bandit"'), "is not `tool:rule`"),
    "fingerprint": (('rule = "bandit:B1"\npath = "a/b.py"', 'fingerprint = "12"'), "waiver[1].fingerprint"),
    "dates": (("2026-02-01", "2025-02-01"), "`expires`, 2025-02-01, lies before `created`, 2026-01-01"),
    "date": (("2026-02-01", '"soon"'), "waiver[1].expires: got 'soon'; expected a date such as 2026-12-31"),
    "key": (("owner", "ower"), 'did you mean "owner"'),
    "id": (('"W-1"', '"W 1"'), "waiver[1].id"),
    "empty reason": (('"r"', '""'), "w:6: waiver[1].reason: got ''; expected 1 to 500 characters"),
    "blank reason": (('"r"', '" \\t"'), "w:6: waiver[1].reason: got"),
    "blank owner": (('"o"', '" "'), "w:7: waiver[1].owner: got ' '"),
    "advisory": (
        (SELECTOR, 'cve = "nope"\npurl = "pkg:a/b"'),
        "w:4: waiver[1].cve: got 'nope'; expected an advisory id",
    ),
    "no purl": ((SELECTOR, 'cve = "CVE-2024-1"\npurl = "nope"'), "w:5: waiver[1].purl: got 'nope'; expected a package"),
    "half a purl": ((SELECTOR, 'cve = "CVE-2024-1"\npurl = "pkg:pypi"'), "waiver[1]: purl 'pkg:pypi': "),
    "bracket": (("a/b.py", "a/["), "path 'a/[' opens a `[`"),
    "absolute": (("a/b.py", "/a/b.py"), "begins with `/`"),
    "folder": (("a/b.py", "a/b/"), "ends with `/`"),
    "dot": (("a/b.py", "./a/b.py"), "begins with `./`"),
    "up": (("a/b.py", "a/../b.py"), "goes up by `..`"),
}


@pytest.mark.parametrize("name", sorted(WAIVER_FAULTS))
def test_wrong_waiver_names_its_place(name):
    (old, new), what = WAIVER_FAULTS[name]
    parse_waivers(WAIVER, where="w")
    with pytest.raises(PolicyError) as caught:
        parse_waivers(WAIVER.replace(old, new, 1), where="w")
    assert what in str(caught.value)
    assert str(caught.value).startswith("w:")


@pytest.mark.parametrize(
    "advisory",
    [
        "CVE-2024-1",
        "cve-2024-1",
        "GHSA-jfhc-cjpm-vqrx",
        "PYSEC-2024-1",
        "DSA-5000-1",
        "GO-2024-2687",
        "RHSA-2023:1234",
        "ALAS2-2021-1",
        "TEMP-0000000-ABCDEF",
        "OSV-2021-1",
        "RUSTSEC-2021-0001",
        "USN-5000-1",
        "openSUSE-SU-2021:1-1",
    ],
)
def test_advisory_ids_of_every_maker_can_be_waived(advisory):
    text = WAIVER.replace(SELECTOR, f'cve = "{advisory}"\npurl = "pkg:deb/debian/curl@1:7.88-1%2Bdeb12u5?arch=amd64"')
    assert parse_waivers(text, where="w").waiver[0].cve == advisory


@pytest.mark.parametrize(
    "path", ["[id].py", "image:host/usr/bin/*", "./image:x/a.c", "device:e1000", "a/b/**", "package:"]
)
def test_paths_that_findings_have_can_be_waived(path):
    assert parse_waivers(WAIVER.replace("a/b.py", path), where="w").waiver[0].path == path


def test_id_used_twice_is_refused():
    with pytest.raises(PolicyError, match="used twice"):
        parse_waivers(WAIVER + WAIVER, where="w")


def test_longest_rule_key_wins_and_an_exact_one_over_all():
    text = 'name = "x"\n[profiles.dev]\n[rules]\n"t:*" = { mode = "advise" }\n"t:a*" = { mode = "block" }\n'
    text += '"t:ab" = { mode = "advise" }\n"import:t:*" = { mode = "block" }'
    policy = parse_policy(text, where="f")
    found = [policy.mode("t", rule) for rule in ("z", "ac", "ab")] + [
        policy.mode("import:t", "q"),
        policy.mode("u", "z"),
    ]
    assert found == ["advise", "block", "advise", "block", None]


def test_configuration_that_leads_out_of_its_folder_is_refused(tmp_path):
    (tmp_path / "hw").mkdir()
    (tmp_path / "f.toml").write_text(CONFIG.replace('"src"', '"../x"'))
    with pytest.raises(ConfigError, match="leads out of"):
        load_config(tmp_path / "f.toml")


def test_byte_order_mark_is_skipped_in_a_file_and_in_a_text(tmp_path):
    (tmp_path / "f.toml").write_bytes(CONFIG.encode("utf-8-sig"))
    assert load_toml(tmp_path / "f.toml", Config) == parse_toml(CONFIG, Config, where="x")
    assert parse_toml("\ufeff" + CONFIG, Config, where="x") == parse_toml(CONFIG, Config, where="x")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (CONFIG.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (CONFIG.encode("utf-16-le"), "is UTF-16; save it as UTF-8"),
        (b"\x1f\x8b\x08", "is gzip; unpack it first"),
    ],
)
def test_what_is_no_utf_8_text_is_named_with_what_to_do(tmp_path, raw, said):
    (tmp_path / "f.toml").write_bytes(raw)
    with pytest.raises(ConfigError, match=rf"f\.toml: {said}$"):
        load_toml(tmp_path / "f.toml", Config)
