"""PNG's chunks: those that make the picture, each held against its checksum.

Pillow refuses a file for a comment that is too long or has a wrong checksum, and does not look at the checksums of the
pixels. Here the former is left out, and the latter counts.
"""

import struct
from collections.abc import Iterator
from zlib import crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What pixels depend on, but for colour profiles and gamma, which nothing is converted by; and which way is up.
KEPT = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
ANCILLARY = 0x20  # the bit of a name's first letter (PNG specification, 5.4)


def essential(encoded: bytes) -> tuple[bytes, str | None]:
    """A PNG file without what its pixels do not depend on, and what is wrong with the rest, None if nothing is."""
    kept, damage, last = [SIGNATURE], None, b""
    for last, chunk, whole in _chunks(encoded):
        if last[0] & ANCILLARY and (last not in KEPT or not whole):
            continue
        if not whole and last != b"IEND":
            damage = damage or f"the checksum of a chunk {last.decode('latin-1')!a} does not fit its content"
        kept.append(chunk)
    return b"".join(kept), damage or (None if last == b"IEND" else "the file ends before its last chunk, IEND")


def _chunks(encoded: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, bytes and soundness of each chunk, up to the last one, or the one that is cut."""
    at = len(SIGNATURE)
    while at + 8 <= len(encoded):
        length, name = struct.unpack_from(">I4s", encoded, at)
        end = at + 12 + length
        chunk = encoded[at:end]
        whole = end <= len(encoded) and crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        yield name, chunk, whole
        if name == b"IEND":
            return
        at = end
