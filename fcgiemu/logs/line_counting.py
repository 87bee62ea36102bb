"""A log read line by line: requests counted, everything else named. Its format is formats.py's.

This is the reader by lines: it works without any other package and says what is right. Where
DuckDB counts (duck.py), what it has counted must be as many lines as are there; else the lines are
read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .entry import (
    APPENDED_MARKS,
    CUT,
    SEPARATOR,
    SOME_QUERY,
    Columns,
    NotARequest,
    Wanted,
    keyed,
    sent_query,
    status_of,
)
from .sources import line_ends
from .store import Facts, Problem, Sink
from .w3c_fields import FIELDS_LINE, NO_FIELDS, NO_STEM, ODD_WIDTH, FieldLayout, full

#: Different lines that are held before they become counted requests.
_HELD = 100_000
_SEPARATOR = SEPARATOR.encode()
_MARKS = tuple(mark.encode() for mark in APPENDED_MARKS)


@dataclass(slots=True)
class Tally:
    """Where the requests of some logs go."""

    writer: Sink
    wanted: Wanted
    #: What bytes that are not UTF-8 are taken for.
    encoding: str = "cp1252"
    facts: Facts = field(default_factory=Facts)

    @property
    def columns(self) -> frozenset[str]:
        """The columns to be read."""
        return frozenset({"method", "stem", "query", "port", "status"} | self.wanted.names)

    def add(self, raw: Columns, count: int, decoded: bool = True) -> None:
        """Count a request. Raises NotARequest."""
        key = keyed(raw, self.wanted, decoded)
        self.writer.add(key.text, status_of(raw.status), count)
        self.facts.requests += count

    def skip(self, file: str, line: int, message: str, count: int = 1) -> None:
        """Count lines that hold no request, or none that can be replayed."""
        self.facts.skip(Problem(file, line, message, count))

    def lacks(self, present: Iterable[str]) -> None:
        """Remember the columns that a log does not have."""
        self.facts.missing |= self.columns - set(present)


@dataclass(slots=True)
class Stretch:
    """Lines of one layout: where they come from, the number of the first one, and how many line
    ends there are.
    """

    file: str
    line: int
    data: bytes
    ends: int


@dataclass(slots=True)
class W3cCounter:
    """Counts lines of the W3C format that have one layout."""

    tally: Tally
    layout: FieldLayout
    _counts: dict[tuple[bytes, ...], int] = field(default_factory=dict)
    #: Where a request whose columns are none was seen first.
    _seen: dict[tuple[bytes, ...], tuple[str, int]] = field(default_factory=dict)
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.columns = self.layout.wanted(self.tally.columns)
        self.tally.lacks(self.columns)

    def count(self, stretch: Stretch) -> None:
        """Count the lines of a stretch."""
        if self._is_plain(stretch.data):
            self._count_plain(stretch)
        else:
            self._count_simplified(stretch)
        if len(self._counts) > _HELD:
            self.flush()

    def _is_plain(self, data: bytes) -> bool:
        """Whether queries can be counted as they stand."""
        return "query" not in self.columns or (
            self.tally.wanted.query and not any(mark in data for mark in _MARKS)
        )

    def _count_plain(self, stretch: Stretch) -> None:
        counts, pick, width = self._counts, self.layout.picker(self.columns), self.layout.width
        values_of = self.layout.values
        number = stretch.line - 1
        for line in stretch.data.split(b"\n"):
            number += 1
            values = line.split()
            if len(values) != width and not (values := values_of(line)):
                self._odd(stretch.file, number, line)
                continue
            raw = pick(values)
            if raw in counts:
                counts[raw] += 1
            else:
                counts[raw] = 1
                self._watch(raw, stretch.file, number)

    def _count_simplified(self, stretch: Stretch) -> None:
        counts, pick, width = self._counts, self.layout.picker(self.columns), self.layout.width
        values_of = self.layout.values
        position = self.layout.positions(("query",))[0]
        whole, long = self.tally.wanted.query, self.tally.wanted.long_query
        number = stretch.line - 1
        for line in stretch.data.split(b"\n"):
            number += 1
            values = line.split()
            if len(values) != width and not (values := values_of(line)):
                self._odd(stretch.file, number, line)
                continue
            query = values[position]
            if query != b"-":
                values[position] = simplified(query, whole, long)
            raw = pick(values)
            if raw in counts:
                counts[raw] += 1
            else:
                counts[raw] = 1
                self._watch(raw, stretch.file, number)

    def _watch(self, raw: tuple[bytes, ...], file: str, number: int) -> None:
        """Remember where something was seen that may be no request."""
        is_usual = raw[self.columns.index("stem")].startswith(b"/") and b"..." not in raw
        if self.columns[0] == "method":
            is_usual = is_usual and raw[0].isalpha()
        if not is_usual or any(_SEPARATOR in value for value in raw):
            self._seen.setdefault(raw, (file, number))

    def _odd(self, file: str, number: int, line: bytes) -> None:
        if line.strip():
            self.tally.skip(file, number, ODD_WIDTH)

    def flush(self) -> None:
        """Hand on what has been counted."""
        for raw, count in self._counts.items():
            self.add(tuple(value.decode() for value in raw), count, self._seen.get(raw))
        self._counts.clear()
        self._seen.clear()

    def add(self, raw: tuple[str, ...], count: int, seen: tuple[str, int] | None) -> None:
        """Hand on a request."""
        try:
            self.tally.add(full(self.columns, raw), count)
        except NotARequest as error:
            file, line = seen or ("", 0)
            self.tally.skip(file, line, str(error), count)


def simplified(query: bytes, whole: bool, long: int) -> bytes:
    """A query without what the server has appended; where queries do not decide, only whether
    there is one.
    """
    if any(mark in query for mark in _MARKS):
        query = sent_query(query.decode()).encode() or b"-"
    if whole or query in (b"", b"-", CUT.encode()) or len(query) > long:
        return query
    return SOME_QUERY.encode()


def is_cut(value: bytes) -> bool:
    """Whether a path or a query was longer than the log keeps."""
    return simplified(value, True, 0) == CUT.encode()


def stretches(file: str, blocks: Iterable[bytes]) -> Iterator[tuple[FieldLayout | None, Stretch]]:
    """The stretches of a W3C log with their layouts; None before the first ``#Fields``."""
    layout: FieldLayout | None = None
    line = 1
    for block in blocks:
        position = 0
        while position < len(block):
            if block[position] == 0x23:  # '#'
                end = block.find(b"\n", position) + 1 or len(block)
                if block[position : position + len(FIELDS_LINE)].lower() == FIELDS_LINE.lower():
                    layout = FieldLayout.parse(block[position:end])
                line += 1
            else:
                end = _next_comment(block, position)
                data = block[position:end] if position or end < len(block) else block
                ends = line_ends(data)
                yield layout, Stretch(file, line, data, ends)
                line += ends
            position = end


def _next_comment(block: bytes, position: int) -> int:
    """Where the next comment line begins, else the end. A log holds few ``#``: a search for the one
    byte takes a hundredth of the time of one for ``\\n#``.
    """
    found = block.find(b"#", position)
    while found >= 0 and block[found - 1] != 0x0A:
        found = block.find(b"#", found + 1)
    return found if found >= 0 else len(block)


def count_w3c(tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
    """Count a W3C log."""
    counters: dict[FieldLayout, W3cCounter] = {}
    for layout, stretch in stretches(file, blocks):
        if layout is None or not layout.has_requests:
            skip_all(tally, stretch, NO_STEM if layout else NO_FIELDS)
            continue
        counter = counters.get(layout)
        if counter is None:
            counter = counters[layout] = W3cCounter(tally, layout)
        counter.count(stretch)
    for counter in counters.values():
        counter.flush()


def skip_all(tally: Tally, stretch: Stretch, message: str) -> None:
    """Lines that no layout explains."""
    lines = sum(1 for line in stretch.data.split(b"\n") if line.strip())
    if lines:
        tally.skip(stretch.file, stretch.line, message, lines)
