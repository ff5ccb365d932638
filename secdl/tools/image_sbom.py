"""image-sbom: syft's SBOM of each image, in CycloneDX (`sbom.cdx.json`) and SPDX (`sbom.spdx.json`)."""

from secdl.model.config import Config
from secdl.model.image import check_seal, image_of
from secdl.model.tool import Canary, Job, Stage, Subject, Tool
from secdl.tools._sbom import ENV, OUTPUT, RULE, arguments, parse, work


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`."""
    return tuple(Subject(name=image.name, sources=(image.recipe or image.path,)) for image in config.image)


def argv(job: Job) -> tuple[str, ...]:
    """One scan of the image as image-build left it, planted package included: read as it is, never unpacked."""
    record = image_of(job.inputs["image-build"])
    check_seal(record)
    return arguments(f"oci-dir:{record.oci}", job)


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
    canary=Canary(expects={RULE: 1}),
    program="syft",
    env=ENV,
    weight_s=20.0,
)
