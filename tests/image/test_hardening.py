from pathlib import Path

import pytest

from secdl.image.hardening import Scope, examine, load_scope
from secdl.image.plant import planted
from secdl.image.rootfs import ImageRefused
from secdl.image.tarball import open_tar
from secdl.image.weak import weak_elf
from secdl.model.rulebook import rulebook
from secdl.model.shipped import canary_folder, shipped
from secdl.tools.image_hardening import TOOL
from tests.image.images import debian, file, link, tar

RULES = rulebook(shipped("policies/hardening/rules.toml"))
ELF_RULES = {rule for rule in RULES if rule.startswith("elf-")} - {"elf-partial-relro"}


def look(path: Path, named: tuple[str, ...] = (), scope: Scope | None = None):
    with open_tar(path) as rootfs:
        return examine(rootfs, prefix="image:i/", named=named, scope=scope or Scope(), rules=RULES)


def test_a_named_program_breaks_every_rule_and_stands_at_its_place(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar"), named=("/bin/weak",))
    assert {finding.rule for finding in found.findings} == ELF_RULES
    assert {finding.path for finding in found.findings} == {"image:i/usr/bin/weak"}
    assert found.work.unread == ()
    assert found.work.read["exposed_programs"] == 1


def test_a_setuid_program_is_exposed_without_being_named(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar", file("usr/bin/su", weak_elf(), 0o4755)))
    assert {finding.path for finding in found.findings} == {"image:i/usr/bin/su"}


def test_a_program_with_file_capabilities_is_exposed(tmp_path: Path) -> None:
    ping, content = file("usr/bin/ping", weak_elf(), 0o755)
    ping.pax_headers = {"SCHILY.xattr.security.capability": "\x01"}
    found = look(debian(tmp_path / "a.tar", (ping, content)))
    assert found.summary.programs[0].why == "capabilities"


def test_programs_that_nobody_exposes_are_counted_and_make_no_finding(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar", file("usr/bin/sshd", weak_elf())), named=("usr/bin/sshd",))
    assert found.work.read == {"elf_files": 2, "exposed_programs": 1, "settings_files": 0}
    assert {finding.path for finding in found.findings} == {"image:i/usr/bin/sshd"}


def test_a_named_program_that_is_absent_is_unread(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar"), named=("usr/bin/weak", "usr/sbin/libvirtd"))
    assert found.work.unread == ("usr/sbin/libvirtd",)


@pytest.mark.parametrize("content", [b"#!/bin/sh\nexec other\n", weak_elf()[:100], b""])
def test_a_named_program_that_is_no_whole_elf_file_is_unread(tmp_path: Path, content: bytes) -> None:
    found = look(debian(tmp_path / "a.tar", file("usr/sbin/libvirtd", content)), named=("usr/sbin/libvirtd",))
    assert found.work.unread[-1:] == ("usr/sbin/libvirtd",)


def test_a_named_link_out_of_the_image_is_unread(tmp_path: Path) -> None:
    found = look(debian(tmp_path / "a.tar", link("usr/bin/qemu", "/proc/self/exe")), named=("usr/bin/qemu",))
    assert "usr/bin/qemu" in found.work.unread


def test_an_image_that_exposes_nothing_is_not_measured(tmp_path: Path) -> None:
    assert look(debian(tmp_path / "a.tar")).work.unread


def test_an_image_without_elf_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused):
        look(tar(tmp_path / "a.tar", file("etc/passwd", b"root"), file("usr/bin/x", b"#!/bin/sh")))


def test_guest_firmware_is_left_out(tmp_path: Path) -> None:
    path = debian(tmp_path / "a.tar", file("usr/share/qemu/rom.elf", weak_elf(), 0o755))
    scope = load_scope(shipped("policies/hardening/programs.toml"))
    assert look(path, named=("usr/bin/weak",), scope=scope).work.read["elf_files"] == 1


def test_settings_that_are_wrong_name_file_and_line(tmp_path: Path) -> None:
    path = debian(
        tmp_path / "a.tar",
        file("etc/ssh/sshd_config", b"# X11Forwarding yes\nPort 22\nX11Forwarding yes\n"),
        file("etc/ssh/ssh_host_rsa_key", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        file("etc/ssh/ssh_host_rsa_key.pub", b"ssh-rsa PRIVATE KEY"),
        file("etc/selinux/config", b"SELINUX=disabled\n"),
    )
    found = [f for f in look(path, named=("usr/bin/weak",)).findings if not f.rule.startswith("elf-")]
    assert [(f.rule, f.path, f.locations[0].line) for f in found] == [
        ("selinux-not-enforcing", "image:i/etc/selinux/config", 1),
        ("ssh-host-key-in-image", "image:i/etc/ssh/ssh_host_rsa_key", 1),
        ("ssh-x11-forwarding", "image:i/etc/ssh/sshd_config", 3),
    ]


@pytest.mark.parametrize(
    ("main", "included", "count"),
    [
        (b"Include /etc/ssh/sshd_config.d/*.conf\nX11Forwarding yes\n", b"X11Forwarding no\n", 0),
        (b"Include sshd_config.d/*.conf\nX11Forwarding no\n", b"X11Forwarding yes\n", 1),
        (b"X11Forwarding no\nX11Forwarding yes\n", b"", 0),
        (b"Match User backup\nX11Forwarding yes\n", b"", 0),
        (b'x11forwarding="yes"\n', b"", 1),
        (b"Include /etc/ssh/sshd_config\nX11Forwarding yes\n", b"", 1),
    ],
)
def test_sshd_takes_the_first_value_with_included_files_in_place(
    tmp_path: Path, main: bytes, included: bytes, count: int
) -> None:
    path = debian(tmp_path / "a.tar", file("etc/ssh/sshd_config", main), file("etc/ssh/sshd_config.d/a.conf", included))
    found = look(path, named=("usr/bin/weak",)).findings
    assert sum(finding.rule == "ssh-x11-forwarding" for finding in found) == count


def test_the_planted_image_shows_every_defect_that_the_tool_expects() -> None:
    assert TOOL.canary is not None
    scope = load_scope(shipped("policies/hardening/programs.toml"))
    with planted(canary_folder("image-hardening")) as rootfs:
        found = examine(rootfs, prefix="canary:", named=(), scope=scope, rules=RULES)
    assert sorted(finding.rule for finding in found.findings) == sorted(TOOL.canary.expects)
    assert all(finding.path.startswith("canary:") for finding in found.findings)


def test_every_rule_says_what_an_attacker_gains_and_what_to_do() -> None:
    assert all(entry.gain and entry.fix and entry.title for entry in RULES.values())
