from pathlib import Path

import pytest

from secdl.fuzz.devices import load_models, model_of, split_step, split_word
from secdl.model.errors import ConfigError


def test_the_shipped_data_loads_and_every_device_starts_itself() -> None:
    models = load_models()
    assert len(models) > 20
    for name, model in models.items():
        assert model.about, name
        assert any(word.partition(",")[0] == name for word in model.argv), name


def test_a_device_without_data_starts_plainly() -> None:
    assert model_of("pci-testdev", {}).argv == ("-device", "pci-testdev")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[device.a]\nargs = ["x"]', "unknown key"),
        ('[device.a]\nrecipes = [["bar0 4 1"]]', "recipes"),
        ('[device.a]\nrecipes = [["bar0+0x1 4 @pagee"]]', "unknown value @pagee"),
        ('[device.a]\nlayouts = [["x32"]]', "layouts"),
        ("device = 1", "device"),
    ],
)
def test_wrong_data_names_its_file(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.toml") as caught:
        load_models(tmp_path)
    assert what in str(caught.value)


def test_a_device_described_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text('[device.e1000]\nabout = "x"')
    with pytest.raises(ConfigError, match="twice"):
        load_models(tmp_path)


def test_steps_and_words_are_read() -> None:
    assert split_step("bar0+0x10 4 @page") == ("bar0", 16, 4, "@page")
    assert split_step("f1.bar2+8 1 0xff") == ("f1.bar2", 8, 1, "0xff")
    assert split_word("c32=0x80") == ("c", 32, 0x80)
    assert split_word("p64") == ("p", 64, None)
