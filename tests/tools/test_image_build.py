import msgspec
from msgspec.structs import replace

from secdl.model.config import Config
from secdl.model.tool import Job, Stage
from secdl.tools.image_build import TOOL

CONFIG = msgspec.convert(
    {
        "product": {"name": "p", "version": "1"},
        "image": [{"name": "ours", "recipe": "r.toml"}, {"name": "given", "path": "/srv/image.tar"}],
    },
    Config,
)


def jobs() -> list[Job]:
    return [
        Job(
            name=f"image-build@{subject.name}",
            tool="image-build",
            stage=Stage.IMAGES,
            subject=subject.name,
            folder="/run/evidence/x",
            output="out.sarif",
            settings=subject.settings,
            data={"cache": "/c"},
        )
        for subject in TOOL.subjects(CONFIG)
    ]


def test_a_recipe_is_built_and_a_path_is_opened() -> None:
    ours, given = (TOOL.argv(job) for job in jobs())
    assert "--recipe=r.toml" in ours
    assert "--path=/srv/image.tar" in given
    assert {"build", "--cache=/c", "--out=/run/evidence/x/out.sarif"} <= set(ours) & set(given)


def test_only_a_recipe_needs_mmdebstrap() -> None:
    ours, given = jobs()
    assert TOOL.starting(ours).programs == ("mmdebstrap",)
    assert TOOL.starting(given).programs == ()


def test_a_name_that_looks_like_an_option_is_none() -> None:
    job = replace(jobs()[1], settings={"recipe": "", "path": "--recipe=/etc/passwd"})
    assert "--path=--recipe=/etc/passwd" in TOOL.argv(job)
