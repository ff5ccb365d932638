"""QEMU's qtest line protocol: a command a line, one reply a command, interrupt notices in between.

Source: the comment at the head of QEMU's softmmu/qtest.c.
"""

from collections.abc import Sequence

from secdl.model.errors import SecdlError

_REPLIES = (b"OK", b"FAIL", b"ERR")
_LONGEST_LINE = 1 << 20


class NotQtest(SecdlError):
    """The other side does not speak qtest."""


class Decoder:
    """Turns the bytes of a stream, cut anywhere, into replies in the order of their commands.

    `IRQ raise N` and `IRQ lower N` lines are notices, not replies: they are counted in `interrupts` and left out.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.interrupts = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Replies that `data` completes. Raises `NotQtest` on a line that is neither reply nor notice."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise NotQtest("a reply longer than 1 MiB", where="qtest")
        replies = []
        for line in lines:
            if line.startswith(_REPLIES):
                replies.append(line.rstrip(b"\r"))
            elif line.startswith(b"IRQ "):
                self.interrupts += 1
            else:
                raise NotQtest(f"neither a reply nor an interrupt: {line[:80]!r}", where="qtest")
        return replies


def encode(lines: Sequence[str]) -> bytes:
    """`lines` as they go over the wire. An empty line is refused: QEMU 7.2 aborts on one."""
    if not all(lines):
        raise NotQtest("an empty line is no command", where="qtest")
    return "\n".join(lines).encode("ascii") + b"\n"


def value(reply: bytes) -> int:
    """The number in `OK 0x…`. Raises `NotQtest` where there is none."""
    head, _, number = reply.partition(b" ")
    try:
        if head == b"OK":
            return int(number, 16)
    except ValueError:
        pass
    raise NotQtest(f"expected a number, got {reply[:80]!r}", where="qtest")


def succeeded(replies: Sequence[bytes]) -> int:
    """How many replies say OK."""
    return sum(reply.startswith(b"OK") for reply in replies)
