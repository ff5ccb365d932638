"""Builds an image from a recipe with mmdebstrap, once for a recipe and a state of the machine's package indexes."""

import os
import re
import shutil
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from secdl.image import apt
from secdl.image.cache import locked, prune, published, scratch
from secdl.image.engine import write
from secdl.image.identify import describe, file_sha256
from secdl.image.oci import write_layout
from secdl.image.recipe import Recipe, load_recipe, recipe_digest
from secdl.image.tarball import open_tar
from secdl.model import codec
from secdl.model.errors import ConfigError, ToolFailed
from secdl.model.image import ImageRecord, seal_of
from secdl.model.text import one_line
from secdl.run.install.step import proxies
from secdl.run.process import Cancel, execute

TAR = "rootfs.tar"
KEPT = 2
"""Built images that stay in the cache: this one and the one before."""
_TIMEOUT_S = 3600.0
_ROOM_BYTES = 3 << 30
_RECORD = "record.json"
_FORGET = 'rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$1/etc/apt/apt.conf.d/99mmdebstrap"'
"""Takes out of the image what this machine set for building it: proxies, and how packages were unpacked."""
_FORMAT = 3
"""Raised when what a folder of the cache holds changes, so that an older one is not taken for it."""
_SCRATCH = Path("/var/tmp")  # noqa: S108  # nosec B108
"""On disk also where /tmp is memory."""


def build(recipe_path: Path, *, name: str, cache: Path, mmdebstrap: str, cancel: Cancel) -> ImageRecord:
    """The image of the recipe, from `cache` where the recipe and the machine's package indexes are unchanged.

    Raises `ConfigError` and `ToolFailed`.
    """
    recipe = load_recipe(recipe_path)
    suite, targets = apt.choose(apt.parse_targets(_targets(cache)), recipe.suites)
    digest = recipe_digest(recipe)
    key = sha256(f"{_FORMAT}\n{digest}\n{suite}\n{apt.index_state(targets)}\n".encode()).hexdigest()[:32]
    folder = cache / "images" / key
    with locked(folder):
        if (record := _cached(folder, name)) is None:
            prune(folder.parent, keep=KEPT - 1)
            with published(folder) as fresh:
                _make(recipe, suite, apt.sources_list(targets), fresh, mmdebstrap, cancel)
                _describe(fresh, folder, name=name, recipe=recipe_path.name, recipe_digest=digest)
            record = codec.load(folder / _RECORD, ImageRecord)
    return record


def arguments(
    recipe: Recipe, suite: str, *, root: bool, target: str, sources: str, settings: tuple[str, ...]
) -> list[str]:
    """mmdebstrap's arguments: a tar at `target` from the sources.list at `sources`."""
    return [
        f"--mode={'root' if root else 'unshare'}",
        f"--variant={recipe.variant}",
        "--format=tar",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Retries "3"',
        *(f"--aptopt={setting}" for setting in settings),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.exclude),
        # What a power cut would spoil is built again; waiting for the disk after each file is not needed.
        "--dpkgopt=force-unsafe-io",
        f"--customize-hook={_FORGET}",
        f"--include={','.join(recipe.packages)}",
        suite,
        target,
        sources,
    ]


def _cached(folder: Path, name: str) -> ImageRecord | None:
    """The image in `folder`, where it is whole: the tar is untouched, or its bytes are what the record says."""
    if not (folder / _RECORD).exists() or not (folder / TAR).exists():
        return None
    record = codec.load(folder / _RECORD, ImageRecord)
    seal = seal_of(folder / TAR)
    if seal != record.seal:
        if file_sha256(folder / TAR) != record.digest:
            return None
        # A cache that was copied here: the bytes are read once, not in every run.
        record = msgspec.structs.replace(record, seal=seal)
        write(folder / _RECORD, codec.encode(record))
    os.utime(folder)
    return msgspec.structs.replace(record, name=name, path=str(folder / TAR), oci=str(folder / "oci"), reused=True)


