"""What each planned job looks at: the files and named places of which it may say that a finding is gone."""

from collections.abc import Iterable, Mapping

from secdl.model.finding import Finding
from secdl.model.plan import Plan
from secdl.model.scope import excluded, within
from secdl.model.tool import Job

NAMED_PLACES = ("image:", "device:", "model:", "package:")


class Reach:
    """The reach of each job of `plan`, by the job's name."""

    def __init__(self, plan: Plan) -> None:
        self._jobs = {job.name: job for job in plan.jobs}
        self._planned = {job.name: frozenset(job.settings.get("planned", ())) for job in plan.jobs}
        self._removed = {job.name: frozenset(job.settings.get("removed", ())) for job in plan.jobs}
        self._hidden: dict[str, tuple[str, ...]] = {}
        for one in plan.excluded:
            self._hidden[one.source] = self._hidden.get(one.source, ()) + one.patterns

    def holds_file(self, name: str, old: Finding, subjects: Iterable[str]) -> bool:
        """Whether the job `name` would have found `old` in its file, were both still there.

        `subjects` are what its evidence says it was asked to read.
        """
        job = self._jobs.get(name)
        if job is None or "planned" not in job.settings:
            return self._below(old.path, dict.fromkeys((*(job.sources if job else ()), *subjects), ()))
        scopes: Mapping[str, Iterable[str]] = job.settings.get("scopes", {})
        if not all(within(old.path, sources) for start, sources in scopes.items() if old.rule.startswith(start)):
            return False
        if old.path in self._planned[name] or old.path in self._removed[name]:
            return True
        # What is not planned, though configuration means such files there, is not there any more.
        reads = job.settings.get("reads", dict.fromkeys(job.sources, ()))
        return not job.narrowed and self._below(old.path, reads)

    def holds_place(self, name: str, old: Finding) -> bool:
        """Whether the job `name` is about the image, device or model that `old` lies in."""
        job = self._jobs.get(name)
        if job is None:
            return False
        kind, _, place = old.path.partition(":")
        if kind == "device":
            return any(place in (device, device.partition(",")[0]) for device in _devices(job))
        # A package is named as such whatever holds it, which stands first in what tells the finding apart.
        subject = old.context.partition("|")[0] if kind == "package" else place.partition("/")[0]
        return job.subject == subject

    def _below(self, path: str, sources: Mapping[str, Iterable[str]]) -> bool:
        """Whether `path` lies below one of `sources`, ends as this wants it to, and is not hidden there."""
        return any(
            within(path, (source,)) and path.endswith(tuple(ends) or "") and not excluded(path, self._hidden_in(source))
            for source, ends in sources.items()
        )

    def _hidden_in(self, source: str) -> tuple[str, ...]:
        return self._hidden.get(source, ())


def _devices(job: Job) -> tuple[str, ...]:
    return tuple(job.settings.get("devices", ()))
