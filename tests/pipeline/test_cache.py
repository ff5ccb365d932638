"""Evidence is reused only while nothing that a tool reads has changed."""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from secdl.model.config import SarifTool, load_config
from secdl.model.evidence import Evidence, Origin, Outcome, Program, Work
from secdl.model.image import seal_of
from secdl.model.tool import Job, Stage, Tool
from secdl.pipeline.cache import EvidenceCache, key_of
from secdl.pipeline.plan import Options, make_plan, tools_of
from secdl.pipeline.scan import rules_digest
from secdl.run.checkout import Checkout
from secdl.run.store import RunFolder, sha256_of
from secdl.tools.sarif_tool import tool_of
from tests.matrix import harness

LOCKS = {"syft@locked", "pip-audit@locked"}
LOCK_FILES = {"requirements.txt"}
PACK = "rules: [{id: own.x, languages: [python], severity: LOW, message: m, pattern: f(...)}]\n"
# A bandit that finds what is planted, and that another program's change of the source falls into.
TOUCHY = """#!{python} -SE
import json, pathlib, sys
if "--version" in sys.argv:
    sys.exit(print("bandit 1.9.4"))
planted = pathlib.Path(sys.argv[-1])
results = []
for path in planted.rglob("*"):
    for number, line in enumerate(path.read_text().splitlines() if path.is_file() else (), start=1):
        if "canary: " in line:
            result = dict.fromkeys(("test_name", "issue_severity", "issue_confidence", "issue_text"), "")
            rule = line.partition("canary: ")[2].split()[0]
            results.append(result | {{"filename": str(path), "test_id": rule, "line_number": number}})
metrics = {{"source.py": {{"loc": 1}}}}
report = {{"errors": [], "generated_at": "", "metrics": metrics, "results": results}}
out = next(word for word in sys.argv if word.startswith("--output="))
pathlib.Path(out.removeprefix("--output=")).write_text(json.dumps(report))
root = pathlib.Path(__file__).parent
if (root / "meddle").exists():
    (root / "source.py").write_text("b")
"""
TOUCHED = """
[product]
name = "touched"
version = "1"
[[source]]
name = "source"
path = "source.py"
languages = ["python"]
[tools.bandit]
path = "touchy"
[tools.semgrep]
path = "touchy"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    harness.write_tree(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/own.yaml").write_text(PACK)
    tables: dict[str, dict[str, object]] = {"semgrep": {"packs": ["rules"]}}
    (tmp_path / "needed.json").write_text("{}")
    harness.configure(tmp_path, tables, required=("sast", "bandit"))
    return tmp_path


def identify(root: Path) -> None:
    """What the image stage's first step leaves for the others."""
    path = root / "image.tar"
    image = {"name": "small", "kind": "tar", "path": str(path), "digest": "sha256:00", "seal": seal_of(path)}
    sizes = {"size_bytes": 1, "files": 1, "packages": 1}
    (root / "image.json").write_text(json.dumps(image | sizes))


def keys(root: Path, *, profile: str = "dev") -> dict[str, str]:
    """The cache key of every job, as a scan of the tree at `root` would compute it."""
    identify(root)
    config = load_config(root / "secdl.toml")
    plan = make_plan(config, Options(config=root / "secdl.toml", profile=profile), run="r", now=datetime.now(UTC))
    tools = {tool.name: tool for tool in tools_of(config)}
    program = Program(argv=("/usr/bin/tool",), version="1", origin=Origin.PATH, digest="sha256:00")
    found = {}
    for job in plan.jobs:
        tool = tools[job.tool]
        ready = replace(
            job,
            folder=str(root / ".secdl/runs/r/evidence" / job.name),
            services=dict.fromkeys(tool.services, "http://127.0.0.1:1"),
            data={"advisories": str(root / "advisories"), "cache": str(root / "cache")},
            inputs={need.partition("@")[0]: str(root / "needed.json") for need in job.needs},
            programs=dict.fromkeys(tool.programs, "/usr/bin/tool"),
        )
        if tool.reusable and not job.skip:
            found[job.name] = key_of(
                tool,
                ready,
                program=program,
                programs={},
                argv=tool.argv(ready),
                lay=partial(tool.lay, ready, Checkout(root)),
                advisories="",
                profile=profile,
            )
    return found


def changed(root: Path, change: Callable[[], object], **options: str) -> set[str]:
    """The jobs that `change` makes to be measured again."""
    before = keys(root, **options)
    change()
    after = keys(root, **options)
    assert before.keys() == after.keys()
    return {job for job, key in before.items() if after[job] != key}


def test_what_did_not_change_is_reused(tree: Path) -> None:
    assert changed(tree, lambda: None) == set()


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("src/tool.py", {"bandit", "semgrep"}),
        ("hw/level.c", {"semgrep"}),
        ("rules/own.yaml", {"semgrep"}),
        ("requirements.txt", LOCKS),
        ("threatmodels/model.py", {"threatmodel@small"}),
        ("threatmodels/controls.toml", {"threatmodel@small"}),
        # The other checks of an image know it by its digest, in the output of image-build.
        ("image.tar", {"image-sbom@small"}),
        ("README", set()),
    ],
)
@pytest.mark.parametrize("profile", ["dev", "merge"])
def test_a_changed_file_is_measured_again_by_all_that_read_it_and_by_no_other(
    tree: Path, name: str, jobs: set[str], profile: str
) -> None:
    def append() -> None:
        with (tree / name).open("ab") as file:
            file.write(b"idna==3.7\n" if name in LOCK_FILES else b"\n")

    assert changed(tree, append, profile=profile) == jobs