def _make(recipe: Recipe, suite: str, sources: str, fresh: Path, mmdebstrap: str, cancel: Cancel) -> None:
    if shutil.disk_usage(fresh).free < _ROOM_BYTES:
        raise ToolFailed(
            f"less than {_ROOM_BYTES >> 30} GiB free", where=str(fresh.parent), hint="free some disk space"
        )
    (fresh / "sources.list").write_text(sources)
    root = os.geteuid() == 0
    settings = apt.options(_ask("apt-config", "dump"))
    argv = [
        mmdebstrap,
        *arguments(
            recipe,
            suite,
            root=root,
            target=str(fresh / TAR),
            sources=str(fresh / "sources.list"),
            settings=settings,
        ),
    ]
    log = fresh / "log"
    with scratch(_SCRATCH, "secdl-image-") as room:
        exit_ = execute(
            argv,
            cwd=fresh,
            folder=log,
            env={"TMPDIR": str(room), "SOURCE_DATE_EPOCH": str(recipe.source_date_epoch), **proxies()},
            timeout_s=_TIMEOUT_S,
            cancel=cancel,
        )
    if exit_.status != 0 or not (fresh / TAR).is_file():
        raise ToolFailed(
            exit_.fault or _last_error(log / "stderr") or f"exit status {exit_.status}",
            where="mmdebstrap",
            hint=_hint(root),
        )


def _describe(fresh: Path, folder: Path, *, name: str, recipe: str, recipe_digest: str) -> None:
    seal, digest = seal_of(fresh / TAR), file_sha256(fresh / TAR)
    with open_tar(fresh / TAR) as rootfs:
        record = describe(rootfs, name=name, kind="tar", digest=digest, seal=seal)
    write_layout(fresh / "oci", fresh / TAR, digest)
    record = msgspec.structs.replace(
        record,
        path=str(folder / TAR),
        oci=str(folder / "oci"),
        recipe=recipe,
        recipe_digest=recipe_digest,
        built=datetime.now(UTC).replace(microsecond=0),
    )
    (fresh / _RECORD).write_bytes(codec.encode(record))


def _targets(cache: Path) -> str:
    """What `apt-get indextargets` prints, kept while apt's configuration and indexes are untouched: asking costs more
    than all else that finding a cached image takes."""
    stamp, kept = apt.stamp(), cache / "images" / ".targets"
    if kept.is_file() and (text := kept.read_text()).startswith(f"{stamp}\n"):
        return text
    text = _ask("apt-get", "indextargets", "--no-release-info", "--format", apt.FORMAT, "Created-By: Packages")
    write(kept, f"{stamp}\n{text}".encode())
    return text


def _ask(program: str, *arguments_: str) -> str:
    """What a program of the machine's apt prints."""
    path = shutil.which(program)
    if path is None:
        raise ConfigError(
            f"{program} is not on this machine",
            where="image recipe",
            hint="an image is built on Debian only; give `path` instead",
        )
    with tempfile.TemporaryDirectory(prefix="secdl-apt-") as folder:
        exit_ = execute([path, *arguments_], cwd=Path(folder), folder=Path(folder), timeout_s=60)
        text = (Path(folder) / "stdout").read_text(errors="replace")
        if exit_.status != 0:
            error = _last_error(Path(folder) / "stderr")
            raise ToolFailed(
                exit_.fault or error or f"exit status {exit_.status}", where=program, hint="mend apt first"
            )
    return text


def _last_error(path: Path) -> str:
    """The last line of mmdebstrap's or apt's log that says what failed."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    errors = [line for line in lines if re.match(r"^(E:|dpkg: error|mmdebstrap: )", line)]
    return one_line(errors[0] if errors else lines[-1] if lines else "")


def _hint(root: bool) -> str:
    if root:
        return "run `apt-get update`, see whether the machine reaches its apt sources, and whether it may mount"
    return "run as root, or let this user have a user namespace (package uidmap, a line in /etc/subuid)"
