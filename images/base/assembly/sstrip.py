"""Cuts from shared objects what the loader never reads: all that lies behind the last segment.

That is debug information, symbol tables and the section headers that list them. Wheels often ship them (uvloop's
extension has 16 MB with and 1.8 without), and this needs no binutils in the build image. libpython and the
interpreter are left alone: debuggers and profilers find .PyRuntime by its section header. The layout of the header is
in elf(5).
"""

import os
import struct
from pathlib import Path

ELF_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"


def loaded_end(image: bytes) -> int:
    """Where the last byte lies that a segment, or the table of segments, occupies in the file."""
    table: int
    (table,) = struct.unpack_from("<Q", image, 32)
    entry, count = struct.unpack_from("<HH", image, 54)
    ends: list[int] = [table + entry * count]
    for i in range(count):
        (offset,) = struct.unpack_from("<Q", image, table + i * entry + 8)
        (size,) = struct.unpack_from("<Q", image, table + i * entry + 32)
        ends.append(offset + size)
    return max(ends)


def cut(image: bytes) -> bytes:
    """The file without its tail; unchanged where it is no 64-bit little-endian ELF file."""
    if not image.startswith(ELF_64_LITTLE_ENDIAN):
        return image
    head = bytearray(image[: loaded_end(image)])
    struct.pack_into("<Q", head, 40, 0)  # e_shoff
    struct.pack_into("<HH", head, 60, 0, 0)  # e_shnum, e_shstrndx
    return bytes(head)


def strip(root: str) -> None:
    """Cuts every shared object below root."""
    for top, _, files in os.walk(root):
        for name in files:
            path = Path(top, name)
            if path.is_symlink() or not (name.endswith(".so") or ".so." in name) or name.startswith("libpython"):
                continue
            whole = path.read_bytes()
            short = cut(whole)
            if len(short) < len(whole):
                path.write_bytes(short)
