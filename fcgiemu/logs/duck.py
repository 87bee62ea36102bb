"""W3C logs read and counted by DuckDB, many times faster than by lines, and only where the
result is sure.

DuckDB reads fixed columns, and what does not fit it drops or shifts without a word. So it gets
stretches of one layout, in UTF-8, without control characters; and what it has counted must be as
many requests as there are lines. Where one of these is not so, line_counting.py reads the lines.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import IO, Any

import duckdb

from .entry import (
    ANY_QUERY,
    APPENDED_PATTERN,
    ASP_ERROR_PATTERN,
    CUT,
    SOME_QUERY,
    NotARequest,
)
from .line_counting import Stretch, Tally, W3cCounter, skip_all, stretches
from .sources import BLOCK, Unreadable, as_utf8, line_ends, whole_lines
from .store import SECTIONS, Nowhere
from .w3c_fields import FIELDS_LINE, NO_FIELDS, NO_STEM, FieldLayout, full

#: Bytes of text that are counted at once, and where DuckDB is idle: it reads into buffers of 32 MB.
CHUNK, LEAST_CHUNK = 128 << 20, 32 << 20
#: A larger plain file is counted in chunks, so that its different requests fit into memory.
LARGEST_PLAIN = 2 << 30
#: A narrower layout could take a comment for a request.
_NARROWEST = 10
_LONGEST_LINE = 1 << 20
_ROWS = 10_000
#: White space beside the blank, where ``bytes.split`` would cut as well, and what IIS never writes.
_ODD_BYTES = (b"\t", b"\x0b", b"\x0c", b"\x1f", b"\0")

Rows = Iterator[tuple[str, ...]]


class DuckDbEngine:
    """A DuckDB connection and what it may use: ``threads``, ``memory`` in bytes, a folder."""

    def __init__(self, threads: int, memory: int, folder: Path) -> None:
        self.folder = folder
        self.connection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": f"{max(memory >> 20, 128)}MB",
                "temp_directory": str(folder / "duckdb"),
                "preserve_insertion_order": False,
            }
        )
        # the bar of a query that takes two seconds would stand in the report
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute("CREATE TEMP TABLE counted (key VARCHAR, status INTEGER, n BIGINT)")
        #: Rows and requests in it.
        self._held = self._kept = 0
        #: DuckDB counts while the next stretch is unpacked.
        self.pool = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Give everything back; what is being counted is given up."""
        self.connection.interrupt()
        self.pool.shutdown()
        self.connection.close()

    def group(self, path: Path, layout: FieldLayout, counter: W3cCounter) -> int | None:
        """Count the requests of a file into the table ``found``. Returns how many there are, None
        where DuckDB cannot read it.
        """
        try:
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE found AS {_query(path, layout, counter)}"
            )
            found = self.connection.execute("SELECT sum(found.n)::BIGINT FROM found").fetchone()
        except duckdb.Error:  # given up (close, count_file), or not what DuckDB can read
            return None
        return int(found[0]) if found is not None and found[0] is not None else 0

    def keep(self, counter: W3cCounter) -> int:
        """Keep the plain ones of what ``group`` has found, to be handed over with those of other
        stretches: they never become objects of Python. Returns how many requests that are.
        """
        key, status, is_plain = _as_key(counter)
        ((number,),) = self.connection.execute(
            f"INSERT INTO counted SELECT {key}, {status}, n FROM found WHERE {is_plain}"
        ).fetchall()
        before = self._kept
        ((self._kept,),) = self.connection.execute(
            "SELECT coalesce(sum(n), 0)::BIGINT FROM counted"
        ).fetchall()
        self._held += number
        return self._kept - before

    def hand_over_if_full(self, tally: Tally) -> None:
        """Hand over where more is kept than the writer may hold."""
        if self._held > tally.writer.limit:
            self.hand_over(tally)

    def hand_over(self, tally: Tally) -> None:
        """Hand the requests that are kept here to the writer, so many at a time as it may hold."""
        steps = 1
        while self._held > steps * tally.writer.limit and steps < SECTIONS:
            steps *= 2
        for step in range(steps):
            pieces = self.connection.execute(_pieces(step, steps))
            while piece := pieces.fetchone():
                tally.writer.add_piece(*piece)
        self.connection.execute("TRUNCATE counted")
        self._held = self._kept = 0

    def others(self, counter: W3cCounter) -> Rows:
        """The other ones, with their counts as the last column."""
        is_plain = _as_key(counter)[2]
        for rows in self._fetched(f"SELECT * FROM found WHERE NOT ({is_plain})"):
            yield from rows

    def _fetched(self, query: str) -> Iterator[list[Any]]:
        result = self.connection.execute(query)
        while rows := result.fetchmany(_ROWS):
            yield rows

    def count_file(self, tally: Tally, path: Path) -> bool:
        """Count a file as it lies there, if DuckDB can, while the preflight says whether it can be
        relied upon. Returns whether both agree.
        """
        layout = _first_layout(path)
        if layout is None:
            return False
        trial = W3cCounter(Tally(Nowhere(), tally.wanted), layout)
        grouped = self.pool.submit(self.group, path, layout, trial)
        lines = preflight(path, layout)
        if not lines:
            self.connection.interrupt()
        if grouped.result() != lines or not lines:
            return False
        counter = W3cCounter(tally, layout)
        tally.facts.formats["W3C"] = tally.facts.formats.get("W3C", 0) + 1
        plain = self.keep(counter)
        hand_on(counter, self, lines - plain, plain, lambda: _stretches_of(path))
        return True

    def count(self, tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
        """Count a stream of lines."""
        _Streamed(self, tally).count(file, blocks)


def _query(path: Path, layout: FieldLayout, counter: W3cCounter) -> str:
    width = layout.width
    names = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(width + 1))
    chosen = ", ".join(
        (_simplified(f"c{position}", counter.tally) if name == "query" else f"c{position}")
        + f' AS "{name}"'
        for name, position in zip(counter.columns, layout.positions(counter.columns), strict=True)
    )
    file = str(path).replace("'", "''")
    return (
        f"SELECT {chosen}, count(*) AS n FROM read_csv('{file}', delim=' ', header=false, quote='',"
        f" escape='', comment='', columns={{{names}}}, auto_detect=false, null_padding=true,"
        f" ignore_errors=false, strict_mode=false, max_line_size={_LONGEST_LINE})"
        f" WHERE c{width} IS NULL AND c{width - 1} IS NOT NULL AND c0 NOT LIKE '#%'"
        " GROUP BY ALL"
    )


