"""Whether the package database of an image and the SBOM made of it name the same packages."""

from secdl.model import sarif
from secdl.model.config import Config
from secdl.model.rulebook import rulebook
from secdl.model.shipped import shipped
from secdl.model.tool import Canary, Job, Rule, Stage, Subject, Tool


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`."""
    return tuple(Subject(name=image.name, sources=(image.recipe,) if image.recipe else ()) for image in config.image)


def argv(job: Job) -> tuple[str, ...]:
    """The SBOM is the one that image-sbom made of the same image in this run."""
    return (
        "packages",
        f"--image={job.inputs['image-build']}",
        f"--sbom={job.inputs['image-sbom']}",
        f"--canary={job.canary}",
        f"--out={job.out}",
    )


def rules() -> tuple[Rule, ...]:
    """The rules as policies/hardening/packages.toml has them."""
    return tuple(entry.rule for entry in rulebook(shipped("policies/hardening/packages.toml")).values())


TOOL = Tool(
    name="image-packages",
    stage=Stage.IMAGES,
    title="Image packages against their SBOM",
    subjects=subjects,
    argv=argv,
    parse=sarif.parse,
    work=sarif.work,
    output="out.sarif",
    needs=("image-build", "image-sbom"),
    canary=Canary(
        folder="image-packages",
        expects={"package-missing-from-sbom": 1, "package-only-in-sbom": 1, "package-version-differs": 1},
    ),
    builtin="secdl.image",
    rules=rules,
    weight_s=2.0,
)
