"""The header block with which a FastCGI application begins its STDOUT. No I/O."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..http.response import Header, reason_phrase

#: Longest header block that is taken: an application without a blank line must not fill the memory.
MAX_HEADER_BLOCK = 256 * 1024
#: Shorter header blocks are parsed once and remembered.
KEPT_BLOCK = 512
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"\s*(\d{3})(?:\s+(.*))?$")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+$")


class BadHeaders(Exception):
    """A header block that no response can be made of."""


class Head(NamedTuple):
    """Status, reason and headers of an application's response, in its order and spelling."""

    status: int
    reason: str
    headers: tuple[Header, ...]


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """A header block (without its blank line) and what follows it; None where it does not end."""
    end = _END.search(data)
    return None if end is None else (data[: end.start()], data[end.end() :])


class HeadReader:
    """STDOUT in any portions -> the head, then body bytes."""

    def __init__(self) -> None:
        self._begun = b""
        self.head: Head | None = None

    def feed(self, data: bytes) -> bytes:
        """Body bytes that ``data`` brings; empty until the head is complete. Raises BadHeaders."""
        if self.head is not None:
            return data
        if self._begun:
            data = self._begun + data
        parts = split(data)
        if len(data if parts is None else parts[0]) > MAX_HEADER_BLOCK:
            raise BadHeaders(f"no end of the headers within {MAX_HEADER_BLOCK} bytes")
        if parts is None:
            self._begun = data
            return b""
        self.head = _parsed(parts[0])
        self._begun = b""
        return parts[1]

    def finish(self) -> Head:
        """The head when the stream has ended: wfastcgi's own error sends ``Status: 500`` without a
        blank line.
        """
        if self.head is None:
            self.head = _parsed(self._begun.rstrip(b"\r\n"))
            self._begun = b""
        return self.head


def _parsed(block: bytes) -> Head:
    """As ``parse``; applications send the same short heads over and over."""
    return _kept(block) if len(block) < KEPT_BLOCK else parse(block)


def parse(block: bytes) -> Head:
    """A complete header block (without its blank line). Bad lines are left out, as IIS's relaxed
    parser does.
    """
    status, reason = 200, ""
    seen_status = location = False
    headers: list[Header] = []
    for line in re.split(r"\r?\n", block.decode("latin-1")):
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _TOKEN.match(name) or "\r" in value or "\0" in value:
            continue
        lower = name.lower()
        if lower == "status":
            match = _STATUS.match(value)
            if not match or not 200 <= int(match[1]) <= 999:  # an interim answer is not an answer
                raise BadHeaders(f"Status: {value[:80]}")
            status, reason, seen_status = int(match[1]), match[2] or "", True
            continue
        if lower == "content-length" and (
            not value.isascii()
            or not value.isdigit()
            or any(key.lower() == lower and present != value for key, present in headers)
        ):
            raise BadHeaders(f"Content-Length: {value[:80]}")
        location = location or lower == "location"
        headers.append((name, value))
    if not seen_status and not headers:
        raise BadHeaders("there is none")
    if location and not seen_status:
        status = 302  # RFC 3875; what IIS does with it is inferred
    return Head(status, reason or reason_phrase(status), tuple(headers))


_kept = lru_cache(maxsize=512)(parse)
