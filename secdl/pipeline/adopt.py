"""`secdl init`: the files that a repository owns, written once; and its findings on the day of adoption, as debt."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import msgspec

from secdl.model import codec
from secdl.model.finding import Finding, Status
from secdl.model.shipped import shipped
from secdl.run.checkout import NEVER
from secdl.tools._locks import is_python_lock

DEBT = "policies/debt.jsonl"
_MOST_FILES = 200_000
_MOST_LOCK_BYTES = 8 << 20
_LOCK_NAMES = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
_C_FOLDERS = ("hw", "net", "block", "migration", "src", "lib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `[[source]]` or `[[dependencies]]` that was found in the tree."""

    name: str
    path: str
    language: str = ""
    guest_facing: bool = False


def starter(root: Path, *, product: str) -> dict[str, bytes]:
    """The files of `secdl init` for the tree at `root`, by repo-relative path; nothing is written."""
    sources, locks = survey(root)
    env = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - TOML, where every value passes `toml`  # nosec B701
    env.filters["toml"] = lambda text: json.dumps(text, ensure_ascii=True)
    template = env.from_string(shipped("policies/init/secdl.toml.j2").read_text())
    adopted = (root / DEBT).exists()
    files = {
        "secdl.toml": template.render(
            product=product, version=_version(root), sources=sources, locks=locks, adopted=adopted
        ).encode(),
        "policies/gate.toml": shipped("policies/gate.toml").read_bytes(),
        "policies/waivers.toml": shipped("policies/init/waivers.toml").read_bytes(),
        "noxfile.py": shipped("policies/init/noxfile.py").read_bytes(),
        ".github/workflows/secdl.yml": shipped("policies/init/workflow.yml").read_bytes(),
    }
    model = shipped("threatmodels/starter")
    for path in sorted(model.iterdir()):
        if path.is_file():
            files[f"threatmodels/hypervisor/{path.name}"] = path.read_bytes()
    return files


def survey(root: Path) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """The sources and lock files in the tree at `root`, by what lies there."""
    python, c_folders, locks = False, set(), []
    for path in _files(root):
        python = python or path.suffix == ".py"
        if path.suffix == ".c":
            c_folders.add(path.parts[0] if len(path.parts) > 1 else ".")
        if is_python_lock(path.as_posix()) and _pins(root / path):
            locks.append(path)
    sources = [Entry(name="python", path=".", language="python")] if python else []
    # In a tree laid out as QEMU's, only these folders hold what a guest reaches; elsewhere all C is taken for it.
    chosen = [name for name in _C_FOLDERS if name in c_folders] or sorted(c_folders)
    sources += [Entry(name=_name(path) or "c", path=path, language="c", guest_facing=True) for path in chosen]
    named = tuple(Entry(name=_name(path.as_posix()), path=path.as_posix()) for path in sorted(locks))
    return tuple(sources), named


def debt_of(findings: Iterable[Finding], before: bytes | None) -> tuple[bytes, int]:
    """The debt file for today's `findings`, and how many it holds; debt recorded `before` may only shrink."""
    allowed = None if before is None else {finding.fingerprint for finding in read_debt(before)}
    kept = sorted(
        (
            msgspec.structs.replace(finding, status=Status.UNCHANGED, blocking=False, waiver=None)
            for finding in findings
            if finding.status is not Status.ABSENT and (allowed is None or finding.fingerprint in allowed)
        ),
        key=lambda finding: (finding.tool, finding.rule, finding.path, finding.fingerprint),
    )
    return b"".join(codec.encode_line(finding) for finding in kept), len(kept)


def read_debt(raw: bytes) -> Iterator[Finding]:
    """The findings of a debt file."""
    for number, line in enumerate(codec.lines(raw), start=1):
        yield codec.decode(line, Finding, where=f"{DEBT}:{number}", hint="`secdl init --adopt` writes this file")


def _version(root: Path) -> str:
    """What the tree's VERSION file says, as QEMU's and many others' do."""
    path = root / "VERSION"
    if path.is_file() and not path.is_symlink() and path.stat().st_size < 100:
        words = path.read_text("utf-8", "replace").split()
        if len(words) == 1 and words[0].isascii() and words[0].isprintable():
            return words[0][:60]
    return "0.0.0"


def _pins(path: Path) -> bool:
    """Whether a file with the name of a lock is one: nobody writes it by hand, or every requirement in it is pinned.

    A list of wishes is none, and no scanner could judge it.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_LOCK_BYTES:
        return False
    if path.name in _LOCK_NAMES:
        return True
    lines = [line.split("#")[0].strip() for line in path.read_text("utf-8", "replace").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("-")]
    return bool(wanted) and all("==" in line for line in wanted)


def _files(root: Path) -> Iterator[Path]:
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in NEVER and not name.startswith("."))
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                return
            yield (Path(folder) / name).relative_to(root)


def _name(path: str) -> str:
    kept = "".join(letter if letter.isalnum() else "-" for letter in path.lower())
    return kept.strip("-")[:60]