def _simplified(column: str, tally: Tally) -> str:
    """SQL for tally.simplified."""
    sent = (
        f"CASE WHEN contains({column}, 'X-A') OR contains({column}, 'SERVER-')"
        f" OR contains({column}, '|') THEN coalesce(nullif(regexp_replace(regexp_replace("
        f"regexp_replace({column}, '{APPENDED_PATTERN}', '', 'g'), '^&', ''),"
        f" '{ASP_ERROR_PATTERN}', ''), ''), '-') ELSE {column} END"
    )
    if tally.wanted.query:
        return sent
    return (
        f"CASE WHEN {sent} IN ('-', '{CUT}') THEN {sent}"
        f" WHEN strlen({sent}) <= {tally.wanted.long_query} THEN '{SOME_QUERY}' ELSE {sent} END"
    )


#: Column -> what it is like in nearly all lines; keyed() takes it as it stands then.
_PLAIN = {
    "method": "[A-Z]+",
    "stem": "/[A-Za-z0-9/._~-]*",
    "host": "-|[a-z0-9.-]+",
    "port": "[0-9]{1,4}",
    "status": "[0-9]{3}",
}
_ABSENT = {"method": "GET", "port": "80"}


def _as_key(counter: W3cCounter) -> tuple[str, str, str]:
    """SQL for the key and the status of plain requests, and for whether one is plain: what keyed()
    does, for most.
    """
    present, wanted = counter.columns, counter.tally.wanted
    tests = [
        f"regexp_full_match(\"{name}\", '{pattern}')"
        for name, pattern in _PLAIN.items()
        if name in present
    ]
    if "query" in present:
        allowed = f"query <> '{CUT}'" if wanted.query else f"query IN ('-', '{SOME_QUERY}')"
        tests.append(allowed)
    texts = []
    for name in ("method", "host", "port", "stem", "query", "agent", "referer", "cookie", "client"):
        if name not in present:
            texts.append(f"'{_ABSENT.get(name, '')}'")
        elif name == "query" and not wanted.query:
            texts.append(f"CASE query WHEN '-' THEN '' ELSE '{ANY_QUERY}' END")
        else:
            texts.append(f"CASE \"{name}\" WHEN '-' THEN '' ELSE \"{name}\" END")
    key = " || chr(31) || ".join(texts)
    return key, "status::INTEGER" if "status" in present else "0", " AND ".join(tests)


