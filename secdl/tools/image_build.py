"""The image stage's first step: builds each `[[image]]` that names a recipe, identifies each that names a path.

`image.json` beside the report (`secdl.model.image`) tells the other image checks where the image lies.
"""

from secdl.model import sarif
from secdl.model.config import Config
from secdl.model.tool import Canary, Job, Stage, Subject, Tool


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`."""
    return tuple(
        Subject(
            name=image.name,
            sources=(image.recipe or image.path,),
            settings={"recipe": image.recipe, "path": image.path},
        )
        for image in config.image
    )


def argv(job: Job) -> tuple[str, ...]:
    """The engine builds into the cache, so that an unchanged recipe is built once."""
    which = "recipe" if job.settings["recipe"] else "path"
    return (
        "build",
        f"--name={job.subject}",
        f"--{which}={job.settings[which]}",
        f"--cache={job.data['cache']}",
        f"--mmdebstrap={job.programs.get('mmdebstrap', '')}",
        f"--out={job.out}",
    )


def spares(job: Job) -> frozenset[str]:
    """An image that is given needs nobody to build it."""
    return frozenset() if job.settings.get("recipe") else frozenset({"mmdebstrap"})


TOOL = Tool(
    name="image-build",
    stage=Stage.IMAGES,
    title="Image build and identity",
    subjects=subjects,
    argv=argv,
    parse=sarif.parse,
    work=sarif.work,
    output="out.sarif",
    canary=Canary(expects={"image-refused": 4}),
    builtin="secdl.image",
    programs=("mmdebstrap",),
    spares=spares,
    weight_s=70.0,
    timeout_s=1200.0,
    # It keeps what it builds itself, and must look at the machine's package indexes each time.
    reusable=False,
    downloads=True,
)
