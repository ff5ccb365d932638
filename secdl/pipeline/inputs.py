"""What judging needs besides evidence, copied into the run: configuration, policy, waivers, owners, baseline."""

from contextlib import suppress
from pathlib import Path

from secdl.model.config import Config
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.policy import load_policy, load_waivers
from secdl.model.shipped import shipped
from secdl.model.toml import parse_toml, place, show
from secdl.run.store import RunFolder

CONFIG = "inputs/secdl.toml"
POLICY = "inputs/gate.toml"
WAIVERS = "inputs/waivers.toml"
INTERRUPTED = "inputs/interrupted"
OWNERS = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", "MAINTAINERS")
_SIZE_CAP_BYTES = 32 << 20


def inputs_of(config: Config, *, config_path: Path, profile: str, policy: str, waivers: str) -> dict[str, bytes]:
    """What judging a run will read of configuration, policy and waivers, by its place in the run.

    An option (`policy`, `waivers`) wins over configuration and counts from the current directory; what configuration
    names counts from its own folder. Raises `ConfigError` where a file is wrong, or the policy has no `profile`.
    """
    at = gate_file("policy", policy, config, config_path=config_path) or shipped("policies/gate.toml")
    load_policy(at).profile(profile)
    found = {CONFIG: read(config_path), POLICY: read(at), WAIVERS: b""}
    if (held := gate_file("waivers", waivers, config, config_path=config_path)) is not None:
        load_waivers(held)
        found[WAIVERS] = read(held)
    return found


def config_of(run: RunFolder) -> Config | None:
    """The configuration that the run was planned by, None where it has none. Raises `SecdlError`."""
    raw = run.read(CONFIG)
    try:
        return parse_toml(raw.decode("utf-8-sig"), Config, where=str(run.path / CONFIG)) if raw else None
    except UnicodeDecodeError as error:
        hint = "`secdl secure` makes a new run"
        raise MalformedOutput("not UTF-8", where=str(run.path / CONFIG), hint=hint) from error


def gate_file(key: str, option: str, config: Config, *, config_path: Path) -> Path | None:
    """The file that `option`, else `[gate] KEY` names; None where neither does. Raises `ConfigError` where it is
    absent."""
    named = option or str(getattr(config.gate, key))
    if not named:
        return None
    if option:
        path, what, where = Path.cwd() / option, repr(named), f"--{key}"
    else:
        keys = ("gate", key)
        path, what = config_path.resolve().parent / named, f"{show(keys)}: {named!r}"
        where = place(str(config_path), keys)
    # A name that no file can have is that of no file.
    with suppress(OSError, ValueError):
        if path.is_dir():
            raise ConfigError(f"{what} is a folder", where=where, hint="name the file in it")
        if path.exists():
            return path
    hint = "`secdl waiver add` writes it" if key == "waivers" and not option else "mend the path"
    raise ConfigError(f"{what} does not exist", where=where, hint=hint)


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
