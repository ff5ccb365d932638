"""A small hypervisor repository, a recorded run of the real tools on it, and executables that replay or break it."""

import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from secdl.cli.main import main
from secdl.model.shipped import shipped
from secdl.model.tool import Tool
from secdl.pipeline.plan import tools_of
from secdl.tools import builtin_tools

DATA = Path(__file__).parent / "tree"
STATUS = "".join(
    f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
    f"Maintainer: nobody <nobody@example.org>\nDescription: a package\n\n"
    for name, version in (("coreutils", "9.1-1"), ("base-files", "12.4+deb12u12"))
)
NOWHERE = "/nonexistent/tool"

REPLAY = """#!{python} -SE
import os, pathlib, signal, sys, time
CASE, RECORDED, OLD, OUTPUT, OTHER = {case!r}, pathlib.Path({recorded!r}), {old!r}, {output!r}, {other!r}
folder = pathlib.Path(os.readlink("/proc/self/fd/1")).parent
new = folder.parent.parent.name
if CASE == "exit 139":
    sys.exit(139)
if CASE == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if CASE == "silent":
    sys.exit(0)
if CASE == "hang":
    time.sleep(600)
if CASE == "flood":
    while True:
        sys.stdout.write("x" * 65536)
for path in sorted(RECORDED.rglob("*")):
    if not path.is_file() or path.name in ("evidence.json", "excerpts.jsonl", "stderr") or "canary" in path.parts:
        continue
    name = path.relative_to(RECORDED)
    if str(name) == "stdout" and OUTPUT != "stdout":
        continue
    raw = path.read_bytes()
    if str(name) == OUTPUT:
        if CASE == "another tool":
            raw = pathlib.Path(OTHER).read_bytes()
        if CASE == "truncated":
            raw = raw[: len(raw) // 2]
    raw = raw.replace(OLD.encode(), new.encode())
    if str(name) == "stdout":
        sys.stdout.buffer.write(raw)
        continue
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(raw)
sys.exit({status})
"""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The evidence that a real run of one tool left."""

    tool: Tool
    folder: Path
    run: str
    status: int

    @property
    def output(self) -> Path:
        return self.folder / self.tool.output


def write_tree(root: Path) -> None:
    """Lays the small repository out at `root`: sources, a lock, the threat-model starter, and an image of two packages
    whose one program is this machine's own `true`."""
    shutil.copytree(DATA, root, dirs_exist_ok=True)
    shutil.copytree(shipped("threatmodels/starter"), root / "threatmodels")
    (root / "trivy-database/db").mkdir(parents=True)
    (root / "trivy-database/db/metadata.json").write_text('{"Version": 2}')
    with tarfile.open(root / "image.tar", "w") as tar:
        add(tar, "etc/os-release", b'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
        add(tar, "var/lib/dpkg/status", STATUS.encode())
        add(tar, "usr/bin/true", Path("/bin/true").read_bytes(), mode=0o755)


def add(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    """Adds a regular file to `tar`."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def configure(
    root: Path, tools: dict[str, dict[str, object]], *, required: tuple[str, str], refuse_stale: bool = True
) -> None:
    """Writes secdl.toml with `[tools]` tables, and a policy that requires one tool of one stage."""
    text = (DATA / "secdl.toml").read_text()
    for name, table in tools.items():
        text += f"\n[tools.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    (root / "secdl.toml").write_text(text)
    stage, tool = required
    policy = 'name = "matrix"\n'
    for profile, tolerates in (("dev", "true"), ("merge", "false")):
        policy += f'[profiles.{profile}]\ntolerates_missing = {tolerates}\nlevels = ["critical"]\n'
        stale = "refuse" if refuse_stale and profile == "merge" else "warn"
        policy += f'advisory_stale = "{stale}"\nadvisory_max_days = 3650\n'
        policy += f'[profiles.{profile}.requires]\n{stage} = ["{tool}"]\n'
    (root / "gate.toml").write_text(policy)


def closure(tool: Tool) -> set[str]:
    """Names of the tools that `tool` needs, directly or not."""
    by_name = {one.name: one for one in builtin_tools()}
    found: set[str] = set()
    for need in tool.needs:
        found |= {need} | closure(by_name[need])
    return found


def fake(
    recorded: Recorded,
    path: Path,
    case: str,
    *,
    other: Path | None = None,
    edit: Callable[[bytes], bytes] | None = None,
) -> Path:
    """An executable at `path` that replays `recorded`, broken as `case` says; `edit` changes the replayed report."""
    source = recorded.folder
    if edit is not None:
        source = path.with_suffix(".recorded")
        shutil.copytree(recorded.folder, source)
        (source / recorded.tool.output).write_bytes(edit(recorded.output.read_bytes()))
    python = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or shutil.which("python3")
    path.write_text(
        REPLAY.format(
            python=python,
            case=case,
            recorded=str(source),
            old=recorded.run,
            output=recorded.tool.output,
            other=str(other),
            status=recorded.status,
        )
    )
    path.chmod(0o755)
    return path


def secdl(root: Path, *arguments: str) -> int:
    """Exit status of a secdl command in `root`, in this process."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return main(list(arguments))
    finally:
        os.chdir(before)


def verdict(root: Path, run: str = "latest") -> dict[str, object]:
    """The verdict of a run below `root`."""
    found: dict[str, object] = json.loads((root / ".secdl/runs" / run / "verdict.json").read_text())
    return found


def all_tools() -> tuple[Tool, ...]:
    """Every built-in tool; the matrix is generated from them."""
    return tools_of(None)


def not_executable(path: Path) -> Path:
    """A plain file."""
    path.write_text("not a program")
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path
