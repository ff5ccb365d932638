"""Makes the planted program: a small ELF executable that has none of the protections the hardening check looks for.

`python -m secdl.image.weak FILE` wrote the one in secdl/canaries/image-hardening. It is never run.
"""

import struct
import sys
from pathlib import Path

_BASE = 0x400000
_HEADER, _SEGMENT = 64, 56
_EXEC, _X86_64 = 2, 62
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_READ_WRITE_RUN = 7
_NEEDED, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _RPATH, _TEXTREL, _HASH, _NULL = 1, 5, 6, 10, 11, 15, 22, 4, 0
_IMPORTS = ("__libc_start_main", "gets", "printf", "strcpy")
_LIBRARY_PATH = "/tmp/lib"  # noqa: S108 - the planted defect itself  # nosec B108


def weak_elf() -> bytes:
    """An ELF64 executable for x86-64: fixed address, one segment rwx, no RELRO, no GNU_STACK, an RPATH below /tmp."""
    strings, names = b"\0", {}
    for word in ("libc.so.6", _LIBRARY_PATH, *_IMPORTS):
        names[word] = len(strings)
        strings += word.encode() + b"\0"
    symbols = bytes(24) + b"".join(struct.pack("<IBBHQQ", names[word], 0x12, 0, 0, 0, 0) for word in _IMPORTS)
    interpreter = b"/lib64/ld-linux-x86-64.so.2\0"
    # One bucket, every symbol in its chain: readers learn the number of symbols from it.
    count = len(_IMPORTS) + 1
    table = struct.pack(f"<{3 + count}I", 1, count, 1, *(*range(2, count), 0), 0)[: 4 * (3 + count)]
    at, places, body = _HEADER + 3 * _SEGMENT, [], b""
    for part in (interpreter, strings, symbols, table):
        body += bytes(-(at + len(body)) % 8)
        places.append(at + len(body))
        body += part
    body += bytes(-(at + len(body)) % 8)
    dynamic_at = at + len(body)
    interpreter_at, strings_at, symbols_at, hash_at = places
    entries = (
        (_NEEDED, names["libc.so.6"]),
        (_RPATH, names[_LIBRARY_PATH]),
        (_HASH, _BASE + hash_at),
        (_STRTAB, _BASE + strings_at),
        (_SYMTAB, _BASE + symbols_at),
        (_STRSZ, len(strings)),
        (_SYMENT, 24),
        (_TEXTREL, 0),
        (_NULL, 0),
    )
    dynamic = b"".join(struct.pack("<QQ", tag, value) for tag, value in entries)
    code_at = dynamic_at + len(dynamic)
    body += dynamic + b"\xf4"  # hlt
    size = at + len(body)
    segments = (
        (_LOAD, _READ_WRITE_RUN, 0, size, 0x1000),
        (_DYNAMIC, 6, dynamic_at, len(dynamic), 8),
        (_INTERP, 4, interpreter_at, len(interpreter), 1),
    )
    identity = b"\x7fELF" + bytes((2, 1, 1, 0)) + bytes(8)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH", _EXEC, _X86_64, 1, _BASE + code_at, _HEADER, 0, 0, _HEADER, _SEGMENT, len(segments), 0, 0, 0
    )
    for kind, flags, offset, length, align in segments:
        header += struct.pack("<IIQQQQQQ", kind, flags, offset, _BASE + offset, _BASE + offset, length, length, align)
    return header + body


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(weak_elf())
