"""image-sbom: syft's SBOM of each image, in CycloneDX (`sbom.cdx.json`) and SPDX (`sbom.spdx.json`)."""

from secdl.model.config import Config
from secdl.model.image import image_of
from secdl.model.tool import Job, Stage, Subject, Tool
from secdl.tools._sbom import ENV, OUTPUT, arguments, parse, work


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`."""
    return tuple(Subject(name=image.name, sources=(image.recipe or image.path,)) for image in config.image)


def argv(job: Job) -> tuple[str, ...]:
    """One scan of the image as image-build left it: its OCI layout, read without unpacking, or its folder."""
    image = image_of(job.inputs["image-build"])
    source = f"oci-dir:{image.oci}" if image.oci else f"dir:{image.path}"
    # What is installed counts, as the package database has it; a package's own lock files list what may not be there.
    return arguments(source, job, "--override-default-catalogers=image")


TOOL = Tool(
    name="image-sbom",
    stage=Stage.IMAGES,
    title="SBOM of images",
    subjects=subjects,
    argv=argv,
    parse=parse,
    work=work,
    output=OUTPUT,
    needs=("image-build",),
    program="syft",
    env=ENV,
    weight_s=20.0,
)
