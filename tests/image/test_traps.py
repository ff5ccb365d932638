from secdl.image import traps
from secdl.image.tarball import open_tar
from secdl.tools.image_build import TOOL


def test_every_trap_is_refused_for_a_reason_of_its_own() -> None:
    found = list(traps.sprung("image-build"))
    assert TOOL.canary is not None
    assert TOOL.canary.expects == {traps.RULE: len(found)}
    assert len({finding.message for finding in found}) == 4


def test_a_reader_that_refuses_nothing_misses_the_canary(monkeypatch) -> None:
    class Careless:
        def __init__(self, _path) -> None:
            pass

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    assert open_tar is traps.open_tar
    monkeypatch.setattr(traps, "open_tar", Careless)
    assert list(traps.sprung("image-build")) == []