def _pieces(step: int, steps: int) -> str:
    """SQL for what Writer.add_piece takes, of the sections of one step out of a power of two."""
    section = f"('0x' || md5(key)[1:2])::INTEGER & {SECTIONS - 1}"  # store.section_of
    chosen = f"WHERE {section} & {steps - 1} = {step}" if steps > 1 else ""
    row = "key || chr(31) || status || chr(31) || n"
    return (
        f"SELECT section, string_agg({row}, chr(10)), count(*) FROM"
        f" (SELECT {section} AS section, key, status, sum(n)::BIGINT AS n FROM counted"
        f" {chosen} GROUP BY ALL) GROUP BY section"
    )


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

    def put(self, stretch: Stretch) -> None:
        """Append the lines of a stretch, which are complete."""
        data = stretch.data
        self.stream.write(data)
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
    if b"\r" in data and data.count(b"\r") != lines:
        return True
    return any(byte in data for byte in _ODD_BYTES)


class _Streamed:
    """Counts a stream: stretches are gathered by layout, and counted while the next ones come."""

    def __init__(self, engine: DuckDbEngine, tally: Tally) -> None:
        self.engine, self.tally = engine, tally
        self.chunks: dict[FieldLayout, _Chunk] = {}
        self.running: tuple[_Chunk, W3cCounter, Future[int | None]] | None = None
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
                if chunk.size >= CHUNK or (chunk.size >= LEAST_CHUNK and self._is_idle()):
                    self._submit(self.chunks.pop(layout))
            while self.chunks:
                self._submit(self.chunks.popitem()[1])
            self._collect()
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

    def _is_idle(self) -> bool:
        return self.running is None or self.running[2].done()

    def _submit(self, chunk: _Chunk) -> None:
        chunk.stream.truncate()
        chunk.stream.close()
        self._collect()
        counter = W3cCounter(self.tally, chunk.layout)
        future = self.engine.pool.submit(_group, self.engine, chunk, counter)
        self.running = chunk, counter, future

    def _collect(self) -> None:
        """Hand on what the last chunk has brought."""
        if self.running is None:
            return
        chunk, counter, future = self.running
        plain = future.result()
        if plain is None:
            _by_lines(counter, chunk.stretches())
        else:
            hand_on(counter, self.engine, chunk.lines - plain, plain, chunk.stretches)
        self.running = None
        self.spare.append(chunk.path)

    def _drop(self) -> None:
        """Nothing stays behind, neither after an error."""
        if self.running is not None:
            self.running[2].exception()
            self.spare.append(self.running[0].path)
        for chunk in self.chunks.values():
            chunk.stream.close()
            self.spare.append(chunk.path)
        for path in self.spare:
            path.unlink(missing_ok=True)


def _group(engine: DuckDbEngine, chunk: _Chunk, counter: W3cCounter) -> int | None:
    """Count a chunk and keep what is plain of it: how many requests that are. None where DuckDB
    does not agree about the lines.
    """
    if chunk.is_odd or engine.group(chunk.path, chunk.layout, counter) != chunk.lines:
        return None
    return engine.keep(counter)


def _by_lines(counter: W3cCounter, found: Iterable[Stretch]) -> None:
    for stretch in found:
        counter.count(stretch)
    counter.flush()


# -- handing on ------------------------------------------------------------------------------------


def hand_on(
    counter: W3cCounter,
    engine: DuckDbEngine,
    others: int,
    plain: int,
    again: Callable[[], Iterable[Stretch]],
) -> None:
    """Account for the ``plain`` requests that DuckDB has kept, and take the ``others`` that it has
    counted. For requests that are none, the lines are looked at ``again``, to name the first.
    """
    counter.tally.facts.requests += plain
    bad: dict[str, int] = {}
    for *raw, count in engine.others(counter) if others else ():
        try:
            counter.tally.add(full(counter.columns, tuple(raw)), int(count))
        except NotARequest as error:
            bad[str(error)] = bad.get(str(error), 0) + int(count)
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
        at = stretch.data.find(b" ... ")
        while at >= 0:
            start = stretch.data.rfind(b"\n", 0, at) + 1
            values = stretch.data[start : stretch.data.find(b"\n", at)].split()
            if any(values[position] == b"..." for position in positions):
                return stretch.file, stretch.line + stretch.data.count(b"\n", 0, start)
            at = stretch.data.find(b" ... ", at + 4)
    return None


# -- plain files -----------------------------------------------------------------------------------


def _first_layout(path: Path) -> FieldLayout | None:
    """The layout at the head of a file; None where that must be read as a stream: too large, or
    with something else (the mark of UTF-8, a request) before the first ``#Fields``.
    """
    if not 0 < path.stat().st_size <= LARGEST_PLAIN:
        return None
    with path.open("rb") as stream:
        while (line := stream.readline(_LONGEST_LINE)).startswith(b"#"):
            if line.startswith(FIELDS_LINE):
                layout = FieldLayout.parse(line)
                return layout if layout.has_requests and layout.width >= _NARROWEST else None
    return None


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
