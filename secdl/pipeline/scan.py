"""Plan → evidence: install, run, examine, record. Whatever happens to a tool becomes its evidence."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from secdl.advisories import data_dates, osv_service
from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Evidence, Outcome, Program
from secdl.model.plan import Plan
from secdl.model.text import one_line
from secdl.model.tool import Job, Stage, Tool
from secdl.pipeline.cache import PACKAGE, EvidenceCache, advisories_digest, canary_source, key_of
from secdl.pipeline.examine import examine, expected_hits
from secdl.pipeline.excerpts import EXCERPTS, capture
from secdl.pipeline.programs import Programs
from secdl.run import schedule
from secdl.run.checkout import Checkout
from secdl.run.install.step import proxies
from secdl.run.process import Cancel, Exit, execute
from secdl.run.store import MARK, RunFolder, copy_tree, files_below, sha256_of
from secdl.run.toolchain import Toolchain, Unavailable


class Progress(Protocol):
    """Told what happens while it happens; methods are called from several threads."""

    def started(self, job: Job) -> None:
        """A tool starts."""

    def finished(self, job: Job, evidence: Evidence) -> None:
        """A tool's evidence is recorded."""

    def note(self, text: str) -> None:
        """Something a person wants to know, such as an install."""


class Scan(msgspec.Struct, kw_only=True):
    """One scan: what its jobs share."""

    plan: Plan
    run: RunFolder
    tools: Mapping[str, Tool]
    programs: Programs
    toolchain: Toolchain
    system: bool
    advisories: Path
    progress: Progress
    cancel: Cancel
    workers: int
    _services: ExitStack = msgspec.field(default_factory=ExitStack)
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
    _urls: dict[str, str] = {}
    _failed: dict[str, Unavailable] = {}

    def __call__(self) -> None:
        """Runs every job of the plan; each leaves its evidence unless the scan is cancelled first."""
        with self._services:
            schedule.run([*self._installs(), *self._jobs()], workers=self.workers)

    def _installs(self) -> list[schedule.Node]:
        """One node for each tool to install; Debian packages share one, as dpkg has one lock."""
        lacking = self.programs.lacking(self.tools[job.tool].starting(job) for job in self.plan.jobs if not job.skip)
        groups: dict[str, list[str]] = {}
        for name in lacking:
            groups.setdefault(_install_node(self.toolchain, name), []).append(name)
        return [
            schedule.Node(name=node, work=self._installing(tuple(names)), weight_s=20.0, light=True)
            for node, names in groups.items()
        ]

    def _installing(self, names: tuple[str, ...]) -> Callable[[], None]:
        def work() -> None:
            if not self.cancel.reason:
                note, system = self.progress.note, self.system
                found = self.toolchain.install(names, system=system, progress=note, cancel=self.cancel)
                # Looked up again, such a tool is only not there: why it cannot be had is known here alone.
                self._failed.update((one.name, one) for one in found if isinstance(one, Unavailable))

        return work

    def _jobs(self) -> list[schedule.Node]:
        nodes = []
        for job in self.plan.jobs:
            tool = self.tools[job.tool].starting(job)
            installs = () if job.skip else (_install_node(self.toolchain, name) for name in self.programs.entries(tool))
            node = schedule.Node(
                name=job.name,
                work=self._working(job),
                needs=(*job.needs, *installs),
                weight_s=0.0 if job.skip else tool.weight_s,
                light=bool(job.skip),
                # Minutes of building and fuzzing can wait for seconds of source code that somebody waits for.
                urgent=job.stage is Stage.SAST,
            )
            nodes.append(node)
        return nodes

    def _working(self, job: Job) -> Callable[[], None]:
        def work() -> None:
            if self.cancel.reason:
                return
            evidence = self._evidence(job)
            # A tool that was cut off by Ctrl-C has no evidence; it is MISSING, not FAILED.
            if not self.cancel.reason:
                self.run.commit(evidence)
                self.progress.finished(job, evidence)

        return work

    def _evidence(self, job: Job) -> Evidence:
        tool = self.tools[job.tool].starting(job)
        blank = Evidence(
            job=job.name, tool=job.tool, stage=job.stage.value, outcome=Outcome.MISSING, subjects=job.sources
        )
        if job.skip:
            return replace(blank, outcome=Outcome.SKIPPED, reason=job.skip)
        for need in job.needs:
            if (needed := self._needed(need)) is None or needed.outcome is not Outcome.OK:
                why = needed.reason if needed else "it did not run"
                return replace(blank, reason=one_line(f"needs {need}, which is not measured: {why}"))
        program, programs = self.programs.of(tool), self.programs.of_all(tool.programs)
        if isinstance(program, Unavailable):
            return _unavailable(blank, self._failed.get(program.name, program))
        if isinstance(programs, Unavailable):
            return _unavailable(blank, self._failed.get(programs.name, programs))
        job = self._ready(job, tool, programs)
        blank = replace(blank, programs=programs)
        try:
            return self._measure(job, tool, blank, program)
        except MalformedOutput as error:
            # Found before the tool could start: what it would have read is not what it can read.
            return replace(blank, outcome=Outcome.FAILED, reason=one_line(str(error)))

    def _needed(self, name: str) -> Evidence | None:
        return self.run.evidence(name)

    def _ready(self, job: Job, tool: Tool, programs: dict[str, Program]) -> Job:
        """The job with all that is known only now: folders, inputs, programs, services."""
        inputs = {}
        for need in job.needs:
            needed = next(other for other in self.plan.jobs if other.name == need)
            inputs[needed.tool] = str(self.run.evidence_folder(need) / needed.output)
        return replace(
            job,
            folder=str(self.run.evidence_folder(job.name)),
            inputs=inputs,
            programs={name: program.argv[0] for name, program in programs.items()},
            services={name: self._service(name) for name in tool.services},
            data={"advisories": str(self.advisories), "cache": str(self.run.path.parent.parent / "cache")},
        )

    def _service(self, name: str) -> str:
        with self._lock:
            if name not in self._urls:
                self._urls[name] = self._services.enter_context(osv_service(self.advisories))
            return self._urls[name]

    def _measure(self, job: Job, tool: Tool, blank: Evidence, program: Program) -> Evidence:
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        lay = cache(partial(_laid, tool, job))
        argv = (*program.argv, *tool.argv(job))
        dates = data_dates(self.advisories, tool.ecosystems)
        digest_inputs = partial(
            key_of,
            tool,
            job,
            program=program,
            programs=blank.programs,
            argv=argv,
            lay=lay,
            advisories=advisories_digest(self.advisories) if tool.ecosystems else "",
            profile=self.plan.profile,
        )
        rules = rules_digest(job)
        key = digest_inputs()
        kept = EvidenceCache(Path(job.data["cache"]))
        if tool.reusable and (reused := kept.take(key, job, self.run)):
            return replace(
                reused, job=job.name, reused_from=reused.reused_from or Path(reused.folder).parent.parent.name
            )
        expects = self._plant(job, tool)
        for name, content in lay().items():
            self.run.write(f"evidence/{job.name}/{name}", content)
        self.progress.started(job)
        began = datetime.now(UTC)
        end = self._execute(job, tool, argv)
        evidence = replace(
            blank,
            version=program.version,
            origin=program.origin,
            digest=program.digest,
            argv=argv,
            exit_status=end.status,
            started=began,
            duration_s=round(end.duration_s, 3),
            cpu_s=round(end.cpu_s, 3),
            peak_rss_bytes=end.peak_rss_bytes,
            advisories=dates,
            rules_digest=rules,
            root=job.root,
            folder=job.folder,
            cache_key=key,
        )
        evidence = self._examined(evidence, tool, job, end, expects)
        # What changed under the tool's hands is evidence of this run, and of no state that could come back.
        if tool.reusable and digest_inputs() == key:
            try:
                kept.keep(key, evidence, self.run)
            except OSError as error:
                self.progress.note(f"{job.name}: its evidence could not be kept for a later run: {error.strerror}")
        return evidence

    def _execute(self, job: Job, tool: Tool, argv: tuple[str, ...]) -> Exit:
        # An engine must be the secdl that runs here, from wherever it was imported.
        engine = {"PYTHONPATH": str(PACKAGE.parent)} if tool.builtin else {}
        return execute(
            argv,
            cwd=Path(tool.place(job)),
            folder=Path(job.folder),
            env={**tool.env, **engine, **(proxies() if tool.downloads else {})},
            timeout_s=job.timeout_s,
            size_cap_bytes=job.size_cap_bytes,
            cancel=self.cancel,
        )

    def _plant(self, job: Job, tool: Tool) -> dict[str, int]:
        """Copies the planted defects beside the output; gives the hits to expect."""
        if tool.canary is None:
            return {}
        if not tool.canary.folder:
            return dict(tool.canary.expects)
        copy_tree(canary_source(tool.canary, Path(job.root)), Path(job.canary))
        return expected_hits(tool, Path(job.canary))

    def _examined(self, evidence: Evidence, tool: Tool, job: Job, end: Exit, expects: Mapping[str, int]) -> Evidence:
        folder = Path(job.folder)
        judged = examine(tool, job, end, folder, expects)
        capture(judged.findings, Path(job.root), folder / EXCERPTS)
        return replace(
            evidence,
            outcome=judged.outcome,
            reason=judged.reason,
            work=judged.work,
            canary=judged.canary,
            files=_digests(folder),
        )


