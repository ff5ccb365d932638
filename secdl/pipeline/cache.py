"""Evidence that need not be measured again: same tool, arguments, settings, inputs, advisories and canary."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Evidence, Outcome, Program
from secdl.model.shipped import canary_folder
from secdl.model.tool import Canary, Job, Tool
from secdl.run.store import MARK, RunFolder, copy_tree, files_below, sha256_of, write_atomic

_BIG_BYTES = 1 << 20
PACKAGE = Path(__file__).resolve().parent.parent


@cache
def engine_digest() -> str:
    """sha256 of secdl's own code, parsers and engines included: evidence of another secdl is not reused."""
    total = hashlib.sha256()
    for path in files_below(PACKAGE):
        if path.suffix != ".pyc":
            total.update(f"{path.relative_to(PACKAGE)}\0{sha256_of(path)}\n".encode())
    return "sha256:" + total.hexdigest()


def key_of(
    tool: Tool,
    job: Job,
    *,
    program: Program,
    programs: dict[str, Program],
    argv: tuple[str, ...],
    lay: Callable[[], Mapping[str, bytes]],
    advisories: str,
    profile: str,
) -> str:
    """The cache key: a digest over everything that can change what the tool finds. Reads the job's inputs.

    Files that were planned one by one count as they are: to prepare thousands of them, as `lay` does, takes longer.
    In profile dev a file of 1 MB and more counts by device, inode, size, mtime and ctime instead of its content.
    """
    laid = {} if "planned" in job.settings else lay()
    shown = [_neutral(argument, job) for argument in argv]
    parts = {
        "secdl": engine_digest(),
        "tool": tool.name,
        "program": [program.version, program.digest, program.origin.value],
        "programs": {name: [p.version, p.digest] for name, p in sorted(programs.items())},
        "argv": shown,
        "env": dict(sorted(tool.env.items())),
        "settings": codec.builtins(job.settings),
        "root": job.root,
        "advisories": advisories,
        "laid": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(laid.items())},
        "canary": _canary_digest(tool, job),
        "expects": sorted(tool.canary.expects.items()) if tool.canary else [],
        "completed": sorted(tool.completed),
        # What is laid out is all that such a tool reads; its source may be a folder with much else in it.
        "sources": ""
        if laid
        else _digest_of((Path(job.root) / name for name in _read(job)), trust_stat=profile == "dev"),
        "inputs": {name: sha256_of(Path(path)) for name, path in sorted(job.inputs.items())},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


class EvidenceCache:
    """`.secdl/cache/evidence/<key>/`: one finished evidence folder each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "evidence"

    def take(self, key: str, job: Job, run: RunFolder) -> Evidence | None:
        """Copies the evidence of `key` into `run`; None where there is none, it is damaged, or what it
        speaks of is loaded from other files by now."""
        kept = self._folder / key
        try:
            evidence = codec.load(kept / MARK, Evidence)
        except MalformedOutput:
            return None
        files = {kept / name: digest for name, digest in evidence.files.items()}
        files |= {Path(name): digest for name, digest in evidence.work.loaded.items()}
        if any(_digest_or_none(path) != digest for path, digest in files.items()):
            shutil.rmtree(kept, ignore_errors=True)
            return None
        target = run.evidence_folder(job.name)
        copy_tree(kept, target, link=True)
        (target / MARK).unlink(missing_ok=True)
        return evidence

    def keep(self, key: str, evidence: Evidence, run: RunFolder) -> None:
        """Stores `evidence` under `key`, where it is OK; another run that stored it first wins."""
        kept = self._folder / key
        if evidence.outcome is not Outcome.OK or kept.exists():
            return
        temporary = self._folder / f".{key}.{run.id}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        copy_tree(run.evidence_folder(evidence.job), temporary, link=True)
        write_atomic(temporary / MARK, codec.encode(evidence))
        try:
            temporary.replace(kept)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)


def _digest_or_none(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def advisories_digest(folder: Path) -> str:
    """Digest of the advisory data in `folder`; empty where there is none."""
    return _digest_of([folder], trust_stat=False) if folder.is_dir() else ""


def _canary_digest(tool: Tool, job: Job) -> str:
    if tool.canary is None or not tool.canary.folder:
        return ""
    return _digest_of([canary_source(tool.canary, Path(job.root))], trust_stat=False)


def canary_source(canary: Canary, root: Path) -> Path:
    """Where the planted defects come from: secdl's own, else (a configured tool's) below the checkout."""
    return canary_folder(canary.folder) if canary.ours else root / canary.folder


def _read(job: Job) -> Iterable[str]:
    """What the result depends on: the planned files and rule packs of the repository, else the sources whole."""
    planned = job.settings.get("planned")
    return job.sources if planned is None else (*planned, *job.settings.get("packs", ()))


def _neutral(argument: str, job: Job) -> str:
    """`argument` without what differs from run to run: evidence folders and service ports."""
    text = argument.replace(job.folder, "{folder}")
    for name, path in job.inputs.items():
        text = text.replace(path, f"{{input:{name}}}")
    for name, url in job.services.items():
        text = text.replace(url, f"{{service:{name}}}")
    return text


def _digest_of(paths: Iterable[Path], *, trust_stat: bool) -> str:
    total = hashlib.sha256()
    for top in paths:
        for path in files_below(top) if top.is_dir() else (top,):
            try:
                stat = path.stat()
                if trust_stat and stat.st_size >= _BIG_BYTES:
                    mark = f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
                else:
                    mark = sha256_of(path)
            except OSError:
                mark = "absent"
            total.update(f"{path}\0{mark}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()
