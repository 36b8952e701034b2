"""Numbers that are spread evenly over keys, but the same after every restart."""

import zlib


def fraction(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts only."""
    text = "\0".join(map(str, parts))
    return zlib.crc32(text.encode()) / 2**32
