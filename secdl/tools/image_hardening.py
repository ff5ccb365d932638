"""How the exposed programs of an image were hardened by compiler and linker, and settings that are wrong as shipped."""

import msgspec

from secdl.model import sarif
from secdl.model.config import Config
from secdl.model.rulebook import rulebook
from secdl.model.shipped import shipped
from secdl.model.tool import Canary, Job, Rule, Stage, Subject, Tool


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tools.image-hardening]`: `programs`, a file to take the place of policies/hardening/programs.toml."""

    programs: str = ""


def subjects(config: Config) -> tuple[Subject, ...]:
    """One for each `[[image]]`, with the programs that it calls exposed."""
    programs = str(config.tools.get("image-hardening", {}).get("programs", ""))
    return tuple(
        # The image itself counts by its digest in the output of image-build.
        Subject(
            name=image.name,
            sources=tuple(path for path in (image.recipe, programs) if path),
            settings={"exposed": list(image.exposed)},
        )
        for image in config.image
    )


def argv(job: Job) -> tuple[str, ...]:
    """Rules come with secdl; the planted image is one more subject of the same invocation."""
    return (
        "hardening",
        f"--image={job.inputs['image-build']}",
        *(f"--exposed={path}" for path in job.settings["exposed"]),
        *((f"--programs={job.settings['programs']}",) if job.settings.get("programs") else ()),
        f"--canary={job.canary}",
        f"--out={job.out}",
    )


def rules() -> tuple[Rule, ...]:
    """The rules as policies/hardening/rules.toml has them."""
    return tuple(entry.rule for entry in rulebook(shipped("policies/hardening/rules.toml")).values())


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
    settings=Settings,
)
