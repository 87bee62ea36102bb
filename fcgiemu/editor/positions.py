"""Offsets of a text as the protocol's positions: lines, and units within them that client and
server have agreed on.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsprotocol import types

from .outline import Outline

#: What positions count -> an encoding whose units are those, and the bytes of one.
_UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of a text; ``encoding`` is "utf-8", "utf-16" or "utf-32"."""

    outline: Outline
    encoding: str = "utf-16"

    def position(self, offset: int) -> types.Position:
        """The position of an offset."""
        line, column = self.outline.position(offset)
        name, size = _UNITS[self.encoding]
        before = self.outline.text[offset - column : offset]
        return types.Position(line, len(before.encode(name, "surrogatepass")) // size)

    def range(self, begin: int, end: int) -> types.Range:
        """The range of [begin, end)."""
        return types.Range(self.position(begin), self.position(end))

    def offset(self, position: types.Position) -> int:
        """The offset of a position; behind the end of a line that end, and of the text its end."""
        name, size = _UNITS[self.encoding]
        begin, end = self.outline.line(self.outline.offset(position.line + 1, 1))
        data = self.outline.text[begin:end].encode(name, "surrogatepass")
        return begin + len(data[: position.character * size].decode(name, "ignore"))
