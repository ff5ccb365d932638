"""How the exposed programs of an image were hardened by compiler and linker, and settings that are wrong as shipped."""

from secdl.model import sarif
from secdl.model.config import Config
from secdl.model.rulebook import rulebook
from secdl.model.shipped import shipped
from secdl.model.tool import Canary, Job, Rule, Stage, Subject, Tool


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`, with the programs that it calls exposed."""
    return tuple(
        Subject(name=image.name, sources=_sources(image.recipe), settings={"exposed": list(image.exposed)})
        for image in config.image
    )


def argv(job: Job) -> tuple[str, ...]:
    """Policies come with secdl; the planted image is one more subject of the same invocation."""
    return (
        "hardening",
        f"--image={job.inputs['image-build']}",
        *(f"--exposed={path}" for path in job.settings["exposed"]),
        f"--canary={job.canary}",
        f"--out={job.out}",
    )


def rules() -> tuple[Rule, ...]:
    """The rules as policies/hardening/rules.toml has them."""
    return tuple(entry.rule for entry in rulebook(shipped("policies/hardening/rules.toml")).values())


def _sources(recipe: str) -> tuple[str, ...]:
    # The image itself counts by its digest in the output of image-build.
    return (recipe,) if recipe else ()


_PLANTED = (
    "elf-executable-stack",
    "elf-no-canary",
    "elf-no-fortify",
    "elf-no-pie",
    "elf-no-relro",
    "elf-text-relocations",
    "elf-unsafe-library-path",
    "elf-writable-code",
    "selinux-not-enforcing",
    "ssh-empty-passwords",
    "ssh-host-key-in-image",
    "ssh-root-password-login",
    "ssh-x11-forwarding",
)

TOOL = Tool(
    name="image-hardening",
    stage=Stage.IMAGES,
    title="Image hardening: programs and settings",
    subjects=subjects,
    argv=argv,
    parse=sarif.parse,
    work=sarif.work,
    output="out.sarif",
    needs=("image-build",),
    canary=Canary(folder="image-hardening", expects=dict.fromkeys(_PLANTED, 1)),
    builtin="secdl.image",
    rules=rules,
    weight_s=4.0,
)
