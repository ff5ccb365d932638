"""Python for scanners of folders: the planned files, laid out under names that any scanner takes for Python."""

from secdl.model.scope import within
from secdl.model.tool import LAID, SCRIPT, Checkout, Job

_PYTHON = (".py", ".pyw", ".pyi")


def python_files(job: Job, sources: tuple[str, ...] | list[str] = (".",)) -> list[str]:
    """The planned files below `sources` that are Python: by their suffix, or scripts without one."""
    return [
        path
        for path in job.settings.get("planned", ())
        if (path.endswith(_PYTHON) or "." not in path.rpartition("/")[2]) and within(path, sources)
    ]


def lay_python(files: list[str], checkout: Checkout) -> dict[str, bytes]:
    """The content of `files` by the name to lay it under; `Job.path` gives the file's own name back."""
    return {
        f"{LAID}/{path}" if path.endswith(".py") else f"{LAID}/{path}{SCRIPT}": checkout.read(path) for path in files
    }