@pytest.mark.parametrize("name", ["src/new.py", "src/deep/new.py", "hw/new.c", "rules/deep/new.yaml"])
def test_a_new_file_is_measured(tree: Path, name: str) -> None:
    def add() -> None:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(PACK if name.endswith("yaml") else "")

    assert "semgrep" in changed(tree, add)


def test_other_output_of_a_needed_tool_is_measured_again(tree: Path) -> None:
    every = {f"image-{check}@small" for check in ("advisories", "hardening", "packages", "sbom")}
    assert changed(tree, lambda: (tree / "needed.json").write_text("[]")) == every


def test_a_big_file_of_another_time_is_measured_again_in_dev_and_only_by_content_in_merge(tree: Path) -> None:
    (tree / "src/big.py").write_bytes(b"#" * (2 << 20))
    assert "bandit" in changed(tree, lambda: os.utime(tree / "src/big.py", (1, 1)))
    assert changed(tree, lambda: os.utime(tree / "src/big.py", (2, 2)), profile="merge") == set()


@pytest.mark.parametrize("setting", ["rules_gone", "ignore_nosec"])
def test_changed_settings_are_measured_again(tree: Path, setting: str) -> None:
    text = (tree / "secdl.toml").read_text()
    edits = {
        "rules_gone": (text.replace('packs = ["rules"]', "packs = []"), {"semgrep"}),
        "ignore_nosec": (text + "\n[tools.bandit]\nignore_nosec = true\n", {"bandit"}),
    }
    after, jobs = edits[setting]
    assert after != text
    assert changed(tree, lambda: (tree / "secdl.toml").write_text(after)) == jobs


def test_what_changed_while_the_tool_ran_is_not_reused_when_it_comes_back(tmp_path: Path) -> None:
    (tmp_path / "touchy").write_text(TOUCHY.format(python=sys.executable))
    (tmp_path / "touchy").chmod(0o755)
    (tmp_path / "secdl.toml").write_text(TOUCHED)
    latest = tmp_path / ".secdl/runs/latest"

    def run() -> tuple[str, str]:
        """The run, and the one whose evidence it took."""
        (tmp_path / "source.py").write_text("a")
        harness.secdl(tmp_path, "secure", "--only", "sast")
        evidence = json.loads((latest / "evidence/bandit/evidence.json").read_text())
        return latest.resolve().name, evidence["reused_from"]

    (tmp_path / "meddle").touch()
    assert run()[1] == ""
    (tmp_path / "meddle").unlink()
    second, reused = run()
    assert reused == ""
    assert run()[1] == second


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"new"), Path.unlink])
def test_what_ran_from_a_library_is_not_reused_with_another(tmp_path: Path, change: Callable[[Path], object]) -> None:
    library = tmp_path / "libslirp.so.0"
    library.write_bytes(b"old")
    job = Job(name="fuzz", tool="fuzz", stage=Stage.FUZZ)
    runs = [RunFolder.create(tmp_path / "runs", now=datetime.now(UTC), token=str(n)) for n in range(4)]
    evidence = Evidence(job="fuzz", tool="fuzz", stage="fuzz", outcome=Outcome.OK)

    def keep(run: RunFolder) -> None:
        work = Work(read={"operations": 1}, loaded={str(library): sha256_of(library)})
        run.commit(replace(evidence, work=work))
        kept.keep("key", replace(evidence, work=work), run)

    kept = EvidenceCache(tmp_path / "cache")
    keep(runs[0])
    assert kept.take("key", job, runs[1]) is not None
    change(library)
    assert kept.take("key", job, runs[2]) is None
    library.write_bytes(b"newer")
    keep(runs[2])
    assert kept.take("key", job, runs[3]) is not None


def test_a_configured_program_is_never_reused_since_nobody_knows_what_it_reads() -> None:
    entry = SarifTool(name="lint", stage=Stage.SAST, command=("python3", "lint.py", "{sources}"))
    assert not tool_of(entry).reusable


@pytest.mark.parametrize("change", ["expects", "completed"])
def test_what_a_tool_is_held_to_is_part_of_what_its_evidence_is_reused_by(tree: Path, change: str) -> None:
    config = load_config(tree / "secdl.toml")
    tool = next(tool for tool in tools_of(config) if tool.name == "bandit")
    assert tool.canary is not None
    changes: dict[str, Tool] = {
        "expects": replace(tool, canary=replace(tool.canary, expects={"B105": 2})),
        "completed": replace(tool, completed=tool.completed | {2}),
    }
    plan = make_plan(config, Options(config=tree / "secdl.toml"), run="r", now=datetime.now(UTC))
    job = next(job for job in plan.jobs if job.tool == "bandit")
    program = Program(argv=("/usr/bin/tool",), version="1", origin=Origin.PATH, digest="sha256:00")

    def key(one: Tool) -> str:
        return key_of(one, job, program=program, programs={}, argv=(), lay=dict, advisories="", profile="dev")

    assert key(changes[change]) != key(tool)


def test_rules_of_the_repository_and_what_switches_results_off_are_in_the_digest_of_rules(tree: Path) -> None:
    def digests() -> dict[str, str]:
        plan = make_plan(load_config(config), Options(config=config), run="r", now=datetime.now(UTC))
        return {job.tool: rules_digest(job) for job in plan.jobs if job.tool in ("bandit", "semgrep")}

    config = tree / "secdl.toml"
    text = config.read_text()
    found = [digests()]
    (tree / "rules/own.yaml").write_text(PACK.replace("f(...)", "g(...)"))
    found.append(digests())
    config.write_text(text.replace('packs = ["rules"]', "packs = []"))
    found.append(digests())
    assert len({each["semgrep"] for each in found}) == 3
    config.write_text(text + "\n[tools.bandit]\nignore_nosec = true\n")
    assert digests()["bandit"] != found[0]["bandit"]
    assert all(len(digest) == len("sha256:") + 64 for each in found for digest in each.values())
