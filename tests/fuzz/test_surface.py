from collections.abc import Callable
from pathlib import Path

import pytest

from secdl.fuzz import surface
from secdl.fuzz.devices import DeviceModel
from secdl.model.errors import ToolFailed


def test_every_device_type_of_the_installed_qemu_is_listed_once(qemu: Path) -> None:
    devices = surface.list_devices(qemu, models={"e1000": DeviceModel(about="a card")})
    names = [device.name for device in devices]
    assert len(names) == len(set(names))
    assert {"e1000", "virtio-blk-pci", "nvme", "usb-tablet"} <= set(names)
    assert [(d.reach, d.modelled, d.about) for d in devices if d.name == "e1000"] == [("pci", True, "a card")]
    assert not any(device.modelled for device in devices if device.name != "e1000")


def test_the_binary_is_known_by_digest_version_and_build_id(qemu: Path) -> None:
    binary = surface.identify(qemu)
    assert binary.version.startswith("QEMU ")
    assert len(binary.sha256) == 64
    assert int(binary.build_id, 16) > 0


def test_a_program_that_never_answers_is_given_up(
    program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surface, "TIMEOUT_S", 0.3)
    with pytest.raises(ToolFailed, match="no answer over QMP"):
        surface.list_devices(program("import signal; signal.pause()"), models={})


def test_a_file_that_is_no_program_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="No such file"):
        surface.identify(tmp_path / "absent")
