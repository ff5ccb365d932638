"""What judging needs besides evidence, copied into the run: configuration, policy, waivers, owners, baseline."""

from pathlib import Path

from secdl.model.config import Config
from secdl.model.errors import ConfigError
from secdl.model.shipped import shipped
from secdl.run.store import RunFolder

CONFIG = "inputs/secdl.toml"
POLICY = "inputs/gate.toml"
WAIVERS = "inputs/waivers.toml"
INTERRUPTED = "inputs/interrupted"
OWNERS = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", "MAINTAINERS")
_SIZE_CAP_BYTES = 32 << 20


def copy_inputs(run: RunFolder, root: Path, config: Config, *, config_path: Path, policy: str, waivers: str) -> None:
    """Copies what judging this run will read. Options win over configuration. Raises `ConfigError`."""
    run.write(CONFIG, read(config_path))
    named = policy or config.gate.policy
    run.write(POLICY, read((root / named) if named else shipped("policies/gate.toml")))
    copy_waivers(run, root, waivers or config.gate.waivers)
    copy_owners(run, root)


def copy_owners(run: RunFolder, root: Path) -> None:
    """Copies the first file that names owners, where the checkout has one."""
    for name in OWNERS:
        if (root / name).is_file():
            run.write(f"inputs/owners/{Path(name).name}", read(root / name))
            break


def copy_waivers(run: RunFolder, root: Path, name: str) -> None:
    """Copies the waiver file `name` (below `root`, or absolute); an empty name is no waivers."""
    run.write(WAIVERS, read(root / name) if name else b"")


def read(path: Path) -> bytes:
    """The file at `path`. Raises `ConfigError`."""
    try:
        if path.stat().st_size > _SIZE_CAP_BYTES:
            raise ConfigError("larger than 32 MiB", where=str(path), hint="is this the file you meant?")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(what or "unreadable", where=str(path), hint="mend the path") from error
