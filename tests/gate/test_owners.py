import time

import pytest

from secdl.gate.owners import Owners, codeowners, maintainers, owners

# The examples of GitHub's own documentation, and what it says of each.
GITHUB = r"""
# comment
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
/build/logs/ @doctocat
docs/*  docs@plain.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octologs
/apps/github
with\ space/ @spacer
!negated @nobody
[section] @nobody
src/[ab].c @nobody
"""


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("README", "@global-owner1 @global-owner2"),
        ("a/b/x.js", "@js-owner"),
        ("x.go", "docs@example.com"),
        ("build/logs/a/b", "@octologs"),
        ("sub/build/logs2/a", "@global-owner1 @global-owner2"),
        ("docs/a.md", "@doctocat"),
        ("docs/deep/a.md", "@doctocat"),
        ("sub/docs/a.md", "@global-owner1 @global-owner2"),
        ("sub/apps/x", "@octocat"),
        ("apps/x", "@octocat"),
        ("apps/github", None),
        ("apps/github/x", None),
        ("deep/er/logs/x", "@octologs"),
        ("with space/x", "@spacer"),
        ("src/a.c", "@global-owner1 @global-owner2"),
        ("image:host/usr/bin/x", "@global-owner1 @global-owner2"),
    ],
)
def test_codeowners_as_github_reads_it(path, owner):
    assert codeowners(GITHUB).owner_of(path) == owner


def test_star_in_a_folder_owns_only_files_right_in_it():
    assert codeowners("docs/* @d").owner_of("docs/a.md") == "@d"
    assert codeowners("docs/* @d").owner_of("docs/deep/a.md") is None


QEMU = """QEMU Maintainers
================
M: Mail patches to: FirstName LastName <email>
-----------------

virtio
M: Michael S. Tsirkin <mst@redhat.com>
S: Supported
F: hw/*/virtio*
F: hw/virtio/
X: hw/virtio/vhost-user*
F: include/hw/virtio/

vhost-user
M: Ann Other <ann@example.com>
M: Bob Other <bob@example.com>
F: hw/virtio/vhost-user.c

Network devices
M: Jason Wang <jasowang@redhat.com>
S: Odd Fixes
F: hw/net/

Orphan
S: Orphan
F: hw/net/deep/
"""


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("hw/virtio/virtio.c", "Michael S. Tsirkin <mst@redhat.com>"),
        ("hw/virtio/vhost-user.c", "Ann Other <ann@example.com>, Bob Other <bob@example.com>"),
        ("hw/virtio/vhost-user-blk.c", None),
        ("hw/net/virtio-net.c", "Michael S. Tsirkin <mst@redhat.com>"),
        ("hw/net/e1000.c", "Jason Wang <jasowang@redhat.com>"),
        ("hw/net/deep/x.c", "Jason Wang <jasowang@redhat.com>"),
        ("hw/deep/er/virtio.c", None),
        ("block/nvme.c", None),
    ],
)
def test_maintainers_as_qemu_writes_it(path, owner):
    assert maintainers(QEMU).owner_of(path) == owner


def test_first_place_that_exists_counts():
    files = {"MAINTAINERS": "X\nM: m\nF: a\n", "CODEOWNERS": "* @root", ".github/CODEOWNERS": "* @hidden"}
    assert owners(files).owner_of("a") == "@hidden"
    assert owners({"MAINTAINERS": files["MAINTAINERS"]}).owner_of("a") == "m"
    assert owners({}).owner_of("a") is None
    assert Owners().owner_of("a") is None


def test_hostile_patterns_and_names_do_no_harm():
    text = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b @x\n\x00\x1b[31m @y\n/ok @\x1b[31mz\n" + "a" * 100_000 + " @l\n"
    found = codeowners(text)
    began = time.process_time()
    assert found.owner_of("a" * 5_000) is None
    assert found.owner_of("ok") == "@�[31mz"
    assert time.process_time() - began < 2


def test_a_hundred_thousand_findings_of_many_patterns_are_quick():
    text = "".join(f"/dir{n % 500}/sub{n}/*.c @o{n}\n" for n in range(2_500))
    found = codeowners(text)
    began = time.process_time()
    for n in range(100_000):
        found.owner_of(f"dir{n % 500}/sub{n % 2_500}/f{n % 4_000}.c")
    assert time.process_time() - began < 2
