"""The bytes of a connection -> the heads and bodies of requests, or http.sys's refusal of them. It
knows no limit that a site sets. No I/O.

A head is looked for as a whole, bounded by http.sys's MaxRequestBytes, and only then given to
httptools; so what is made of it never depends on how it was cut into packets. Its body follows, as
long as the head says or in chunks, and is read by one of two readers, each of which takes from a
buffer what belongs to its request and not a byte more. What is wrong raises UrlRefused, which is
http.sys's own answer.

RFC 9112 lets a recipient be lenient in a few places (bare line feeds, a fold, two equal lengths).
Nothing here is: what two readers could understand in two ways is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

import httptools

from .numbers import MAX_LENGTH, bounded
from .url import UrlRefused

#: http.sys's MaxRequestBytes: request line and headers together, with their line ends (Microsoft's
#: article 820129).
MAX_REQUEST_BYTES = 16384
#: A chunk's size with its extensions; the size alone has at most 16 digits.  # inferred
MAX_CHUNK_LINE = 4096
#: What stands behind the last chunk, which is dropped.  # inferred: as for a head
MAX_TRAILERS = MAX_REQUEST_BYTES

_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: A line end that is not CR LF. One at the end of the data may still become one.
_BAD_LINE_END = re.compile(rb"(?<!\r)\n|\r[^\n]")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
_CODINGS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class RequestHead(NamedTuple):
    """What a request begins with. Header names and values as they came, without the blanks
    around a value.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    version: str
    keep_alive: bool


class BodyReader(Protocol):
    """Takes a body out of a buffer."""

    #: Whether the body has ended.
    done: bool
    #: Bytes that are known to follow, at least.
    left: int

    def take(self, buffer: bytearray) -> bytes:
        """The body's next bytes, which leave the buffer with what stands around them. Raises
        UrlRefused.
        """


# -- refusals ------------------------------------------------------------------------------------


def bad_request() -> UrlRefused:
    """What is not HTTP."""
    return UrlRefused(400, "Bad Request", "The request is badly formed.")


def _invalid_verb() -> UrlRefused:
    return UrlRefused(400, "Bad Request - Invalid Verb", "The request verb is invalid.")


def _invalid_url() -> UrlRefused:
    return UrlRefused(400, "Bad Request - Invalid URL", "The request URL is invalid.")


def _invalid_header() -> UrlRefused:
    return UrlRefused(
        400, "Bad Request - Invalid Header", "The request has an invalid header name."
    )


def _too_long(line: bool) -> UrlRefused:
    if line:
        return UrlRefused(414, "Request URL Too Long", "The request URL is too long.")
    return UrlRefused(
        400, "Bad Request - Request Too Long", "The size of the request headers is too long."
    )


def length_required() -> UrlRefused:
    """A method that has a body, without a word about it."""
    return UrlRefused(
        411, "Length Required", "The request must be chunked or have a content length."
    )


# -- heads ---------------------------------------------------------------------------------------


def end_of_head(buffer: bytearray, seen: int) -> int:
    """Where the head at the beginning of the buffer ends, -1 where it has not ended yet.

    The first ``seen`` bytes have been looked at before. Raises UrlRefused for what cannot become a
    head any more.
    """
    end = buffer.find(b"\r\n\r\n", max(0, seen - 3))
    if 0 <= end <= MAX_REQUEST_BYTES - 4:
        return end + 4
    if _BAD_LINE_END.search(buffer, max(0, seen - 1), MAX_REQUEST_BYTES + 1):
        raise bad_request()
    line = buffer.find(b"\r\n", 0, MAX_REQUEST_BYTES)
    if line < 0:
        method = _METHOD.match(buffer)
        if buffer != b"\r" and (method is None or buffer[method.end() : method.end() + 1].strip()):
            raise _invalid_verb()
    if len(buffer) > MAX_REQUEST_BYTES:
        raise _too_long(line < 0)
    return -1


class _Parsed:
    """Takes what httptools finds."""

    __slots__ = ("headers", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value.rstrip(b" \t")))


#: Methods that httptools takes; others it is shown as GET, because http.sys passes any token on.
_KNOWN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})


def parse_head(data: bytes) -> RequestHead:
    """A whole head, to its empty line. Raises UrlRefused."""
    method, _, rest = data.partition(b" ")
    if method not in _KNOWN and not _METHOD.fullmatch(method):
        raise _invalid_verb()
    parsed = _Parsed()
    parser = httptools.HttpRequestParser(parsed)
    try:
        parser.feed_data(data if method in _KNOWN else b"GET " + rest)
    except httptools.HttpParserUpgrade:
        pass  # what follows is looked at elsewhere
    except httptools.HttpParserInvalidURLError:
        raise _invalid_url() from None
    except httptools.HttpParserError:
        raise _what_is_wrong(data) from None
    version = parser.get_http_version()
    if version not in ("1.1", "1.0"):
        raise _what_is_wrong(data)
    return RequestHead(
        method.decode(), parsed.url, parsed.headers, version, _keeps_alive(version, parsed.headers)
    )


