"""`secdl import`: foreign SARIF files → evidence in a run that gate and report take."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from msgspec.structs import replace

from secdl import __version__
from secdl.gate.imports import OUTPUT, Imported, imported
from secdl.model import codec
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.plan import Plan, Product
from secdl.model.shipped import shipped
from secdl.pipeline.inputs import POLICY, copy_owners, copy_waivers, read
from secdl.run import git
from secdl.run.store import RUNS, RunFolder, chosen, measured, write_atomic

_SIZE_CAP_BYTES = 4 << 30


def import_files(files: Sequence[Path], run: RunFolder | None, *, root: Path, now: datetime, token: str) -> RunFolder:
    """Takes every file into `run`, or into a fresh run of imports alone; gives the run.

    Every file is read whole before anything is written: one that is not SARIF 2.1.0 raises `MalformedOutput`, which
    names it as it is given here.
    """
    taken = (
        {path.name for path in (run.path / "evidence").iterdir()} if run and (run.path / "evidence").exists() else set()
    )
    found: list[Imported] = []
    for file in files:
        for one in imported(str(file), _content(file), root=str(root), taken=taken):
            taken.add(one.evidence.job)
            found.append(one)
    run = run or _fresh(root, now=now, token=token)
    if broken := run.broken(only=lambda name: measured(name) or chosen(name)):
        raise MalformedOutput(f"{broken[0]} was altered since the run was sealed", where=str(run.path))
    # What was judged is no longer all there is: without its seal the run has no verdict until it is judged again.
    run.unseal()
    for one in found:
        folder = run.evidence_folder(one.evidence.job)
        write_atomic(folder / OUTPUT, bytes(one.content))
        digest = sha256(one.content).hexdigest()
        run.commit(replace(one.evidence, folder=str(folder), files={OUTPUT: digest}))
    return run


def _fresh(root: Path, *, now: datetime, token: str) -> RunFolder:
    run = RunFolder.create(root / RUNS, now=now, token=token)
    run.write(POLICY, read(shipped("policies/gate.toml")))
    copy_waivers(run, root, "")
    copy_owners(run, root)
    plan = Plan(
        secdl=__version__,
        run=run.id,
        as_of=now,
        profile="dev",
        root=str(root),
        product=Product(name=root.name or "import", version="", commit=git.commit(root)),
        stages=(),
        imports=True,
    )
    run.write("plan.json", codec.encode(plan))
    return run


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > _SIZE_CAP_BYTES:
            raise ConfigError("larger than 4 GiB", where=str(file), hint="split the report by run")
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(error.strerror or "unreadable", where=str(file), hint="name a SARIF file") from error
