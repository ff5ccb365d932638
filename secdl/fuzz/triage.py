"""What kind of stop it was, and the state by which two stops are the same."""

import re

import msgspec

from secdl.fuzz.vm import Stop, StopKind
from secdl.model.finding import Level
from secdl.model.text import one_line

FRAMES = 3
# Glue through which every device is reached; a frame in it tells no two bugs apart.
_GLUE = re.compile(
    r"^(memory_region_\w*(accessor|dispatch)\w*|access_with_adjusted_size|flatview_\w+|address_space_\w+|aio_bh_\w+"
    r"|aio_(dispatch|poll)\w*|main_loop\w*|os_host_main_loop\w*|qtest_\w+|iov_\w+|qemu_main\w*|main|_start|g_main_\w+"
    r"|__libc_\w+|__GI_\w+|__interceptor_\w+|__asan_\w+|__sanitizer_\w+|raise|gsignal|abort|__assert\w*|pthread_kill\w*"
    r"|tcp_chr_\w+|fd_chr_\w+|mux_chr_\w+|qio_channel_\w+|qemu_default_main|start_thread|mem(cpy|set|move)\w*)$"
)
_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in (?P<function>[\w.$~:]+)", re.MULTILINE)
_SANITIZER = re.compile(r"ERROR: (?P<tool>\w+Sanitizer): (?:attempting )?(?P<kind>[\w-]+)")
_ACCESS = re.compile(r"^(?P<access>READ|WRITE) of size", re.MULTILINE)
_ASSERTIONS = (
    re.compile(r"(?P<place>[\w./+-]+):\d+: (?P<function>\w+): Assertion `(?P<what>.+?)' failed"),
    re.compile(
        r"ERROR:(?P<place>[\w./+-]+):\d+:(?P<function>\w+): (?P<what>assertion failed.*|code should not be reached)"
    ),
    re.compile(
        r"Unexpected error in (?P<function>\w+)\(\) at (?P<place>[\w./+-]+):\d+:\n(?:[\w.-]+: )?(?P<what>[^\n]*)"
    ),
    re.compile(r"(?P<place>)(?P<function>)qemu: hardware error: (?P<what>[^\n]+)"),
)
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\b\d+\b")
_UP = re.compile(r"^(\.{1,2}/)+")
_CWE_OF_KIND = {
    "heap-use-after-free": "CWE-416",
    "stack-use-after-return": "CWE-562",
    "stack-use-after-scope": "CWE-825",
    "double-free": "CWE-415",
    "bad-free": "CWE-590",
    "stack-overflow": "CWE-674",
    "negative-size-param": "CWE-195",
    "allocation-size-too-big": "CWE-789",
    "FPE": "CWE-369",
}


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """A stop that means something. `state` is its dedupe key: words that hold on any build and any machine."""

    rule: str
    level: Level
    title: str
    state: tuple[str, ...]
    cwe: tuple[str, ...] = ()


def classify(stop: Stop) -> Crash:
    """`stop` as a crash, by what the process said: sanitizer report, assertion, signal, exit status."""
    report = _SANITIZER.search(stop.stderr)
    if report is not None and stop.kind in (StopKind.CRASH, StopKind.ABORT, StopKind.EXIT):
        return _sanitizer(report["kind"], stop.stderr)
    assertion = assertion_of(stop.stderr)
    match stop.kind:
        case StopKind.HANG:
            return Crash(
                rule="fuzz.hang", level=Level.MEDIUM, title="stops answering", state=("hang",), cwe=("CWE-835",)
            )
        case StopKind.ABORT:
            return Crash(
                rule="fuzz.abort",
                level=Level.MEDIUM,
                title=f"aborts: {assertion}" if assertion else "aborts",
                state=("abort", assertion or "SIGABRT"),
                cwe=("CWE-617",),
            )
        case StopKind.EXIT:
            how = stop.signal or f"exit status {stop.status}"
            return Crash(
                rule="fuzz.exit",
                level=Level.MEDIUM,
                title=f"ends with {how}",
                state=("exit", how, last_words(stop.stderr)),
            )
    cwe = ("CWE-369",) if stop.signal == "SIGFPE" else ()
    return Crash(
        rule="fuzz.crash", level=Level.HIGH, title=f"crashes with {stop.signal}", state=("crash", stop.signal), cwe=cwe
    )


def crash_state(trace: str) -> tuple[str, ...]:
    """Top three frames in device code, innermost first; empty where the text has none.

    `trace` is a sanitizer report as printed. Glue between qtest and the device is dropped; a frame that repeats, as in
    a recursion, counts once. Source: ClusterFuzz, "crash state".
    """
    first = _FRAME.search(trace)
    if first is None:
        return ()
    # A blank line ends the first stack; what follows says where the memory came from.
    stack = trace[first.start() :].split("\n\n", 1)[0]
    names = (match["function"] for match in _FRAME.finditer(stack))
    return tuple(dict.fromkeys(name for name in names if not _GLUE.match(name)))[:FRAMES]


def assertion_of(text: str) -> str:
    """The first assertion in `text` without line numbers, `file: function: expression`; empty where there is none."""
    for pattern in _ASSERTIONS:
        if match := pattern.search(text):
            place = _UP.sub("", match["place"])
            what = _NUMBER.sub("N", match["what"]) if "Assertion" not in match[0] else match["what"]
            return one_line(": ".join(part for part in (place, match["function"], what) if part), limit=240)
    return ""


def last_words(text: str) -> str:
    """The last line of standard error without numbers."""
    return one_line(_NUMBER.sub("N", text.strip().rpartition("\n")[2]), limit=200)


def _sanitizer(kind: str, text: str) -> Crash:
    kind = "bad-free" if kind == "free" else kind
    access = _ACCESS.search(text)
    frames = crash_state(text)
    cwe = _CWE_OF_KIND.get(kind)
    if cwe is None and kind.endswith(("overflow", "underflow")) and access is not None:
        cwe = "CWE-787" if access["access"] == "WRITE" else "CWE-125"
    if kind == "ABRT":
        assertion = assertion_of(text)
        title = f"aborts: {assertion}" if assertion else "aborts"
        state = ("abort", assertion) if assertion else ("abort", *frames)
        return Crash(rule="fuzz.abort", level=Level.MEDIUM, title=title, state=state, cwe=("CWE-617",))
    level = Level.CRITICAL if access is not None and access["access"] == "WRITE" else Level.HIGH
    verb = f" ({access['access'].lower()})" if access else ""
    where = f" in {frames[0]}" if frames else ""
    return Crash(
        rule="fuzz.crash", level=level, title=f"{kind}{verb}{where}", state=(kind, *frames), cwe=(cwe,) if cwe else ()
    )