def _install_node(toolchain: Toolchain, name: str) -> str:
    return "install:debian" if toolchain.lock.entry(name).debian is not None else f"install:{name}"


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in files_below(folder) if path.name != MARK)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _laid(tool: Tool, job: Job) -> dict[str, bytes]:
    """What `tool.lay` gives; raises `MalformedOutput` also for a name that no report could hold."""
    laid = dict(tool.lay(job, Checkout(Path(job.root))))
    codec.encode(tuple(laid))
    return laid


def rules_digest(job: Job) -> str:
    """Digest of the rules that `job` judges by, those of the repository among them; empty where they are not files.

    Raises `MalformedOutput` where one cannot be read.
    """
    own = job.settings.get("rules")
    packs: Sequence[str] = job.settings.get("packs", ())
    if own is None or not packs:
        return "" if own is None else f"sha256:{own}"
    total, checkout = sha256(str(own).encode()), Checkout(Path(job.root))
    for path in (path for pack in packs for path in checkout.files(pack)):
        total.update(f"{path}\0{sha256(checkout.read(path)).hexdigest()}\n".encode("utf-8", "surrogateescape"))
    return f"sha256:{total.hexdigest()}"


def _unavailable(blank: Evidence, missing: Unavailable) -> Evidence:
    outcome = Outcome.FAILED if missing.refused else Outcome.MISSING
    reason = one_line(missing.reason + (f"; {missing.remedy}" if missing.remedy else ""))
    return replace(blank, outcome=outcome, reason=reason)