def _keeps_alive(version: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether another request may follow. A connection of HTTP/1.0 ends with its answer."""
    return version == "1.1" and not any(
        len(name) == 10 and name.lower() == b"connection" and b"close" in _words(value)
        for name, value in headers
    )


def _words(value: bytes) -> list[bytes]:
    return [word.strip(b" \t") for word in value.lower().split(b",")]


def _what_is_wrong(data: bytes) -> UrlRefused:
    """The refusal of a head that the parser stumbled over."""
    line, _, fields = data.partition(b"\r\n")
    parts = line.split(b" ")
    if len(parts) == 3 and _VERSION.fullmatch(parts[2]):
        if parts[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
            return UrlRefused(
                505, "HTTP Version Not Supported", "The HTTP version is not supported."
            )
        if any(not _TRAILER.fullmatch(field) for field in fields.split(b"\r\n")[:-2]):
            return _invalid_header()
    return bad_request()


# -- bodies --------------------------------------------------------------------------------------


class LengthReader:
    """A body of a known length."""

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = not length

    def take(self, buffer: bytearray) -> bytes:
        data = bytes(buffer[: self.left])
        del buffer[: self.left]
        self.left -= len(data)
        self.done = not self.left
        return data


class ChunkedReader:
    """A body in chunks (RFC 9112, 7.1); extensions and trailers are checked and dropped."""

    def __init__(self) -> None:
        self.left = 0
        self.done = False
        self._next = self._size
        self._trailers = 0

    def take(self, buffer: bytearray) -> bytes:
        parts: list[bytes] = []
        while not self.done and (buffer and self._next(buffer, parts)):
            pass
        return b"".join(parts)

    def _line(self, buffer: bytearray, longest: int) -> bytes | None:
        """The next line, without its end."""
        end = buffer.find(b"\r\n", 0, longest + 2)
        if _BAD_LINE_END.search(buffer, 0, end + 2 if end >= 0 else longest):
            raise bad_request()
        if end < 0:
            if len(buffer) > longest:
                raise bad_request()
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    def _size(self, buffer: bytearray, parts: list[bytes]) -> bool:
        line = self._line(buffer, MAX_CHUNK_LINE)
        if line is None:
            if buffer[:1] != b"\r" and not _CHUNK_LINE.match(buffer):
                raise bad_request()
            return False
        match = _CHUNK_LINE.fullmatch(line)
        self.left = int(match[1], 16) if match is not None else -1
        if not 0 <= self.left <= MAX_LENGTH:
            raise bad_request()
        self._next = self._data if self.left else self._trailer
        return True

    def _data(self, buffer: bytearray, parts: list[bytes]) -> bool:
        data = bytes(buffer[: self.left])
        del buffer[: self.left]
        self.left -= len(data)
        parts.append(data)
        if self.left:
            return False
        self._next = self._end
        return True

    def _end(self, buffer: bytearray, parts: list[bytes]) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise bad_request()
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._next = self._size
        return True

    def _trailer(self, buffer: bytearray, parts: list[bytes]) -> bool:
        line = self._line(buffer, MAX_TRAILERS - self._trailers)
        if line is None:
            return False
        self._trailers += len(line) + 2
        if line and (not _TRAILER.fullmatch(line) or self._trailers > MAX_TRAILERS):
            raise bad_request()
        self.done = not line
        return True


#: Methods that must say how long their body is (http.sys answers 411).
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


def body_of(head: RequestHead) -> BodyReader | None:
    """The reader of a request's body, None where it has none. Raises UrlRefused (RFC 9112, 6)."""
    lengths: list[bytes] = []
    codings: list[str] = []
    for name, value in head.headers:
        if len(name) == 14 and name.lower() == b"content-length":
            lengths.append(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            codings.append(value.decode("latin-1").lower())
    if codings:
        _check_codings(codings, bool(lengths) or head.version == "1.0")
        return ChunkedReader()
    if lengths:
        length = bounded(lengths[0], MAX_LENGTH)
        if length is None or len(lengths) > 1:
            raise bad_request()
        return LengthReader(length) if length else None
    if head.method in _BODY_METHODS:
        raise length_required()
    return None


def _check_codings(codings: list[str], contradicts: bool) -> None:
    """``chunked`` alone is a coding that http.sys takes; another one it has not implemented."""
    if contradicts or len(codings) > 1 or not _CODINGS.fullmatch(codings[0]):
        raise bad_request()
    if codings[0] != "chunked":
        if "chunked" in codings[0].split(",")[:-1]:
            raise bad_request()
        raise UrlRefused(501, "Not Implemented", "The transfer encoding is not supported.")
