"""Fixes that the Debian packages of an image miss, by the advisory snapshot."""

from secdl.advisories.canary import ID
from secdl.model import sarif
from secdl.model.config import Config
from secdl.model.tool import Canary, Job, Stage, Subject, Tool


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`."""
    return tuple(Subject(name=image.name, sources=(image.recipe,) if image.recipe else ()) for image in config.image)


def argv(job: Job) -> tuple[str, ...]:
    """Package database of the image, advisories of this run."""
    return (
        "advisories",
        f"--image={job.inputs['image-build']}",
        f"--advisories={job.data['advisories']}",
        f"--canary={job.canary}",
        f"--out={job.out}",
    )


TOOL = Tool(
    name="image-advisories",
    stage=Stage.IMAGES,
    title="Known vulnerabilities of image packages",
    subjects=subjects,
    argv=argv,
    parse=sarif.parse,
    work=sarif.work,
    output="out.sarif",
    needs=("image-build",),
    canary=Canary(folder="image-advisories", expects={ID: 1}),
    builtin="secdl.image",
    ecosystems=("Debian",),
    weight_s=3.0,
)
