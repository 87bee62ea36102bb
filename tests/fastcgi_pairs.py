"""The name-value pairs of a PARAMS stream, read back: the server only writes them."""

from __future__ import annotations


def decoded(stream: bytes) -> list[tuple[bytes, bytes]]:
    """The pairs of a complete stream, without its records."""
    pairs: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(stream):
        lengths = []
        for _ in range(2):
            width = 1 if stream[at] < 128 else 4
            lengths.append(int.from_bytes(stream[at : at + width], "big") & 0x7FFFFFFF)
            at += width
        middle, end = at + lengths[0], at + sum(lengths)
        assert end <= len(stream)
        pairs.append((stream[at:middle], stream[middle:end]))
        at = end
    return pairs
