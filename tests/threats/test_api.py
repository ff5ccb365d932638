"""What `secdl threat` and `secdl init` rest on: list, check, diagram, and a starter that passes its own check."""

from pathlib import Path

import pytest

from secdl.model.config import Config, ProductTable, ThreatModel
from secdl.model.errors import ConfigError
from secdl.model.shipped import shipped
from secdl.report.svg import safe_svg
from secdl.threats import api


def config(name: str = "starter", path: str = "model.py", controls: str = "controls.toml") -> Config:
    entry = ThreatModel(name=name, path=path, controls=controls)
    return Config(product=ProductTable(name="p", version="1"), threatmodel=(entry,))


@pytest.fixture(scope="module")
def checked(programs):
    (only,) = api.check(config(), shipped("threatmodels/starter"), programs)
    return only


def test_the_starter_passes_its_own_check(checked):
    assert [finding.message for finding in checked.findings] == []
    assert len(list(checked.rows())) > 50


def test_the_starter_promises_no_evidence_that_a_fresh_tree_does_not_have(checked):
    assert checked.report.controls == ()


def test_a_diagram_is_drawn_and_survives_the_report_s_washing(programs):
    for kind in ("dfd", "sequence"):
        drawn = api.diagram_of(config(), shipped("threatmodels/starter"), programs, kind=kind)
        washed = safe_svg(drawn, label="x", prefix="p")
        assert washed is not None
        assert "QEMU process" in washed
        assert 'fill="#1c2733"' in washed


def test_a_model_that_does_not_build_has_no_diagram(programs, tmp_path):
    (tmp_path / "model.py").write_text("x = 1\n\nraise ValueError('no')\n")
    (tmp_path / "controls.toml").write_text("")
    with pytest.raises(ConfigError, match=r"^model\.py:3: The model raised: ValueError: no$"):
        api.diagram_of(config(), tmp_path, programs)


def test_a_name_that_is_no_model_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match='did you mean "starter"'):
        api.models(config(), "startr")
    with pytest.raises(ConfigError, match="secdl init"):
        api.models(Config(product=ProductTable(name="p", version="1")))


@pytest.mark.parametrize("path", ["../model.py", "/etc/passwd", "canary:model.py", "none.py"])
def test_a_model_elsewhere_is_refused(programs, tmp_path: Path, path):
    (tmp_path / "controls.toml").write_text("")
    with pytest.raises(ConfigError):
        api.check(config(path=path), tmp_path, programs)


def test_the_library_can_be_listed():
    assert len(api.library_threats()) >= 30
    assert {kind.name for kind in api.kinds()} >= {"guest", "vcpu", "vmm", "virtio", "libvirt", "boot"}
