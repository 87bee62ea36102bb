"""The SQL that duck.py lets DuckDB run.

Nearly all requests are plain: keyed() (entry.py) leaves their columns as they are, so their keys
are made in SQL. And nearly all lines have the same few methods, hosts, ports and statuses. They
are one column, ``head``, that is NULL where they are those of the first line: DuckDB groups by two
short columns less, which is a tenth of its work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .entry import (
    ANY_QUERY,
    APPENDED_MARKS,
    APPENDED_PATTERN,
    ASP_ERROR_PATTERN,
    CUT,
    NONE,
    SOME_QUERY,
)
from .line_counting import Tally, W3cCounter
from .store import SECTIONS
from .w3c_fields import FieldLayout

LONGEST_LINE = 1 << 20
#: The columns of ``head``, what each is like in plain requests, and in logs that lack it. They
#: stand as in the key, behind the status, which has three digits.
_HEAD = {"status": "[0-9]{3}", "method": "[A-Z]+", "host": "[a-z0-9.-]*", "port": "[0-9]{1,4}"}
_ABSENT = {"status": "000", "method": "GET", "host": "", "port": "80"}
_STEM = "/[A-Za-z0-9/._~-]*"
_TAIL = ("query", "agent", "referer", "cookie", "client")


@dataclass(frozen=True, slots=True)
class LogLines:
    """A file of lines of one layout. ``sample`` are some of them; ``has_comments`` says whether
    other lines, which begin with ``#``, stand between.
    """

    path: Path
    sample: bytes
    has_comments: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether there may be queries that a server has appended to: they are simplified line by
        line then, else only the different ones.
        """
        return any(mark.encode() in self.sample for mark in APPENDED_MARKS)

    def usual(self, layout: FieldLayout, columns: tuple[str, ...]) -> dict[str, str]:
        """The columns of ``head`` in the first line that is plain, else nothing."""
        for line in self.sample.split(b"\n", 20)[:20]:
            if values := layout.values(line):
                found = {
                    name: values[position].decode("utf-8", "replace")
                    for name, position in zip(columns, layout.positions(columns), strict=True)
                    if name in _HEAD
                }
                if all(re.fullmatch(_HEAD[name], value) for name, value in found.items()):
                    return found
        return {}


def grouping(lines: LogLines, counter: W3cCounter) -> str:
    """SQL for the different requests of some lines: ``key``, ``status`` and ``n`` of plain ones,
    ``columns`` (those of ``counter``) and ``n`` of others.
    """
    layout, wanted = counter.layout, counter.tally.wanted
    positions = layout.positions(counter.columns)
    places = {name: f"c{place}" for name, place in zip(counter.columns, positions, strict=True)}
    usual = lines.usual(layout, counter.columns)
    is_usual = " AND ".join(f"{places[name]} = '{value}'" for name, value in usual.items())
    head = {name: places.get(name, f"'{text}'") for name, text in _ABSENT.items()}
    head["host"] = _value(head["host"])
    chosen = [
        f"CASE WHEN {is_usual or 'false'} THEN NULL ELSE {_joined(head.values())} END AS head"
    ]
    for name, place in places.items():
        if name == "query" and (lines.is_marked or not wanted.query):
            chosen.append(f"{_simplified(place, counter.tally)} AS query")
        elif name not in _HEAD:
            chosen.append(f"{place} AS {name}")
    texts = (_ABSENT | usual).values()
    usual_head = "\x1f".join("" if text == NONE else text for text in texts)
    whole_head = f"coalesce(head, '{usual_head}')"
    return (
        f"SELECT CASE WHEN is_plain THEN {_key(counter, whole_head)} END AS key,"
        f" {whole_head}[:3] AS status, n,"
        f" CASE WHEN NOT is_plain THEN {_columns(counter, whole_head)} END AS columns"
        f" FROM (SELECT *, ({_is_plain(counter)}) IS TRUE AS is_plain FROM"
        f" (SELECT {', '.join(chosen)}, count(*) AS n FROM {_reading(lines, layout)} GROUP BY ALL))"
    )


def _value(column: str) -> str:
    """SQL for what a column holds."""
    return f"coalesce(nullif({column}, '-'), '')"


