"""What is evaluated: a model of the checkout, or a planted one."""

from pathlib import Path

import msgspec

from secdl.model.config import ThreatModel
from secdl.model.errors import ConfigError
from secdl.model.tool import CANARY

_RESERVED = ("image:", "device:", "package:", "model:", "canary:", "outside:")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A model to evaluate: its file, the `folder` that it may import from (None: it stands alone), its controls, and
    the names (`path`, `controls_path`) that findings show."""

    name: str
    model: Path
    folder: Path | None
    controls: Path
    path: str
    controls_path: str

    @classmethod
    def of(cls, entry: ThreatModel, root: Path) -> "Subject":
        """The model that `entry` names in the checkout `root`. Raises `ConfigError` where it leads elsewhere."""
        top = root.resolve()
        for name in (entry.path, entry.controls):
            if name.startswith(_RESERVED):
                raise ConfigError(f"{name!r} begins like a place that is no file", hint="rename it")
            if not (top / name).resolve().is_relative_to(top):
                raise ConfigError(f"{name!r} leads out of the checkout", hint="name a path below secdl.toml's folder")
        model = (top / entry.path).resolve()
        if not model.is_file():
            raise ConfigError("no such model", where=entry.path, hint="mend `path` in [[threatmodel]]")
        return cls(
            name=entry.name,
            model=model,
            folder=model.parent if model.parent != top else None,
            controls=(top / entry.controls).resolve(),
            path=entry.path,
            controls_path=entry.controls,
        )


def canary_subjects(folder: Path) -> tuple[Subject, ...]:
    """The planted models in `folder`: each `NAME.py` with its `NAME.toml`."""
    return tuple(
        Subject(
            name="canary",
            model=model,
            folder=None,
            controls=model.with_suffix(".toml"),
            path=CANARY + model.name,
            controls_path=CANARY + model.with_suffix(".toml").name,
        )
        for model in sorted(folder.glob("*.py"))
    )
