"""What all commands of the image engine share: the record beside the report, the report itself."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import secdl
from secdl.model import codec, sarif
from secdl.model.evidence import Work
from secdl.model.finding import Finding
from secdl.model.image import FILE, ImageRecord
from secdl.model.tool import Rule


def write_record(out: Path, record: ImageRecord) -> None:
    """Writes `record` beside the report `out`."""
    write(out.with_name(FILE), codec.encode(record))


def write_report(
    out: Path,
    tool: str,
    findings: Iterable[Finding],
    *,
    rules: tuple[Rule, ...],
    work: Work,
    image: ImageRecord,
) -> None:
    """Writes the SARIF report of one check of `image`: same image, same bytes."""
    ordered = sorted(findings, key=lambda finding: (finding.path, finding.rule, finding.context, finding.message))
    about: dict[str, Any] = {"name": image.name, "digest": image.digest, "packages": image.packages}
    run = sarif.run_of(tool, secdl.__version__, ordered, rules=rules, work=work, properties={"secdl/image": about})
    write(out, sarif.document([run]))


def write(path: Path, raw: bytes) -> None:
    """Writes `raw` to `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(raw)
    Path(name).chmod(0o644)
    Path(name).rename(path)