def _joined(texts: Iterable[str]) -> str:
    """SQL for texts with the separator between; for absent ones too."""
    return "concat(" + ", '\x1f', ".join(texts) + ")"


def _reading(lines: LogLines, layout: FieldLayout) -> str:
    """SQL for the fields of all lines as columns, from ``c0``."""
    width = layout.width
    if lines.has_comments:  # they have fewer fields, or more
        width, shape = width + 1, "null_padding=true, strict_mode=false"
        only = f" WHERE c{width - 1} IS NULL AND c{width - 2} IS NOT NULL AND c0 NOT LIKE '#%'"
    else:
        shape, only = "null_padding=false, strict_mode=true", ""
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(width))
    file = str(lines.path).replace("'", "''")
    return (
        f"read_csv('{file}', delim=' ', header=false, quote='', escape='', comment='',"
        f" columns={{{columns}}}, auto_detect=false, {shape}, ignore_errors=false,"
        f" max_line_size={LONGEST_LINE}){only}"
    )


def _simplified(query: str, tally: Tally) -> str:
    """SQL for line_counting.simplified."""
    marked = " OR ".join(f"contains({query}, '{mark}')" for mark in APPENDED_MARKS)
    sent = (
        f"CASE WHEN {marked} THEN coalesce(nullif(regexp_replace(regexp_replace("
        f"regexp_replace({query}, '{APPENDED_PATTERN}', '', 'g'), '^&+', ''),"
        f" '{ASP_ERROR_PATTERN}', ''), ''), '-') ELSE {query} END"
    )
    if tally.wanted.query:
        return sent
    return (
        f"CASE WHEN {sent} IN ('-', '{CUT}') THEN {sent}"
        f" WHEN strlen({sent}) <= {tally.wanted.long_query} THEN '{SOME_QUERY}' ELSE {sent} END"
    )


def _is_plain(counter: W3cCounter) -> str:
    """SQL for whether a request is plain."""
    head = "\x1f".join(_HEAD.values())
    tests = [
        f"(head IS NULL OR regexp_full_match(head, '{head}'))",
        f"regexp_full_match(stem, '{_STEM}')",
    ]
    if "query" in counter.columns:
        query, wanted = _simplified("query", counter.tally), counter.tally.wanted
        tests.append(f"{query} <> '{CUT}'" if wanted.query else f"query IN ('-', '{SOME_QUERY}')")
    return " AND ".join(tests)


def _key(counter: W3cCounter, head: str) -> str:
    """SQL for the key of plain requests: what keyed() makes of them."""
    texts = [f"{head}[5:]", "stem"]
    for name in _TAIL:
        if name not in counter.columns:
            texts.append("''")
        elif name == "query" and not counter.tally.wanted.query:
            texts.append(f"CASE query WHEN '-' THEN '' ELSE '{ANY_QUERY}' END")
        else:
            sent = _simplified("query", counter.tally) if name == "query" else name
            texts.append(_value(sent))
    return _joined(texts)


def _columns(counter: W3cCounter, head: str) -> str:
    """SQL for the columns of a request as a list."""
    places = {name: number for number, name in enumerate(_HEAD, 1)}
    texts = (
        f"split_part({head}, '\x1f', {places[name]})" if name in places else name
        for name in counter.columns
    )
    return f"[{', '.join(texts)}]"


def sums(tables: Iterable[str], only: str = "true") -> str:
    """SQL for the plain requests of some tables."""
    everything = " UNION ALL ".join(f"SELECT key, status, n FROM {table}" for table in tables)
    return (
        f"SELECT key, status, sum(n)::BIGINT AS n FROM ({everything})"
        f" WHERE key IS NOT NULL AND {only} GROUP BY ALL"
    )


def pieces(tables: Iterable[str], step: int, steps: int) -> str:
    """SQL for what Writer.add_piece takes, of the sections of one step out of a power of two."""
    section = f"('0x' || md5(key)[1:2])::INTEGER & {SECTIONS - 1}"  # store.section_of
    only = f"{section} & {steps - 1} = {step}" if steps > 1 else "true"
    return (
        f"SELECT {section} AS section, string_agg(concat_ws('\x1f', key, status, n), '\n'),"
        f" count(*) FROM ({sums(tables, only)}) GROUP BY section"
    )
