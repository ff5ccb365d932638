import random
import struct
from pathlib import Path

import pytest

from secdl.image.elf import inspect, is_program, quiet, unsafe_paths
from secdl.image.weak import weak_elf
from secdl.model.shipped import canary_folder

SYSTEM = Path("/usr/bin/env")


def test_the_planted_program_has_no_protection() -> None:
    quiet()
    state = inspect(weak_elf())
    assert state is not None
    assert (state.pie, state.relro, state.stack_executable, state.writable_code) == (False, "none", True, True)
    assert (state.canary, state.fortify, state.text_relocations) == (False, False, True)
    assert state.library_paths == ("/tmp/lib",)


def test_the_planted_program_is_what_its_script_makes() -> None:
    assert (canary_folder("image-hardening") / "usr/bin/weak").read_bytes() == weak_elf()


@pytest.mark.skipif(not SYSTEM.exists(), reason="no /usr/bin/env on this machine")
def test_a_program_of_a_distribution_is_hardened() -> None:
    state = inspect(SYSTEM.read_bytes())
    assert state is not None
    assert state.pie
    assert not state.stack_executable
    assert not state.writable_code
    assert state.relro != "none"


def test_objects_cores_and_scripts_are_no_programs() -> None:
    program = bytearray(weak_elf())
    assert is_program(bytes(program[:20]))
    for kind in (1, 4):
        struct.pack_into("<H", program, 16, kind)
        assert not is_program(bytes(program[:20]))
    assert not is_program(b"#!/bin/sh\n# longer than an ELF header")
    assert not is_program(b"\x7fELF")


@pytest.mark.parametrize("keep", [20, 63, 64, 100, 231])
def test_a_program_cut_off_is_damaged_not_hardened(keep: int) -> None:
    quiet()
    state = inspect(weak_elf()[:keep])
    assert state is None or not state.pie


@pytest.mark.parametrize(
    "path", ["", "lib", "./lib", "/tmp", "/tmp/x", "/home/build/lib", "/usr/lib/../../tmp", "/root"]
)
def test_library_paths_that_others_may_write_are_unsafe(path: str) -> None:
    assert unsafe_paths((path,), raised=False) == (path,)


@pytest.mark.parametrize("path", ["/usr/lib/x86_64-linux-gnu/libvirt", "/tmpfiles", "$ORIGIN/../lib"])
def test_library_paths_of_the_system_are_safe(path: str) -> None:
    assert unsafe_paths((path,), raised=False) == ()


def test_origin_is_unsafe_in_a_program_with_raised_rights() -> None:
    assert unsafe_paths(("$ORIGIN/../lib",), raised=True) == ("$ORIGIN/../lib",)


def test_no_damage_makes_inspection_fail() -> None:
    quiet()
    rng = random.Random(1)  # noqa: S311 - the same damage each time
    for _ in range(300):
        broken = bytearray(weak_elf())
        for _ in range(rng.randint(1, 8)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        inspect(bytes(broken))
