"""`secdl init`: the files that a repository owns, written once; and its findings on the day of adoption, as debt."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import jinja2
import msgspec

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.finding import Finding, Status
from secdl.model.shipped import shipped
from secdl.model.text import free, one_line
from secdl.model.words import some
from secdl.run.checkout import NEVER
from secdl.tools._locks import is_python_lock, pins

DEBT = "policies/debt.jsonl"
_MOST_FILES = 200_000
_MOST_LOCK_BYTES = 8 << 20
_MOST_REFUSED = 20
_C_FOLDERS = ("hw", "net", "block", "migration", "src", "lib")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[source]]` or `[[dependencies]]` that was found in the tree."""

    name: str
    path: str
    language: str = ""
    guest_facing: bool = False


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a tree; `refused` are files named as locks are that lock nothing, each with the reason."""

    sources: tuple[Entry, ...]
    locks: tuple[Entry, ...]
    refused: tuple[str, ...]


def starter(root: Path, *, product: str) -> dict[str, bytes]:
    """The files of `secdl init` for the tree at `root`, by repo-relative path; nothing is written."""
    found = survey(root)
    env = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - TOML, where every value passes `toml`  # nosec B701
    env.filters["toml"] = lambda text: json.dumps(text, ensure_ascii=True)
    template = env.from_string(shipped("policies/init/secdl.toml.j2").read_text())
    adopted = (root / DEBT).exists()
    files = {
        "secdl.toml": template.render(product=product, version=_version(root), found=found, adopted=adopted).encode(),
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


def survey(root: Path) -> Survey:
    """The sources and lock files in the tree at `root`, by what lies there."""
    python, c_folders = False, set()
    locks: dict[str, Entry] = {}
    refused = []
    for path in _files(root):
        python = python or path.suffix == ".py"
        if path.suffix == ".c":
            # What TOML cannot name is read with all that lies beside it.
            c_folders.add(path.parts[0] if len(path.parts) > 1 and _utf8(path.parts[0]) else ".")
        if _may_lock(root, path):
            if reason := _refusal(root / path, path.as_posix()):
                refused.append(one_line(reason, limit=200))
            else:
                # `requirements/dev.txt` may lie beside `requirements-dev.txt`.
                name = free(_name(path.as_posix()), locks)
                locks[name] = Entry(name=name, path=path.as_posix())
    sources = [Entry(name="python", path=".", language="python")] if python else []
    # In a tree laid out as QEMU's, only these folders hold what a guest reaches; elsewhere all C is taken for it.
    chosen = [name for name in _C_FOLDERS if name in c_folders] or sorted(c_folders)
    sources += [Entry(name=_name(path), path=path, language="c", guest_facing=True) for path in chosen]
    if (more := len(refused) - _MOST_REFUSED) > 0:
        refused[_MOST_REFUSED:] = [f"{some(more, 'other file')} named as locks are"]
    return Survey(sources=tuple(sources), locks=tuple(locks.values()), refused=tuple(refused))


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


def _may_lock(root: Path, path: Path) -> bool:
    full = root / path
    plain = full.is_file() and not full.is_symlink()
    return plain and is_python_lock(path.as_posix(), lambda _: full.read_bytes())


def _refusal(path: Path, name: str) -> str:
    """Why no scanner could judge a file that is named as locks are; empty where one can."""
    if not _utf8(name):
        return f"{name}: a name that is not UTF-8"
    if path.stat().st_size > _MOST_LOCK_BYTES:
        return f"{name}: larger than {_MOST_LOCK_BYTES >> 20} MiB"
    try:
        return "" if pins(path.read_bytes(), name) else f"{name}: locks nothing"
    except MalformedOutput as error:
        return str(error)


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
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in path.lower())
    return kept.strip("-")[:60] or "c"


def _utf8(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)
