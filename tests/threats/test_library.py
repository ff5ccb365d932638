"""The hypervisor library: what the order names is in it, every condition is data, wrong files say where."""

import pytest

from secdl.model.errors import ConfigError
from secdl.model.shipped import shipped
from secdl.model.threat import LIBRARY
from secdl.threats.library import load_library

NAMED = (
    "escape",
    "Hyperjacking",
    "VM to VM",
    "side channel",
    "re-entrancy",
    "disk image",
    "Migration stream",
    "Snapshot rollback",
    "management client",
    "Management and guest traffic on one network",
    "Default and shared accounts",
    "second factor",
    "privilege not logged",
    "Boot chain tampered",
    "drift",
    "Unsigned",
    "Superfluous code",
)


@pytest.fixture(scope="module")
def library():
    return load_library(shipped(LIBRARY))


def test_every_threat_that_was_asked_for_is_there(library):
    titles = "\n".join(entry.title for entry in library.threat)
    assert [name for name in NAMED if name.lower() not in titles.lower()] == []
    assert len(library.threat) >= 30


def test_every_threat_says_what_the_attacker_gains_and_where_it_applies(library):
    for entry in library.threat:
        assert len(entry.description) > 80
        assert len(entry.gain) > 15
        assert entry.applies
    assert len({entry.title for entry in library.threat}) == len(library.threat)


def test_devices_meet_no_generic_threat_but_overflows(library):
    kinds = library.kinds("element")
    for name in ("virtio", "pci-device", "usb-device", "vhost"):
        assert kinds[name].generic == ("INP02",)
    for name in ("queue", "trap", "dma", "call", "local", "file"):
        assert library.kinds("flow")[name].generic == ()


ENTRY = '[[threat]]\nid = "X-1"\ntitle = "t"\ndescription = "d"\ngain = "g"\nlevel = "low"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY + 'applies = [{ kind = ["virtoi"] }]\n', "unknown kind 'virtoi'; did you mean \"virtio\"?"),
        (ENTRY + "applies = [{ }]\n", "would hold everywhere"),
        (ENTRY + 'applies = [{ source = ["guest"] }]\n', "are for"),
        (ENTRY + 'applies = [{ on = "flow", reached_from = ["guest"], crosses = true }]\n', "a flow has `source`"),
        (ENTRY.replace("low", "lowish") + 'applies = [{ kind = ["guest"] }]\n', 'did you mean "low"'),
        (ENTRY + 'applies = [{ kind = ["guest"] }]\ncondition = "True"\n', "unknown key"),
        (ENTRY + 'applies = [{ kind = ["guest"] }]\n' + ENTRY + 'applies = [{ kind = ["guest"] }]\n', "X-1"),
    ],
)
def test_a_wrong_library_says_where_and_what(tmp_path, library, text, said):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_library(path, base=library)
    assert said in str(caught.value)
    assert "own.toml" in str(caught.value)
