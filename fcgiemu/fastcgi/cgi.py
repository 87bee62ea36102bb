"""The header block with which a FastCGI application begins its STDOUT. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..http.response import Header, reason_phrase

#: Longest header block that is taken: an application without a blank line must not fill the memory.
MAX_HEADER_BLOCK = 256 * 1024
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"\s*(\d{3})(?:\s+(.*))?$")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+$")


class BadHeaders(Exception):
    """A header block that no response can be made of."""


@dataclass(slots=True)
class Head:
    """Status, reason and headers of an application's response, in its order and spelling."""

    status: int
    reason: str
    headers: list[Header]


class HeadReader:
    """STDOUT in any portions -> the head, then body bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.head: Head | None = None

    def feed(self, data: bytes) -> bytes:
        """Body bytes that ``data`` brings; empty until the head is complete. Raises BadHeaders."""
        if self.head is not None:
            return data
        self._buffer += data
        end = _END.search(self._buffer)
        if end is None:
            if len(self._buffer) > MAX_HEADER_BLOCK:
                raise BadHeaders(f"no end of the headers within {MAX_HEADER_BLOCK} bytes")
            return b""
        block, rest = bytes(self._buffer[:end.start()]), bytes(self._buffer[end.end():])
        self.head = parse(block)
        self._buffer.clear()
        return rest

    def finish(self) -> Head:
        """The head when the stream has ended: wfastcgi's own error sends ``Status: 500`` without a blank line."""
        if self.head is None:
            self.head = parse(bytes(self._buffer).rstrip(b"\r\n"))
            self._buffer.clear()
        return self.head


def parse(block: bytes) -> Head:
    """A complete header block (without its blank line). Bad lines are left out, as IIS's relaxed parser does."""
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
            if not match or not 200 <= int(match[1]) <= 999:  # an interim answer is no answer
                raise BadHeaders(f"Status: {value[:80]}")
            status, reason, seen_status = int(match[1]), match[2] or "", True
            continue
        if lower == "content-length" and (not value.isascii() or not value.isdigit() or any(
                key.lower() == lower and present != value for key, present in headers)):
            raise BadHeaders(f"Content-Length: {value[:80]}")
        location = location or lower == "location"
        headers.append((name, value))
    if not seen_status and not headers:
        raise BadHeaders("there is none")
    if location and not seen_status:
        status = 302  # RFC 3875; what IIS does with it is inferred
    return Head(status, reason or reason_phrase(status), headers)
