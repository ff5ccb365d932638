"""Hostile configuration, policy, waivers and arguments: exit status 2 and one line that a terminal can show."""

import os
from pathlib import Path

import pytest

from secdl.cli.main import main

HEAD = '[product]\nname = "x"\nversion = "1"\n'
ESCAPES = r"\u001b[31m\u0000\n\u202e<script>"
DOTTED = "a" + ".a" * 4000
TEXTS = {
    "invalid UTF-8": b'[product]\nname = "\xff\xfe"\n',
    "NULs": b"\0" * 4096,
    "UTF-16": "[product]\n".encode("utf-16"),
    "hostile key": f'"{ESCAPES}" = 1\n'.encode(),
    "hostile table": f'["{ESCAPES}"]\n'.encode(),
    "control characters raw": b"\x1b[31m = 1\n",
    "deep list": b"x = " + b"[" * 50_000,
    "deep tables": b"x = " + b"{a = " * 50_000,
    "dotted without end": f"{DOTTED} = 1\n".encode(),
    "table without end": f"[{DOTTED}]\n".encode(),
    "a million keys": b"".join(b"k%d=1\n" % number for number in range(1_000_000)),
    "as many keys as are read": b"".join(b"k%d=1\n" % number for number in range(150_000)),
    "a key of megabytes": b"a" * 4_000_000 + b" = 1\n",
    "a value of megabytes": b'product = "' + b"a" * 4_000_000 + b'"\n',
    "number of thousands of digits": b"x = " + b"9" * 5000 + b"\n",
    "blanks without end": b'x = """\n[' + b" " * 200_000 + b'\n"""\n',
    "twice": f'"{ESCAPES}" = 1\n"{ESCAPES}" = 1\n'.encode(),
}
VALUES = {
    "NUL in a source": r'[[source]]\nname = "a"\npath = "a\u0000b"\nlanguages = ["c"]',
    "line break in a source": r'[[source]]\nname = "a"\npath = "a\\n\u001b"\nlanguages = ["c"]',
    "source of a long name": f'[[source]]\\nname = "a"\\npath = "{"a" * 400}"\\nlanguages = ["c"]',
    "source that leads out": r'[[source]]\nname = "a"\npath = "../../etc"\nlanguages = ["c"]',
    "source that is a loop": r'[[source]]\nname = "a"\npath = "loop"\nlanguages = ["c"]',
    "hostile name": rf'[[source]]\nname = "{ESCAPES}"\npath = "."\nlanguages = ["c"]',
    "hostile language": rf'[[source]]\nname = "a"\npath = "."\nlanguages = ["{ESCAPES}"]',
    "hostile policy": rf'[gate]\npolicy = "{ESCAPES}"',
    "policy without end": f'[gate]\\npolicy = "{"a/" * 4000}"',
    "hostile waivers": rf'[gate]\nwaivers = "{ESCAPES}"',
    "hostile debt": rf'[gate]\ndebt = "{ESCAPES}"',
    "debt of a long name": f'[gate]\\ndebt = "{"a" * 400}"',
    "hostile tool": rf'[tools."{ESCAPES}"]\nx = 1',
    "hostile setting": rf'[tools.bandit]\n"{ESCAPES}" = 1',
    "hostile program": rf'[tools.bandit]\npath = "{ESCAPES}"',
    "hostile command": r'[[sarif_tool]]\nname = "a"\nstage = "sast"\ncommand = ["a\u0000"]',
    "hostile profile": rf'[profiles."{ESCAPES}"]\nfuzz_operations = 0',
    "deep dotted setting": rf"[tools]\n{DOTTED} = 1",
    "no number": r"[tools.bandit]\ntimeout_s = nan",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "secdl.toml").write_text(HEAD)
    return tmp_path


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> None:
    capfd.readouterr()
    assert main(list(arguments)) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.endswith("\n")
    assert said.err[:-1].isprintable()
    assert len(said.err) < 2100


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_configuration_is_refused_in_one_line(name: str, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "secdl.toml").write_bytes(TEXTS[name])
    refused(capfd, "secure", "--only", "fuzz")
    assert not (root / ".secdl").exists()


@pytest.mark.parametrize("name", VALUES)
def test_hostile_values_are_refused_in_one_line(name: str, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "secdl.toml").write_text(
        HEAD + VALUES[name].replace("\\\\n", "\0").replace("\\n", "\n").replace("\0", "\\n")
    )
    refused(capfd, "secure", "--only", "fuzz")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("option", ["--policy", "--waivers"])
def test_hostile_policy_and_waivers_are_refused_in_one_line(
    name: str, option: str, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "x.sarif").write_text('{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}')
    assert main(["import", "x.sarif"]) == 0
    run = capfd.readouterr().out.strip()
    (root / "given.toml").write_bytes(TEXTS[name])
    refused(capfd, "gate", run, option, "given.toml")


@pytest.mark.parametrize("field", ["id", "rule", "path", "reason", "owner", "approver", "cve", "purl"])
def test_a_waiver_full_of_escapes_is_refused_or_comes_out_as_text(
    field: str, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (root / "x.sarif").write_text('{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}')
    assert main(["import", "x.sarif"]) == 0
    run = capfd.readouterr().out.strip()
    entry = {"id": "w1", "reason": "r", "owner": "o", "approver": "a", "rule": "t:r", "path": "p"}
    entry |= {field: ESCAPES}
    if field in ("cve", "purl"):
        entry = {key: value for key, value in entry.items() if key not in ("rule", "path")}
        entry = {"cve": "c", "purl": "pkg:a/b"} | entry
    lines = "".join(f'{key} = "{value}"\n' for key, value in entry.items())
    (root / "w.toml").write_text(f"[[waiver]]\n{lines}created = 2026-01-01\nexpires = 2026-01-02\n")
    assert main(["gate", run, "--waivers", "w.toml"]) in (0, 1, 2)
    assert all(line.isprintable() for line in capfd.readouterr().err.splitlines())


@pytest.mark.parametrize("name", ["\x1b[31m", "a" * 5000, "../../../etc/passwd\n", "<script>", "\udcff"])
def test_hostile_arguments_are_refused_in_one_line(name: str, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    refused(capfd, "gate", name)
    refused(capfd, "report", name)
    refused(capfd, "import", name)
    refused(capfd, "explain", name)
    refused(capfd, "secure", "--baseline", name, "--only", "fuzz")
    refused(capfd, "secure", "--profile", name, "--only", "fuzz")
    refused(capfd, "secure", "--config", name)
    refused(capfd, "secure", "--only", name)


def test_a_checkout_whose_own_path_is_not_utf_8_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(odd)  # noqa: PTH102 - bytes
    monkeypatch.chdir(os.fsdecode(odd))
    Path("secdl.toml").write_text(HEAD)
    refused(capfd, "secure", "--only", "fuzz")
