"""Lock files into pins."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secdl.model.errors import MalformedOutput, SecdlError
from secdl.run.checkout import Checkout
from secdl.tools._locks import pins, python_locks, written

LOCK = Path(__file__).resolve().parents[1] / "data" / "requirements.lock"


def named(text: str, where: str = "requirements.txt") -> list[tuple[str, str]]:
    return [(pin.name, pin.version or pin.url) for pin in pins(text.encode(), where)]


def test_a_universal_hashed_lock_is_read_whole_whatever_its_markers_say() -> None:
    assert named(LOCK.read_text()) == [
        ("requests", "2.19.0"),
        ("jinja2", "3.1.6"),
        ("urllib3", "1.26.4"),
        ("numpy", "1.21.0"),
        ("numpy", "2.1.0"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("# only a comment\n\n", []),
        ("a==1 # why\n", [("a", "1")]),
        ("\ufeffa==1\r\nb==2\r\n", [("a", "1"), ("b", "2")]),
        ("Zope.Interface[test]==5.0\n", [("zope-interface", "5.0")]),
        ("a==1 --hash=sha256:00 --hash=sha256:11\n", [("a", "1")]),
        ("a==1 \\\n  --hash=sha256:00\nb==2", [("a", "1"), ("b", "2")]),
        ("a==1\na==1 ; sys_platform == 'linux'\n", [("a", "1")]),
        ("-e .\n-e file:../x\n--editable=.\n./local\n", []),
        ("a @ https://x.invalid/a-1.tar.gz\n", [("a", "https://x.invalid/a-1.tar.gz")]),
        ("-c constraints.txt\n--no-binary :all:\na==1\n", [("a", "1")]),
        ("-ihttps://x.invalid\n--pre --find-links=./vendor -f ./more\na==1\n", [("a", "1")]),
        ("--require-hashes\n--trusted-host x.invalid --use-feature=fast-deps\na==1\n", [("a", "1")]),
    ],
)
def test_requirements_as_they_are_written(text: str, expected: list[tuple[str, str]]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n", 1),
        ("a==1\nb>=2\n", 2),
        ("a==1.*\n", 1),
        ("a==1,<2\n", 1),
        ("# x\n\na===weird\n", 3),
        ("a==1 \\\n --hash=sha256:0\n-r more.txt\n", 3),
        ("a==1\n-rmore.txt\n", 2),
        ("a==1\n--requirement=more.txt\n", 2),
        ("a==1\n--requirem more.txt\n", 2),
        ("a==1\n--pre -r more.txt\n", 2),
        ("a==1\n-i https://x.invalid -rmore.txt\n", 2),
        ("a==1\n-i 'https://x.invalid -rmore.txt\n", 2),
        ("a==1\n-egit+https://x.invalid/b#egg=b\n", 2),
        ("a==1\n--editable=git+https://x.invalid/b#egg=b\n", 2),
        ("a==1\n-e\n", 2),
        ("a==1\n--unheard-of x\n", 2),
        ("a==1\n./vendor/b-1.0-py3-none-any.whl\n", 2),
        ("a==1\n./vendor/b-1.0.tar.gz#egg=b ; python_version > '3'\n", 2),
        ("a==1\n/vendor/b.ZIP\n", 2),
        ("a==1\nfile:vendor/b.whl --hash=sha256:0\n", 2),
        ("a==1\nvendor/b.whl\n", 2),
        ("a==1\n<<<<<<< HEAD\n", 2),
        ("a==1\n\x00\x1b[31m\n", 2),
        ("a==1\nb==1; " + "(" * 5000 + "\n", 2),
    ],
)
def test_a_line_that_pins_nothing_is_named(text: str, line: int) -> None:
    with pytest.raises(MalformedOutput) as caught:
        named(text)
    assert caught.value.where == f"requirements.txt:{line}"
    assert "\x1b" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(MalformedOutput, match="not UTF-8"):
        pins(b"a==1\n\xff\xfe", "requirements.txt")


UV = """
version = 1
[[package]]
name = "app"
version = "0.1"
source = { editable = "." }
[[package]]
name = "Requests"
version = "2.19.0"
source = { registry = "https://x.invalid/simple" }
"""
PYLOCK = """
lock-version = "1.0"
[[packages]]
name = "requests"
version = "2.19.0"
[[packages]]
name = "app"
directory = { path = "." }
"""


@pytest.mark.parametrize(
    ("name", "text"), [("uv.lock", UV), ("poetry.lock", UV), ("pdm.lock", UV), ("pylock.toml", PYLOCK)]
)
def test_toml_locks_are_read_and_the_project_itself_left_out(name: str, text: str) -> None:
    assert named(text, f"x/{name}") == [("requests", "2.19.0")]


def test_a_toml_lock_with_two_lists_is_read_by_both() -> None:
    other = PYLOCK.replace("2.19.0", "2.20.0")
    assert named(UV + other, "uv.lock") == [("requests", "2.19.0"), ("requests", "2.20.0")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "package = 3",
        "package = []\npackages = 3",
        "[[package]]\nversion = '1'",
        "[[package]]\nname = 'a'",
        "package = ['a']",
        "x = [" * 5000,
        "version = " + "1" * 5000,
        "\x00",
    ],
)
def test_a_toml_lock_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedOutput):
        named(text, "uv.lock")


def test_every_category_of_a_pipfile_is_read() -> None:
    lock = {
        "_meta": {"hash": {"sha256": "0"}, "pipfile-spec": 6},
        "default": {"Jinja2": {"version": "==2.4.1", "hashes": ["sha256:0"], "markers": "os_name == 'nt'"}},
        "develop": {"app": {"editable": True, "path": "."}, "pytest": {"version": "==8.0", "extras": ["x"]}},
        "docs": {"sphinx": {"version": "==7.0"}},
    }
    assert named(json.dumps(lock), "x/Pipfile.lock") == [("jinja2", "2.4.1"), ("pytest", "8.0"), ("sphinx", "7.0")]


@pytest.mark.parametrize(
    "content",
    [
        {"_meta": {}},
        {"default": {}},
        {"_meta": {}, "default": {"a": {"version": "*"}}},
        {"_meta": {}, "default": {"a": {"git": "https://x.invalid/a", "ref": "0"}}},
        {"_meta": {}, "default": {"a": {"path": "vendor/a.whl"}}},
        {"_meta": {}, "default": {"a": {"file": "https://x.invalid/a.zip"}}},
        {"_meta": {}, "default": {}, "develop": []},
        {"_meta": {}, "default": {"a": "==1"}},
        [],
    ],
)
def test_a_pipfile_that_does_not_pin_all_is_refused(content: object) -> None:
    with pytest.raises(MalformedOutput):
        named(json.dumps(content), "Pipfile.lock")


def test_a_folder_gives_the_locks_in_it(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "requirements-dev.txt").write_text("a==1\n")
    (tmp_path / "app" / "requirements.in").write_text("a\n")
    (tmp_path / "app" / "uv.lock").write_text(UV)
    (tmp_path / "app" / "Pipfile.lock").write_text('{"_meta": {}, "default": {}}')
    (tmp_path / "app" / "notes.txt").write_text("no pin\n")
    (tmp_path / "app" / "requirements").mkdir()
    (tmp_path / "app" / "requirements" / "base.txt").write_text("a==1\n")
    (tmp_path / "app" / "requirements" / "base.in").write_text("a\n")
    prose = "Safety requirements\n===================\nREQ-1: exit status == 0\nREQ-001 No guest reaches the host.\n"
    (tmp_path / "app" / "requirements" / "safety.txt").write_text(prose)
    found = ["app/Pipfile.lock", "app/requirements-dev.txt", "app/requirements/base.txt", "app/uv.lock"]
    assert sorted(python_locks("app", Checkout(tmp_path))) == found


def test_a_lock_in_another_encoding_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/dev.txt").write_text("six==1.16.0\n", "utf-16")
    with pytest.raises(MalformedOutput, match=r"requirements/dev\.txt: not UTF-8"):
        python_locks(".", Checkout(tmp_path))


def test_a_file_is_a_lock_by_being_named_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "frozen").write_text("a==1\n")
    assert [pin.name for pin in python_locks("frozen", Checkout(tmp_path))["frozen"]] == ["a"]


@settings(max_examples=60)
@given(st.text(max_size=200), st.sampled_from(["requirements.txt", "uv.lock", "Pipfile.lock"]))
def test_any_text_gives_pins_or_one_error(text: str, name: str) -> None:
    with suppress(SecdlError):
        found = pins(text.encode("utf-8", "surrogatepass"), name)
        assert len(pins(written(found), "requirements.txt")) == len(found)
