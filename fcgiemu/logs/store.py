"""Counted requests on disk: a SQLite file with pieces by section, so that a section can be decided
on its own.

The section of a request follows from the MD5 sum of its key, which DuckDB has too: it is the same
on every machine and for every way of counting. A piece is a compressed text, a line for each key
and status.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .entry import SEPARATOR

#: Sections of the requests; a power of two, of 256 at most.
SECTIONS = 128
#: Problems that are named; the rest is counted.
NAMED = 20
try:
    #: ISA-L's, which packs several times faster, where it is installed.
    _compress: Callable[[bytes, int], bytes] = importlib.import_module("isal.isal_zlib").compress
except ImportError:
    _compress = zlib.compress
#: Bytes in memory of a counted request, roughly.
_ROW_BYTES = 400

#: Key -> how often it was answered with which status, in pairs.
Section = dict[str, list[tuple[int, int]]]


@dataclass(order=True, slots=True)
class Problem:
    """Lines of a log that are not replayed: the first one (from 1; 0 = the file as a whole), why,
    and how many there are.
    """

    file: str
    line: int
    words: str
    count: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        more = f" ({self.count} lines)" if self.count > 1 else ""
        return f"{where}: {self.words}{more}"


@dataclass(slots=True)
class Facts:
    """What counting has found beside the requests. Requests and skipped lines are all lines."""

    requests: int = 0
    skipped: int = 0
    #: (file, why) -> the lines.
    problems: dict[tuple[str, str], Problem] = field(default_factory=dict)
    #: Format -> the logs that have it.
    formats: dict[str, int] = field(default_factory=dict)
    #: Columns that some log lacks.
    missing: set[str] = field(default_factory=set)

    def skip(self, problem: Problem) -> None:
        """Count lines that are not replayed."""
        self.skipped += problem.count
        known = self.problems.setdefault((problem.file, problem.words), problem)
        if known is not problem:
            known.line = min(known.line, problem.line)
            known.count += problem.count

    def named(self) -> list[Problem]:
        """The first problems, by file and line."""
        return sorted(self.problems.values())[:NAMED]

    def add(self, other: Facts) -> None:
        """Take up the facts of other logs."""
        self.requests += other.requests
        self.skipped += other.skipped
        self.problems |= other.problems
        if len(self.problems) > 2 * NAMED:
            self.problems = {(one.file, one.words): one for one in self.named()}
        for name, count in other.formats.items():
            self.formats[name] = self.formats.get(name, 0) + count
        self.missing |= other.missing

    def as_json(self) -> dict[str, object]:
        """As a JSON object, the same whatever the order of the logs."""
        return {
            "requests": self.requests,
            "skipped": self.skipped,
            "problems": [asdict(problem) for problem in self.named()],
            "formats": dict(sorted(self.formats.items())),
            "missing": sorted(self.missing),
        }

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Facts:
        """The facts of ``as_json``."""
        problems = [Problem(**problem) for problem in values["problems"]]
        return cls(
            values["requests"],
            values["skipped"],
            {(problem.file, problem.words): problem for problem in problems},
            dict(values["formats"]),
            set(values["missing"]),
        )


class Sink(Protocol):
    """Where counted requests go."""

    #: How many of them may be held in memory.
    limit: int

    def add(self, key: str, status: int, count: int) -> None: ...
    def add_piece(self, section: int, text: str, rows: int) -> None: ...


class Nowhere:
    """Keeps nothing."""

    limit = 0

    def add(self, key: str, status: int, count: int) -> None:
        """Nothing."""

    def add_piece(self, section: int, text: str, rows: int) -> None:
        """Nothing."""


class Writer:
    """Collects counted requests, and writes them out when memory is used up. Complete only with
    ``close``.
    """

    def __init__(self, path: Path, memory: int) -> None:
        self.path = path
        self._partial = path.with_name(path.name + f".{os.getpid()}.tmp")
        self._partial.unlink(missing_ok=True)
        #: Rows in memory.
        self.limit = max(1000, memory // _ROW_BYTES)
        self._rows: dict[tuple[str, int], int] = {}
        self._written = 0
        self._file = sqlite3.connect(self._partial, isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute("CREATE TABLE piece (section INTEGER, rows BLOB)")
        self._file.execute("CREATE TABLE facts (json TEXT, rows INTEGER)")
        self._file.execute("BEGIN")

    def add(self, key: str, status: int, count: int) -> None:
        """Count a request."""
        rows = self._rows
        row = key, status
        if row in rows:
            rows[row] += count
        else:
            if len(rows) >= self.limit:
                self._spill()
                rows = self._rows
            rows[row] = count

    def _spill(self) -> None:
        pieces: list[list[str]] = [[] for _ in range(SECTIONS)]
        for (key, status), count in self._rows.items():
            pieces[section_of(key)].append(f"{key}{SEPARATOR}{status}{SEPARATOR}{count}")
        for section, rows in enumerate(pieces):
            if rows:
                self.add_piece(section, "\n".join(rows), len(rows))
        self._rows.clear()

    def add_piece(self, section: int, text: str, rows: int) -> None:
        """Write counted requests of one section: a line for each, key, status and count."""
        packed = _compress(text.encode(), 1)
        self._file.execute("INSERT INTO piece VALUES (?, ?)", (section, packed))
        self._written += rows

    def close(self, facts: Facts) -> None:
        """Write the rest; from here on the counts exist."""
        self._spill()
        self._file.execute("CREATE INDEX section ON piece (section)")
        self._file.execute(
            "INSERT INTO facts VALUES (?, ?)", (json.dumps(facts.as_json()), self._written)
        )
        self._file.execute("COMMIT")
        self._file.close()
        os.replace(self._partial, self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def section_of(key: str) -> int:
    """The section of a key."""
    return hashlib.md5(key.encode(), usedforsecurity=False).digest()[0] & (SECTIONS - 1)


def facts_of(path: Path) -> tuple[Facts, int]:
    """The facts beside the counts of a file, and how many rows these are."""
    with closing(_opened(path)) as file:
        text, rows = file.execute("SELECT json, rows FROM facts").fetchone()
        return Facts.of_json(json.loads(text)), rows


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def section(paths: Iterable[Path], number: int) -> Section:
    """A section of all counts together."""
    sums: dict[str, dict[int, int]] = {}
    for path in paths:
        with closing(_opened(path)) as file:
            pieces = file.execute("SELECT rows FROM piece WHERE section = ?", (number,))
            for (packed,) in pieces:
                for row in zlib.decompress(packed).decode().split("\n"):
                    key, status, count = row.rsplit(SEPARATOR, 2)
                    statuses = sums.setdefault(key, {})
                    statuses[int(status)] = statuses.get(int(status), 0) + int(count)
    return {key: sorted(sums[key].items()) for key in sorted(sums)}
