"""Which format a log has, told from its content, and what makes requests of its lines."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

from .entry import Columns, NotARequest
from .line_counting import Tally, count_w3c
from .records import folded, has_requests, request, requests
from .sources import LogSource, LogStream, Unreadable, as_utf8, is_packed, streams, whole_lines
from .text_lines import iis, ncsa

#: Bytes of a log that are looked at to tell its format.
_HEAD = 1 << 16
#: A JSON text that is not one of lines is read as a whole up to this size.
MAX_DOCUMENT = 128 << 20
_FIELDS_OF_LINES = ("method", "stem", "query", "status", "client")

Reader = Callable[[Tally, str, Iterable[bytes]], None]


class Engine(Protocol):
    """What counts W3C logs: by lines, or DuckDB."""

    def count_file(self, tally: Tally, path: Path) -> bool:
        """Count a file as it lies there. Returns whether that was possible."""

    def count(self, tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
        """Count lines."""

    def hand_over(self, tally: Tally) -> None:
        """Give the tally what is counted and still held here."""

    def close(self) -> None:
        """Give back what it holds."""


class Lines:
    """The engine that needs nothing else."""

    def count_file(self, _tally: Tally, _path: Path) -> bool:
        """Never: lines are read from a stream."""
        return False

    def count(self, tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
        """Count lines."""
        count_w3c(tally, file, blocks)

    def hand_over(self, tally: Tally) -> None:
        """Nothing: the tally has it."""

    def close(self) -> None:
        """Nothing to give back."""


def count(source: LogSource, tally: Tally, engine: Engine) -> None:
    """Count a source, all its members. What cannot be read is named in the tally's facts."""
    try:
        if source.is_local and engine.count_file(tally, Path(source.name)):
            return
        for stream in streams(source):
            try:
                count_stream(stream, tally, engine)
            except Unreadable as error:
                tally.skip(stream.name, 0, str(error), 0)
    except (Unreadable, OSError) as error:
        tally.skip(source.name, 0, str(error), 0)


def count_stream(stream: LogStream, tally: Tally, engine: Engine) -> None:
    """Count one text. Raises Unreadable."""
    blocks = whole_lines(stream.blocks)
    first = next(blocks, None)
    if first is None:
        return
    name = recognized(first[:_HEAD])
    tally.facts.formats[name] = tally.facts.formats.get(name, 0) + 1
    failures: list[Unreadable] = []
    whole = (as_utf8(block, tally.encoding) for block in chain((first,), blocks))
    readable = _until_broken(whole, failures)
    if name == "W3C":
        engine.count(tally, stream.name, readable)
    else:
        READERS[name](tally, stream.name, readable)
    if failures:
        raise failures[0]


def _until_broken(blocks: Iterable[bytes], failures: list[Unreadable]) -> Iterator[bytes]:
    """Blocks as far as they can be read: what came before a defect counts."""
    try:
        yield from blocks
    except Unreadable as error:
        failures.append(error)


# -- telling ---------------------------------------------------------------------------------------

_NAME_OF_OTHERS = {
    "Microsoft HTTP API": "it is HTTPERR, the log of requests that IIS has never seen",
    "Microsoft Exchange": "it is a log of Exchange",
}


def recognized(head: bytes) -> str:
    """The format of a log with this beginning. Raises Unreadable."""
    if head[257:262] == b"ustar":
        raise Unreadable("it is a tar archive: unpack it")
    if is_packed(head):
        raise Unreadable("it is packed twice: unpack it once")
    if b"\0" in head and not head.startswith(b"#"):  # a crash leaves some in text as well
        raise Unreadable("it is not text: binary logs of IIS (.ibl) are not read")
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return "W3C"
    if lines[0].startswith("#"):
        for mark, message in _NAME_OF_OTHERS.items():
            if mark in lines[0]:
                raise Unreadable(message)
        return "W3C"
    if lines[0].lstrip()[:1] in ("{", "["):
        return "JSON"
    if has_requests(frozenset(map(folded, _cells(lines[0])))):
        return "CSV"
    for name, parse in (("NCSA", ncsa), ("IIS", iis)):
        if any(_is(parse, line) for line in lines[:50]):
            return name
    if any(line.startswith("#Fields:") for line in lines):
        return "W3C"
    raise Unreadable(
        "no log format is known in it: it has no #Fields line, is not JSON, CSV, NCSA or IIS format"
    )


