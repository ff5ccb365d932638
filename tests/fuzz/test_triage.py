import pytest

from secdl.fuzz.triage import assertion_of, classify, crash_state
from secdl.fuzz.vm import Stop, StopKind
from secdl.model.finding import Level

USE_AFTER_FREE = """\
=================================================================
==4242==ERROR: AddressSanitizer: heap-use-after-free on address 0x60f0000 at pc 0x55 bp 0x7f sp 0x7f
READ of size 8 at 0x60f0000 thread T0
    #0 0x555555 in lsi_do_dma /src/hw/scsi/lsi53c895a.c:622:17
    #1 0x555556 in lsi_execute_script /src/hw/scsi/lsi53c895a.c:1310:17
    #2 0x555557 in memory_region_write_accessor /src/softmmu/memory.c:493:5
    #3 0x555558 in lsi_execute_script /src/hw/scsi/lsi53c895a.c:1310:17
    #4 0x555559 in lsi_reg_writeb /src/hw/scsi/lsi53c895a.c:1690:13
    #5 0x55555a in main /src/softmmu/main.c:47:9

0x60f0000 is located 0 bytes inside of 168-byte region
freed by thread T0 here:
    #0 0x444444 in free
    #1 0x444445 in somebody_else /src/other.c:1:1
"""


def test_a_crash_state_is_the_top_three_frames_of_the_device_without_glue_and_repeats() -> None:
    assert crash_state(USE_AFTER_FREE) == ("lsi_do_dma", "lsi_execute_script", "lsi_reg_writeb")
    assert crash_state("nothing") == ()


def test_a_sanitizer_report_gives_class_and_cwe() -> None:
    crash = classify(Stop(kind=StopKind.CRASH, status=77, stderr=USE_AFTER_FREE))
    assert (crash.rule, crash.cwe, crash.state[0]) == ("fuzz.crash", ("CWE-416",), "heap-use-after-free")
    write = USE_AFTER_FREE.replace("heap-use-after-free", "heap-buffer-overflow").replace("READ", "WRITE")
    worse = classify(Stop(kind=StopKind.CRASH, status=77, stderr=write))
    assert (worse.level, worse.cwe) == (Level.CRITICAL, ("CWE-787",))


@pytest.mark.parametrize(
    ("words", "access", "kind", "cwe"),
    [
        ("global-buffer-overflow on address 0x1", "WRITE", "global-buffer-overflow", "CWE-787"),
        ("global-buffer-overflow on address 0x1", "READ", "global-buffer-overflow", "CWE-125"),
        ("stack-buffer-overflow on address 0x1", "READ", "stack-buffer-overflow", "CWE-125"),
        ("stack-buffer-underflow on address 0x1", "WRITE", "stack-buffer-underflow", "CWE-787"),
        ("stack-use-after-scope on address 0x1", "READ", "stack-use-after-scope", "CWE-825"),
        ("negative-size-param: (size=-4)", "", "negative-size-param", "CWE-195"),
        ("attempting double-free on 0x1 in thread T0:", "", "double-free", "CWE-415"),
        ("attempting free on address which was not malloc()-ed: 0x1 in thread T0", "", "bad-free", "CWE-590"),
    ],
)
def test_the_kind_and_the_direction_of_an_access_decide_its_weakness(words, access, kind, cwe) -> None:
    text = f"==1==ERROR: AddressSanitizer: {words}\n" + (f"{access} of size 8 at 0x1 thread T0\n" if access else "")
    crash = classify(Stop(kind=StopKind.CRASH, status=77, stderr=text))
    assert (crash.state[0], crash.cwe) == (kind, (cwe,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "qemu-system-x86_64: ../../util/iov.c:269: iov_copy: Assertion `offset == 0' failed.\n",
            "util/iov.c: iov_copy: offset == 0",
        ),
        (
            "**\nERROR:../../hw/net/net_rx_pkt.c:95:net_rx_pkt_set: assertion failed: (pkt != NULL)\nBail out!",
            "hw/net/net_rx_pkt.c: net_rx_pkt_set: assertion failed: (pkt != NULL)",
        ),
        (
            "Unexpected error in object_set() at ../../qom/object.c:101:\nqemu-system-x86_64: no property\n",
            "qom/object.c: object_set: no property",
        ),
        ("qemu: hardware error: EDU: DMA range 0x12-0x34 out of bounds\n", "EDU: DMA range N-N out of bounds"),
        (
            "qemu: ./include/exec/cached.h.inc:88: stw_le: Assertion `addr < cache->len' failed.\n",
            "include/exec/cached.h.inc: stw_le: addr < cache->len",
        ),
        ("qemu-system-x86_64: warning: all is well\n", ""),
    ],
)
def test_an_assertion_is_known_without_its_line_number(text: str, words: str) -> None:
    assert assertion_of(text) == words


def test_an_abort_is_known_by_its_assertion() -> None:
    text = "qemu: ../../util/iov.c:269: iov_copy: Assertion `offset == 0' failed."
    crash = classify(Stop(kind=StopKind.ABORT, signal="SIGABRT", stderr=text))
    assert (crash.rule, crash.cwe) == ("fuzz.abort", ("CWE-617",))
    assert crash.state == ("abort", "util/iov.c: iov_copy: offset == 0")
    moved = text.replace("269", "270")
    assert classify(Stop(kind=StopKind.ABORT, signal="SIGABRT", stderr=moved)).state == crash.state


@pytest.mark.parametrize(
    ("stop", "rule", "cwe"),
    [
        (Stop(kind=StopKind.CRASH, signal="SIGSEGV"), "fuzz.crash", ()),
        (Stop(kind=StopKind.CRASH, signal="SIGFPE"), "fuzz.crash", ("CWE-369",)),
        (Stop(kind=StopKind.HANG), "fuzz.hang", ("CWE-835",)),
        (Stop(kind=StopKind.EXIT, status=1, stderr="virtio: bad ring 17"), "fuzz.exit", ()),
        (Stop(kind=StopKind.EXIT, signal="SIGKILL"), "fuzz.exit", ()),
    ],
)
def test_every_other_stop_has_its_rule(stop: Stop, rule: str, cwe: tuple[str, ...]) -> None:
    crash = classify(stop)
    assert (crash.rule, crash.cwe) == (rule, cwe)
