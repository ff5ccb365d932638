"""The starter of `secdl init` passes its own check, and its diagrams survive the report's washing."""

from pathlib import Path

import pytest

from secdl.model.config import ThreatModel
from secdl.model.errors import ConfigError
from secdl.model.shipped import shipped
from secdl.model.threat import LIBRARY
from secdl.report.svg import safe_svg
from secdl.threats import dfd, sequence
from secdl.threats.api import kinds, library_threats
from secdl.threats.engine import evaluate
from secdl.threats.library import load_library
from secdl.threats.subject import Subject


@pytest.fixture(scope="module")
def starter(programs, pytm):
    entry = ThreatModel(name="starter", path="model.py", controls="controls.toml")
    subject = Subject.of(entry, shipped("threatmodels/starter"))
    return evaluate(subject, load_library(shipped(LIBRARY)), programs, pytm)


def test_the_starter_passes_its_own_check(starter):
    assert [finding.message for finding in starter.findings] == []
    assert len(starter.report.instances) > 50


def test_the_starter_promises_no_evidence_that_a_fresh_tree_does_not_have(starter):
    assert starter.report.controls == ()


def test_its_diagrams_survive_the_report_s_washing(starter, programs):
    for drawn in (dfd.draw(starter.model, dot=programs.dot), sequence.draw(starter.model)):
        washed = safe_svg(drawn, label="x", prefix="p")
        assert washed is not None
        assert "QEMU process" in washed
        assert 'fill="#1c2733"' in washed


@pytest.mark.parametrize("path", ["../model.py", "/etc/passwd", "canary:model.py", "none.py"])
def test_a_model_elsewhere_is_refused(tmp_path: Path, path):
    (tmp_path / "controls.toml").write_text("")
    with pytest.raises(ConfigError):
        Subject.of(ThreatModel(name="m", path=path, controls="controls.toml"), tmp_path)


def test_the_library_can_be_listed():
    assert len(library_threats()) >= 30
    assert {kind.name for kind in kinds()} >= {"guest", "vcpu", "vmm", "virtio", "libvirt", "boot"}