def _is(parse: Callable[[str], Columns], line: str) -> bool:
    try:
        parse(line)
    except NotARequest:
        return False
    return True


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=_delimiter(line)), [])


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


# -- lines -----------------------------------------------------------------------------------------


def _lines(blocks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that hold something."""
    number = 0
    for block in blocks:
        for line in block.decode().split("\n"):
            number += 1
            if line and not line.isspace():
                yield number, line.removesuffix("\r")
        number -= block.endswith(b"\n")


def _by_lines(parse: Callable[[str], Columns], present: tuple[str, ...]) -> Reader:
    def reader(tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
        tally.lacks(present)
        for number, line in _lines(blocks):
            try:
                tally.add(parse(line), 1)
            except NotARequest as error:
                tally.skip(file, number, str(error))

    return reader


def _json(tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
    """JSON Lines, or one JSON text over many lines."""
    tally.lacks(Columns._fields)
    lines = _lines(blocks)
    first = next(lines, None)
    if first is None:
        return
    if _OPENING.fullmatch(first[1]) and not _is_json(first[1]):
        _document(tally, file, chain((first,), lines))
        return
    for number, line in chain((first,), lines):
        _texts(tally, file, number, line, "it is not JSON")


#: The first line of a JSON text over many: no more than brackets and the name of a list.
_OPENING = re.compile(r'\s*(\[.*|\{\s*("[^"]*"\s*:\s*)?[\[{]?\s*)')


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")


def _texts(tally: Tally, file: str, number: int, text: str, message: str) -> None:
    """Count the requests of the JSON texts that follow each other, with commas or without.
    ``number`` is that of the first line.
    """
    at = 0
    while True:
        start = _end_of_gap(text, at)
        number += text.count("\n", at, start)
        if start == len(text):
            return
        try:
            value, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            place = error.pos if isinstance(error, json.JSONDecodeError) else start
            line = number + text.count("\n", start, place)
            tally.skip(file, line, message, text.count("\n", start) + 1)
            return
        _value(tally, file, number, value)
        number += text.count("\n", start, at)


def _end_of_gap(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    assert found is not None
    return found.end()


def _document(tally: Tally, file: str, lines: Iterable[tuple[int, str]]) -> None:
    texts: list[str] = []
    size = 0
    for _, line in lines:
        texts.append(line)
        size += len(line)
        if size > MAX_DOCUMENT:
            raise Unreadable("it is one JSON text of more than 128 MB: export JSON Lines")
    _texts(tally, file, 1, "\n".join(texts), "from here on it is not JSON")


def _value(tally: Tally, file: str, number: int, value: object) -> None:
    """Count the requests of a JSON value, each record on its own."""
    for record in _records(value):
        try:
            for columns, count, decoded in requests(record):
                tally.add(columns, count, decoded)
        except NotARequest as error:
            tally.skip(file, number, str(error))


def _records(value: object) -> Iterator[object]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict) and isinstance(value.get("records"), list):
        yield from value["records"]
    else:
        yield value


def _csv(tally: Tally, file: str, blocks: Iterable[bytes]) -> None:
    """A table of Log Analytics, exported with a head line."""
    lines = _lines(blocks)
    number, head = next(lines)
    names = [folded(name) for name in _cells(head)]
    tally.lacks(Columns._fields)
    numbers: list[int] = []

    def texts() -> Iterator[str]:
        for line, text in lines:
            numbers.append(line)
            yield text + "\n"

    rows = csv.reader(texts(), delimiter=_delimiter(head), skipinitialspace=True)
    while True:
        try:
            row = next(rows)
            if len(row) != len(names):
                raise NotARequest("it has other columns than the head line")
            tally.add(*request(dict(zip(names, row, strict=True))))
        except StopIteration:
            return
        except NotARequest as error:
            tally.skip(file, numbers[0], str(error))
        except csv.Error:
            tally.skip(file, numbers[0], "it is not CSV")
        numbers.clear()


READERS: dict[str, Reader] = {
    "NCSA": _by_lines(ncsa, (*_FIELDS_OF_LINES, "agent", "referer")),
    "IIS": _by_lines(iis, _FIELDS_OF_LINES),
    "JSON": _json,
    "CSV": _csv,
}
