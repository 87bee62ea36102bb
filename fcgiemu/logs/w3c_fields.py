"""The W3C extended log format, as http.sys writes it for IIS.

``#Fields`` names the columns; it comes again wherever the server was restarted or the fields were
changed, so a file falls into stretches of one layout each. Fields are separated by one blank and
hold none (documented).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

from .entry import Columns

#: Column -> its field.
FIELDS = {
    "method": "cs-method",
    "stem": "cs-uri-stem",
    "query": "cs-uri-query",
    "host": "cs-host",
    "port": "s-port",
    "agent": "cs(user-agent)",
    "referer": "cs(referer)",
    "cookie": "cs(cookie)",
    "client": "c-ip",
    "status": "sc-status",
}
FIELDS_LINE = b"#Fields:"
ODD_WIDTH = "it has more or fewer fields than #Fields names"
NO_STEM = "the #Fields line names no cs-uri-stem"
NO_FIELDS = "there is no #Fields line before the request"

Raw = tuple[bytes, ...]


@dataclass(frozen=True)
class FieldLayout:
    """What a ``#Fields`` line says. ``names`` in lower case."""

    names: tuple[str, ...]

    @classmethod
    def parse(cls, line: bytes) -> FieldLayout:
        """The layout of a ``#Fields`` line."""
        text = line[len(FIELDS_LINE) :].decode("utf-8", "replace")
        return cls(tuple(text.lower().split()))

    @property
    def has_requests(self) -> bool:
        return "cs-uri-stem" in self.names

    def wanted(self, columns: frozenset[str]) -> tuple[str, ...]:
        """Those of ``columns`` that the log has, in the order of ``Columns``."""
        return tuple(
            name for name in Columns._fields if name in columns and FIELDS[name] in self.names
        )

    def positions(self, columns: tuple[str, ...]) -> tuple[int, ...]:
        """Where the fields of ``columns`` stand in a line."""
        return tuple(self.names.index(FIELDS[name]) for name in columns)

    @cached_property
    def width(self) -> int:
        return len(self.names)

    def values(self, line: bytes) -> list[bytes]:
        """The values of a line, none where it has more or fewer. White space separates them; some
        may be empty where the single blanks between them stand.
        """
        values, width = line.split(), self.width
        if len(values) < width and (text := line.rstrip(b"\r")):
            values = text.split(b" ")
            if not any(values[width:]):
                del values[width:]
        return values if len(values) == width else []

    def picker(self, columns: tuple[str, ...]) -> Callable[[list[bytes]], Raw]:
        """Takes the values of ``columns`` out of the values of a line."""
        positions = self.positions(columns)
        if len(positions) == 1:
            only = positions[0]
            return lambda values: (values[only],)
        return itemgetter(*positions)


def full(columns: tuple[str, ...], raw: tuple[str, ...]) -> Columns:
    """The values of some columns as all columns."""
    return Columns(**dict(zip(columns, raw, strict=True)))
