"""Runs one pytm model and writes what it holds as JSON. Started inside the sandbox by pytm's own interpreter.

Usage: `python -I -S -B dumper.py MODEL PYTM_FOLDER FD`. Needs nothing but the standard library and pytm: it is handed
in as a single file. A first line `started` tells a sandbox that never came up from a model that broke. Whatever the
model does, it runs in this very process, so secdl takes the result for a claim and decodes it as hostile input.
"""

import importlib
import json
import os
import pathlib
import runpy
import sys
from typing import Any

FORMAT = "secdl-model/1"
STARTED = b"started\n"


class _NoModel(Exception):
    pass


def main(argv: list[str]) -> None:
    """Dump the model `argv[1]` to file descriptor `argv[3]`."""
    model, packages, fd = argv[1], argv[2], int(argv[3])
    os.write(fd, STARTED)
    # Last, so that a file beside the model cannot stand in for a module of Python or pytm.
    sys.path += [packages, str(pathlib.Path(model).parent)]
    sys.argv = [model]
    try:
        result = _dump(model)
    except BaseException as error:  # a model may raise anything, SystemExit included
        result = {"format": FORMAT, "error": _fault(error, model)}
    # A lone surrogate in a name is no JSON that others read: it becomes a question mark here.
    raw = json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")
    view = memoryview(raw)
    while view:
        view = view[os.write(fd, view) :]
    os._exit(0)


def _fault(error: BaseException, model: str) -> dict[str, Any]:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == model:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename == model:
        line = error.lineno
    kind = "" if isinstance(error, _NoModel) else type(error).__name__ + ": "
    return {"what": (kind + str(error))[:2000], "line": line}


def _dump(model: str) -> dict[str, Any]:
    pytm = importlib.import_module("pytm")
    lines: dict[int, int | None] = {}

    def remember(element: Any, original: Any) -> None:
        frame = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename != model:
            frame = frame.f_back  # type: ignore[assignment]  # the loop ends where it is None
        lines[id(element)] = frame.f_lineno if frame is not None else None
        original(element)

    for cls in (pytm.Element, pytm.Data):
        _wrap(cls, remember)
    models: list[Any] = []  # held here: a model may build its TM in a function and let go of it
    begin = pytm.TM._init_threats

    def begin_and_hold(self: Any) -> None:
        models.append(self)
        begin(self)

    pytm.TM._init_threats = begin_and_hold
    pytm.TM.process = lambda self: None  # its command line has no place here: secdl asks for what it wants
    try:
        names = runpy.run_path(model, run_name="__main__")  # noqa: F841 - keeps what the model built alive
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    if len({id(model) for model in models}) != 1:
        raise _NoModel(f"the model must create exactly one pytm.TM, and it created {len(models)}")
    tm = models[0]
    tm.check()
    tm.resolve()
    return _model(pytm, tm, lines)


def _wrap(cls: Any, remember: Any) -> None:
    original = cls._register_with_tm
    cls._register_with_tm = lambda self: remember(self, original)


def _model(pytm: Any, tm: Any, lines: dict[int, int | None]) -> dict[str, Any]:
    every = list(pytm.TM._elements)
    flows = [item for item in every if isinstance(item, pytm.Dataflow)]
    boundaries = [item for item in every if isinstance(item, pytm.Boundary)]
    elements = [item for item in every if not isinstance(item, pytm.Dataflow | pytm.Boundary)]
    # A model may give an element by two paths; identity, not equality, is what counts here.
    at = {id(item): number for group in (elements, flows, boundaries) for number, item in enumerate(group)}

    def base(item: Any) -> dict[str, Any]:
        return {
            "name": str(item.name),
            "cls": type(item).__name__,
            "kind": str(getattr(item, "kind", "") or ""),
            "description": str(item.description or ""),
            "boundary": at.get(id(item.inBoundary)) if item.inBoundary is not None else None,
            "in_scope": bool(item.inScope),
            "line": lines.get(id(item)),
            "claims": sorted(name for name, value in item.controls.model_dump().items() if value is True),
            "tags": sorted(str(tag) for tag in (getattr(item, "tags", None) or ())),
        }

    def flow(item: Any) -> dict[str, Any]:
        return {
            **base(item),
            "source": at.get(id(item.source)),
            "sink": at.get(id(item.sink)),
            "protocol": str(item.protocol or ""),
            "order": int(item.order),
            "scenario": str(getattr(item, "scenario", "") or ""),
            "response": bool(item.isResponse),
            "data": sorted({str(data.name) for data in item.data}),
        }

    def data(item: Any) -> dict[str, Any]:
        return {
            "name": str(item.name),
            "description": str(item.description or ""),
            "classification": str(item.classification.name),
            "credentials": bool(item.isCredentials),
            "personal": bool(item.isPII),
            "line": lines.get(id(item)),
        }

    library = pathlib.Path(pytm.__file__).parent / "threatlib" / "threats.json"
    shipped = {entry["SID"] for entry in json.loads(library.read_bytes())}
    threats = {threat.id: threat for threat in pytm.TM._threats}
    return {
        "format": FORMAT,
        "name": str(tm.name),
        "description": str(tm.description or ""),
        "elements": [base(item) for item in elements],
        "flows": [flow(item) for item in flows],
        "boundaries": [base(item) for item in boundaries],
        "data": [data(item) for item in pytm.TM._data],
        "threats": [
            {
                "id": str(t.id),
                "title": str(t.description),
                "details": str(t.details),
                "severity": str(t.severity),
                "own": t.id not in shipped,
            }
            for t in threats.values()
        ],
        "excluded": len(tm.excluded_findings),
        "findings": [
            {
                "threat": str(f.threat_id),
                "group": "flows" if isinstance(f.element, pytm.Dataflow) else "elements",
                "index": at[id(f.element)],
            }
            for f in tm.findings
            if f.element is not None and id(f.element) in at and not isinstance(f.element, pytm.Boundary)
        ],
    }


if __name__ == "__main__":
    main(sys.argv)
