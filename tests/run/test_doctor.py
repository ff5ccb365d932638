"""The doctor's rows."""

from pathlib import Path

import pytest

from secdl.run.doctor import doctor, requirements, user_namespaces
from secdl.run.toolchain import State, Toolchain


@pytest.fixture
def toolchain(tmp_path):
    path = tmp_path / "tools.lock.toml"
    path.write_text(
        'schema = 1\n[[tool]]\nname = "sh"\n[[tool.way]]\nkind = "path"\ncommand = "secdl-absent"\nminimum = "1.0"\n'
    )
    return Toolchain(path, cache=tmp_path / "cache")


def test_every_tool_has_a_row_and_what_is_missing_says_what_to_do(toolchain):
    row = doctor(toolchain)[-1]
    assert (row.name, row.state, row.detail) == ("sh", State.MISSING, "secdl-absent is not on PATH")
    assert row.remedy == "put secdl-absent 1.0 or newer on PATH"


def test_a_tool_named_by_configuration_is_shown_as_such(toolchain):
    row = doctor(toolchain, overrides={"sh": Path("/bin/true")})[-1]
    assert (row.state, row.origin) == (State.THERE, "override")
    assert "release profile refuses" in row.detail


def test_an_optional_tool_is_not_needed(toolchain):
    path = toolchain.root / "tools.lock.toml"
    path.write_text(path.read_text().replace('name = "sh"', 'name = "sh"\noptional = true'))
    assert doctor(toolchain)[-1].needed
    assert not doctor(Toolchain(path, cache=toolchain.cache))[-1].needed


def test_the_doctor_changes_nothing(toolchain):
    doctor(toolchain)
    assert not toolchain.cache.exists()


def test_whatever_is_not_there_has_a_remedy_unless_it_is_only_good_to_know(tmp_path):
    rows = requirements(tmp_path, proc=tmp_path, kvm=tmp_path / "kvm")
    assert [row.name for row in rows if row.needed] == ["python", "platform", "disk", "uv", "root or user namespaces"]
    for row in rows:
        assert row.state is State.THERE or row.remedy or not row.needed


def _proc(folder: Path, **values: str) -> Path:
    for name, value in values.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(value + "\n")
    return folder


def test_open_user_namespaces_serve_in_place_of_root(tmp_path):
    proc = _proc(tmp_path, kernel__unprivileged_userns_clone="1", user__max_user_namespaces="100")
    assert user_namespaces(proc, root=False).state is State.THERE


@pytest.mark.parametrize(
    ("switch", "value", "remedy"),
    [
        ("kernel__unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user__max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"),
        (
            "kernel__apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_closed_user_namespaces_name_the_switch_that_opens_them(tmp_path, switch, value, remedy):
    proc = _proc(tmp_path, **{switch: value})
    row = user_namespaces(proc, root=False)
    assert row.state is State.MISSING
    assert row.remedy == f"as root: {remedy}"
    assert user_namespaces(proc, root=True).state is State.THERE
