"""W3C logs read and counted by DuckDB, many times faster than by lines, and only where the
result is sure.

DuckDB reads fixed columns, and what does not fit it drops or shifts without a word. So it gets
stretches of one layout, in UTF-8, without control characters; and what it has counted must be as
many requests as there are lines. Where one of these is not so, line_counting.py reads the lines.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .duck_queries import LONGEST_LINE, LogLines, grouping, pieces, sums
from .entry import NotARequest
from .line_counting import Stretch, Tally, W3cCounter, is_cut, skip_all, stretches
from .sources import BLOCK, Unreadable, as_utf8, line_ends, number_of, whole_lines
from .store import SECTIONS, Nowhere
from .w3c_fields import FIELDS_LINE, NO_FIELDS, NO_STEM, FieldLayout, full

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Bytes of text that are counted at once, and where DuckDB is idle: it reads into buffers of 32 MB.
CHUNK, LEAST_CHUNK = 96 << 20, 32 << 20
#: Where more than a quarter of a chunk's requests are different, as much more is counted at once:
#: most of them are in the next chunk too.
_MANY, _TIMES = 0.25, 2
#: A larger plain file is counted in chunks, so that its different requests fit into memory.
LARGEST_PLAIN = 2 << 30
#: A narrower layout could take a comment for a request.
_NARROWEST = 10
#: Of DuckDB, so that it can count two chunks at once.
_MEMORY_OF_TWO = 400 << 20
_ROWS = 10_000
#: How many requests in tables or texts take the memory of one that the writer holds, at least.
_AS_TEXT = 2
#: White space beside the blank, where ``bytes.split`` would cut as well, and what IIS never writes.
_ODD_BYTES = (b"\t", b"\x0b", b"\x0c", b"\x1f", b"\0")

#: Bytes of a chunk that say what its other lines are like.
_SAMPLE = 1 << 16

Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Grouped:
    """A table that DuckDB has made of lines: ``key``, ``status`` and ``n`` of requests that are
    plain, ``columns`` and ``n`` of ``others``. ``rows`` of it, and ``requests``, the sum of ``n``.
    """

    table: str
    rows: int = 0
    requests: int = 0
    others: int = 0


class DuckDbEngine:
    """A DuckDB database in memory and what it may use: ``threads``, ``memory`` in bytes, a
    folder.
    """

    def __init__(self, threads: int, memory: int, folder: Path) -> None:
        self.folder = folder
        #: DuckDB groups lines while the next ones are unpacked, and others are handed on.
        self.side_by_side = 2 if threads > 1 and memory >= _MEMORY_OF_TWO else 1
        self.pool = ThreadPoolExecutor(self.side_by_side)
        self._connected = self.pool.submit(_connect, threads, memory, folder)
        self._grouping: set[DuckDBPyConnection] = set()
        self._numbers = itertools.count()
        #: What is to be handed over. Plain requests never become objects of Python.
        self._kept: list[_Grouped] = []

    @property
    def connection(self) -> DuckDBPyConnection:
        """The one that the others are made of."""
        return self._connected.result()

    def close(self) -> None:
        """Give everything back; what is being counted is given up."""
        self.give_up()
        self.pool.shutdown(cancel_futures=True)
        self.connection.close()

    def give_up(self) -> None:
        """Let ``group`` end with None."""
        for cursor in tuple(self._grouping):
            cursor.interrupt()

    def group(self, lines: LogLines, counter: W3cCounter) -> _Grouped | None:
        """Count the requests of a file. Returns None where DuckDB cannot read it."""
        from duckdb import Error  # _connect

        table = f"counted{next(self._numbers)}"
        cursor = self.connection.cursor()
        self._grouping.add(cursor)
        try:
            cursor.execute(f"CREATE TABLE {table} AS {grouping(lines, counter)}")
            numbers = "count(*), coalesce(sum(n), 0)::BIGINT, count(columns)"
            found = cursor.execute(f"SELECT {numbers} FROM {table}").fetchall()
        except Error:  # given up, or not what DuckDB can read
            return None
        finally:
            self._grouping.discard(cursor)
        return _Grouped(table, *found[0])

    def drop(self, grouped: _Grouped | None) -> None:
        """Forget what DuckDB has counted."""
        if grouped is not None:
            self.connection.execute(f"DROP TABLE {grouped.table}")

    def keep(self, grouped: _Grouped) -> Rows:
        """Keep the plain requests, to be handed over with those of other lines. Returns the columns
        of the other ones, with their numbers.
        """
        self._kept.append(grouped)
        if grouped.others:
            others = self.connection.cursor().execute(
                f"SELECT columns, n FROM {grouped.table} WHERE columns IS NOT NULL"
            )
            while rows := others.fetchmany(_ROWS):
                yield from rows

    def hand_over_if_full(self, tally: Tally) -> None:
        """Hand over where much more is kept than the writer may hold, and it is not the same
        again.
        """
        if self._rows > _AS_TEXT * tally.writer.limit:
            self._merge()
            if self._rows > tally.writer.limit:
                self.hand_over(tally)

    @property
    def _rows(self) -> int:
        return sum(grouped.rows for grouped in self._kept)

    def _merge(self) -> None:
        """Make one table of those that are kept."""
        table = f"counted{next(self._numbers)}"
        kept = sums(grouped.table for grouped in self._kept)
        ((rows,),) = self.connection.execute(f"CREATE TABLE {table} AS {kept}").fetchall()
        for grouped in self._kept:
            self.drop(grouped)
        self._kept = [_Grouped(table, rows)]

    def hand_over(self, tally: Tally) -> None:
        """Hand the requests that are kept here to the writer, so many at a time as it may hold."""
        steps = 1
        while self._rows > steps * _AS_TEXT * tally.writer.limit and steps < SECTIONS:
            steps *= 2
        for step in range(steps if self._kept else 0):
            tables = [grouped.table for grouped in self._kept]
            found = self.connection.execute(pieces(tables, step, steps))
            while piece := found.fetchone():
                tally.writer.add_piece(*piece)
        for grouped in self._kept:
            self.drop(grouped)
        self._kept.clear()

    def count_file(self, tally: Tally, path: Path) -> bool:
        """Count a file as it lies there, if DuckDB can, while the preflight says whether it can be
        relied upon. Returns whether both agree.
        """
        layout = _first_layout(path)
        if layout is None:
            return False
        trial = W3cCounter(Tally(Nowhere(), tally.wanted), layout)
        future = self.pool.submit(self.group, _lines_of(path), trial)
        lines = preflight(path, layout)
        if not lines:
            self.give_up()
        grouped = future.result()
        if not lines or grouped is None or grouped.requests != lines:
            self.drop(grouped)
            return False
        counter = W3cCounter(tally, layout)
        tally.facts.formats["W3C"] = tally.facts.formats.get("W3C", 0) + 1
        hand_on(self, grouped, counter, lambda: _stretches_of(path))
        return True

    def count(self, tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
        """Count a stream of lines."""
        _Streamed(self, tally).count(file, blocks)


def _connect(threads: int, memory: int, folder: Path) -> DuckDBPyConnection:
    """A database in memory. DuckDB is loaded here, while the first lines are unpacked."""
    import duckdb

    connection = duckdb.connect(
        config={
            "threads": threads,
            "memory_limit": f"{max(memory >> 20, 128)}MB",
            "temp_directory": str(folder / "duckdb"),
            "preserve_insertion_order": False,
        }
    )
    # the bar of a query that takes two seconds would stand in the report
    connection.execute("SET enable_progress_bar = false")
    return connection


@dataclass(slots=True)
class _Chunk:
    """Lines of one layout on disk."""

    layout: FieldLayout
    path: Path
    stream: IO[bytes]
    _: KW_ONLY
    #: (file, line, bytes) of the stretches in it.
    pieces: list[tuple[str, int, int]] = field(default_factory=list)
    lines: int = 0
    size: int = 0
    is_odd: bool = False
    sample: bytes = b""

    def put(self, stretch: Stretch) -> None:
        """Append the lines of a stretch, which are complete."""
        data = stretch.data
        self.stream.write(data)
        if not self.pieces:
            self.sample = data[:_SAMPLE]
        self.pieces.append((stretch.file, stretch.line, len(data)))
        self.lines += stretch.ends
        self.size += len(data)
        self.is_odd = self.is_odd or is_odd(data, stretch.ends)

    def stretches(self) -> Iterator[Stretch]:
        """What was put in."""
        with self.path.open("rb") as stream:
            for file, line, size in self.pieces:
                for data in _blocks(stream, size):
                    ends = line_ends(data)
                    yield Stretch(file, line, data, ends)
                    line += ends


def _blocks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """The next ``size`` bytes, cut at line ends."""
    while size > 0:
        data = stream.read(min(size, BLOCK))
        if len(data) < size:
            data += stream.readline()
        yield data
        size -= len(data)


def is_odd(data: bytes, lines: int) -> bool:
    """Whether lines hold what DuckDB and the reader by lines could take differently."""
    if number_of(b"\r", data) not in (0, lines):
        return True
    return any(byte in data for byte in _ODD_BYTES)


class _Streamed:
    """Counts a stream: stretches are gathered by layout, and counted while the next ones come."""

    def __init__(self, engine: DuckDbEngine, tally: Tally) -> None:
        self.engine, self.tally = engine, tally
        self.chunks: dict[FieldLayout, _Chunk] = {}
        self.times = 1
        #: Those that are counted, or waited for.
        self.running: deque[tuple[_Chunk, W3cCounter, Future[_Grouped | None]]] = deque()
        #: Files of chunks that are counted: to write over them costs half of a new file.
        self.spare: list[Path] = []

    def count(self, file: str, blocks: Iterable[bytes]) -> None:
        try:
            for layout, stretch in stretches(file, blocks):
                if layout is None or not layout.has_requests:
                    skip_all(self.tally, stretch, NO_STEM if layout else NO_FIELDS)
                    continue
                chunk = self.chunks.get(layout) or self._begin(layout)
                chunk.put(self._but_the_tail(layout, stretch))
                if self._is_due(chunk):
                    self._submit(self.chunks.pop(layout))
            while self.chunks:
                self._submit(self.chunks.popitem()[1])
            self._collect(0)
        finally:
            self._drop()

    def _but_the_tail(self, layout: FieldLayout, stretch: Stretch) -> Stretch:
        """A stretch without its unfinished last line, which is read here."""
        end = stretch.data.rfind(b"\n") + 1
        if end == len(stretch.data):
            return stretch
        file, line, ends = stretch.file, stretch.line, stretch.ends
        tail = Stretch(file, line + ends, stretch.data[end:], 0)
        _by_lines(W3cCounter(self.tally, layout), [tail])
        return Stretch(file, line, stretch.data[:end], ends)

    def _begin(self, layout: FieldLayout) -> _Chunk:
        if self.spare:
            path = self.spare.pop()
            stream = path.open("r+b")
        else:
            handle, name = tempfile.mkstemp(".log", dir=self.engine.folder)
            path, stream = Path(name), os.fdopen(handle, "r+b")
        chunk = self.chunks[layout] = _Chunk(layout, path, stream)
        return chunk

    def _is_due(self, chunk: _Chunk) -> bool:
        """Whether a chunk is large enough to be counted."""
        if chunk.size >= LEAST_CHUNK:
            at_work = sum(not future.done() for _, _, future in self.running)
            if at_work < self.engine.side_by_side:
                return True
        return chunk.size >= CHUNK * self.times

    def _submit(self, chunk: _Chunk) -> None:
        """Let a chunk be counted; the ones before it are waited for."""
        chunk.stream.truncate()
        chunk.stream.close()
        counter = W3cCounter(self.tally, chunk.layout)
        if chunk.is_odd:
            _by_lines(counter, chunk.stretches())
            self.spare.append(chunk.path)
            return
        lines = LogLines(chunk.path, chunk.sample)
        future = self.engine.pool.submit(self.engine.group, lines, counter)
        self.running.append((chunk, counter, future))
        self._collect(self.engine.side_by_side)

    def _collect(self, left: int) -> None:
        """Hand on what the chunks have brought but for the last ``left``."""
        while len(self.running) > left:
            chunk, counter, future = self.running[0]
            grouped = future.result()
            if grouped is None or grouped.requests != chunk.lines:
                self.engine.drop(grouped)
                _by_lines(counter, chunk.stretches())
            else:
                if grouped.rows > _MANY * grouped.requests:
                    self.times = _TIMES
                hand_on(self.engine, grouped, counter, chunk.stretches)
            self.running.popleft()
            self.spare.append(chunk.path)

    def _drop(self) -> None:
        """Nothing stays behind, neither after an error."""
        if self.running:
            self.engine.give_up()
        for chunk, _, future in self.running:
            if not future.cancel():
                future.exception()
            self.spare.append(chunk.path)
        for chunk in self.chunks.values():
            chunk.stream.close()
            self.spare.append(chunk.path)
        for path in self.spare:
            path.unlink(missing_ok=True)


def _by_lines(counter: W3cCounter, found: Iterable[Stretch]) -> None:
    for stretch in found:
        counter.count(stretch)
    counter.flush()


# -- handing on ------------------------------------------------------------------------------------


def hand_on(
    engine: DuckDbEngine,
    grouped: _Grouped,
    counter: W3cCounter,
    again: Callable[[], Iterable[Stretch]],
) -> None:
    """Let the engine keep plain requests, and take the other ones. For requests that are none, the
    lines are looked at ``again``, to name the first.
    """
    bad: dict[str, int] = {}
    plain = grouped.requests
    for values, number in engine.keep(grouped):
        plain -= number
        raw = tuple(value or "" for value in values)
        try:
            counter.tally.add(full(counter.columns, raw), number)
        except NotARequest as error:
            bad[str(error)] = bad.get(str(error), 0) + number
    counter.tally.facts.requests += plain
    if bad:
        _name(counter, bad, again)
    engine.hand_over_if_full(counter.tally)


def _name(counter: W3cCounter, bad: dict[str, int], again: Callable[[], Iterable[Stretch]]) -> None:
    if len(bad) == 1 and (found := _first_cut(counter, again())) is not None:
        ((message, count),) = bad.items()
        counter.tally.skip(*found, message, count)
        return
    scratch = Tally(Nowhere(), counter.tally.wanted)
    _by_lines(W3cCounter(scratch, counter.layout), again())
    for problem in scratch.facts.problems.values():
        counter.tally.facts.skip(problem)


def _first_cut(counter: W3cCounter, found: Iterable[Stretch]) -> tuple[str, int] | None:
    """Where a URL is first that was too long for the log; None where a line has another defect."""
    columns = [name for name in ("stem", "query") if name in counter.columns]
    positions = counter.layout.positions(tuple(columns))
    for stretch in found:
        at = stretch.data.find(b" ...")
        while at >= 0:
            start = stretch.data.rfind(b"\n", 0, at) + 1
            values = counter.layout.values(stretch.data[start : stretch.data.find(b"\n", at)])
            if values and any(is_cut(values[position]) for position in positions):
                return stretch.file, stretch.line + stretch.data.count(b"\n", 0, start)
            at = stretch.data.find(b" ...", at + 4)
    return None


# -- plain files -----------------------------------------------------------------------------------


def _first_layout(path: Path) -> FieldLayout | None:
    """The layout at the head of a file; None where that must be read as a stream: too large, or
    with something else (the mark of UTF-8, a request) before the first ``#Fields``.
    """
    if not 0 < path.stat().st_size <= LARGEST_PLAIN:
        return None
    with path.open("rb") as stream:
        while (line := stream.readline(LONGEST_LINE)).startswith(b"#"):
            if line.startswith(FIELDS_LINE):
                layout = FieldLayout.parse(line)
                return layout if layout.has_requests and layout.width >= _NARROWEST else None
    return None


def _lines_of(path: Path) -> LogLines:
    """The lines of a file, with some from its head, its middle and its end."""
    size, sample = path.stat().st_size, b""
    with path.open("rb") as stream:
        for start in (0, size // 2, max(size - _SAMPLE, 0)):
            stream.seek(start)
            sample += stream.read(_SAMPLE)
    return LogLines(path, sample, has_comments=True)


def preflight(path: Path, layout: FieldLayout) -> int | None:
    """How many requests of ``layout`` a file holds, for DuckDB to agree with.

    None where it must be read as a stream: several layouts, other encodings, a line that is not
    complete, or anything else that is unusual.
    """
    lines = 0
    try:
        with path.open("rb") as stream:
            for own, stretch in stretches(str(path), _clean_blocks(stream)):
                if own != layout or not _is_usual(stretch):
                    return None
                lines += stretch.ends
    except Unreadable:
        return None
    return lines


def _clean_blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks of lines; a NUL, which is unusual, in the place of one that is not UTF-8."""
    for block in whole_lines(iter(lambda: stream.read(BLOCK), b"")):
        yield block if as_utf8(block, "latin-1") is block else b"\0"


def _is_usual(stretch: Stretch) -> bool:
    return stretch.data.endswith(b"\n") and not is_odd(stretch.data, stretch.ends)


def _stretches_of(path: Path) -> Iterator[Stretch]:
    with path.open("rb") as stream:
        blocks = iter(lambda: stream.read(BLOCK) + stream.readline(), b"")
        for _, stretch in stretches(str(path), blocks):
            yield stretch
