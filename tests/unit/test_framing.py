"""Bytes of a connection -> heads and bodies: a table, in pieces of every size, and anything at
all.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.http.framing import (
    MAX_CHUNK_LINE,
    MAX_REQUEST_BYTES,
    MAX_TRAILERS,
    ChunkedReader,
    LengthReader,
    RequestHead,
    body_of,
    end_of_head,
    parse_head,
)
from fcgiemu.http.numbers import MAX_LENGTH, bounded
from fcgiemu.http.url import UrlRefused

PIECES = [1, 2, 3, 7, 100000]


def head_of(data: bytes, piece: int) -> tuple[RequestHead | None, int]:
    """The head in ``data``, and where it ends; None where it does not."""
    buffer, seen = bytearray(), 0
    for start in range(0, len(data), piece):
        buffer += data[start : start + piece]
        end = end_of_head(buffer, seen)
        if end >= 0:
            return parse_head(bytes(buffer[:end])), end
        seen = len(buffer)
    return None, -1


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("line", "method", "target", "version"),
    [
        (b"GET / HTTP/1.1", "GET", b"/", "1.1"),
        (b"FROB /a?b#c HTTP/1.0", "FROB", b"/a?b#c", "1.0"),
        (b"get * HTTP/1.1", "get", b"*", "1.1"),
        (b"M-SEARCH http://h/x HTTP/1.1", "M-SEARCH", b"http://h/x", "1.1"),
        (b"CONNECT /a HTTP/1.1", "CONNECT", b"/a", "1.1"),
        (b"SOURCE /a HTTP/1.1", "SOURCE", b"/a", "1.1"),
    ],
)
def test_request_lines(piece: int, line: bytes, method: str, target: bytes, version: str) -> None:
    data = line + b"\r\nHost: h\r\nX-A:\t b \t\r\nX-A: c\r\n\r\nGET /next"
    head, end = head_of(data, piece)
    assert head == RequestHead(
        method,
        target,
        [(b"Host", b"h"), (b"X-A", b"b"), (b"X-A", b"c")],
        version,
        version == "1.1",
    )
    assert data[end:] == b"GET /next"


#: A head, and http.sys's status for it.
REFUSED = [
    (b" GET / HTTP/1.1\r\n\r\n", 400),
    (b"GE/T / HTTP/1.1\r\n\r\n", 400),
    (b"G\xc9T / HTTP/1.1\r\n\r\n", 400),
    (b"\x16\x03\x01\x00\xa5", 400),
    (b"GET /\n", 400),
    (b"GET /\rx HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\n\r\n", 400),
    (b"GET / HTTP/1.1\rHost: h\r\r", 400),
    (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1\r\n\r\n", 400),
    (b"GET / HTTP/1,1\r\n\r\n", 400),
    (b"GET / ICE/1.0\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET\r\n\r\n", 400),
    (b"GET / HTTP/1.2\r\n\r\n", 505),
    (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA\xe4: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400),
    (b"GET /" + b"a" * MAX_REQUEST_BYTES, 414),
    (b"GET / HTTP/1.1\r\nA: " + b"a" * MAX_REQUEST_BYTES, 400),
]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(("data", "status"), REFUSED)
def test_what_is_no_head(piece: int, data: bytes, status: int) -> None:
    with pytest.raises(UrlRefused) as caught:
        head_of(data, piece)
    assert caught.value.status == status


def framed(*fields: bytes, method: str = "POST", version: str = "1.1") -> RequestHead:
    pairs = [field.partition(b": ")[::2] for field in fields]
    return RequestHead(method, b"/", [(name, value) for name, value in pairs], version, True)


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (framed(method="GET"), None),
        (framed(b"Content-Length: 0"), None),
        (framed(b"content-length: 5"), 5),
        (framed(b"Content-Length: " + b"0" * 5000 + b"5"), 5),
        (framed(b"Content-Length: 7", method="GET"), 7),
        (framed(b"Content-Length: %d" % MAX_LENGTH), MAX_LENGTH),
    ],
)
def test_lengths(head: RequestHead, length: int | None) -> None:
    reader = body_of(head)
    assert (reader.left if isinstance(reader, LengthReader) else None) == length


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED"])
def test_chunked_is_the_only_coding(value: bytes) -> None:
    assert isinstance(body_of(framed(b"Transfer-Encoding: " + value)), ChunkedReader)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (framed(), 411),
        *(
            (framed(b"Content-Length: " + value), 400)
            for value in (
                *(b"", b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 5", b"5.0", b"5e0", b"0_5"),
                *(b"\xd9\xa5", b"5\x00", b"9223372036854775808", b"9" * 5000),
            )
        ),
        (framed(b"Content-Length: 5", b"Content-Length: 5"), 400),
        (framed(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
        (framed(b"Transfer-Encoding: chunked", version="1.0"), 400),
        (framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
        *(
            (framed(b"Transfer-Encoding: " + value), 400)
            for value in (b"", b", chunked", b"chunked, gzip", b'"chunked"', b"chun ked", b"a\x00")
        ),
        *(
            (framed(b"Transfer-Encoding: " + value), 501)
            for value in (b"gzip", b"xchunked", b"gzip, chunked", b"identity")
        ),
    ],
)
def test_what_is_no_length(head: RequestHead, status: int) -> None:
    with pytest.raises(UrlRefused) as caught:
        body_of(head)
    assert caught.value.status == status


def taken(data: bytes, piece: int) -> tuple[bytes, bool, bytes]:
    """What a reader of chunks makes of data: the body, whether it ended, what is left over."""
    reader, buffer, body = ChunkedReader(), bytearray(), b""
    for start in range(0, len(data), piece):
        buffer += data[start : start + piece]
        if not reader.done:
            body += reader.take(buffer)
    return body, reader.done, bytes(buffer)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    ("data", "body", "done"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello", True),
        (b"0005 \r\nhello\r\n000\r\n\r\n", b"hello", True),
        (
            b'5;a="b;c"\r\nhello\r\n1;x\r\n!\r\n0;y=z\r\nX-T: y\r\nHost: evil\r\n\r\n',
            b"hello!",
            True,
        ),
        (b"5\r\nhel", b"hel", False),
        (b"5\r\nhello\r\n0\r\n", b"hello", False),
    ],
)
def test_chunks(piece: int, data: bytes, body: bytes, done: bool) -> None:
    assert taken(data, piece) == (body, done, b"")
    if done:
        assert taken(data + b"GET /", piece) == (body, True, b"GET /")


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize(
    "data",
    [
        b"\r\nhello\r\n",
        b"zz\r\n",
        b"-1\r\n",
        b"0_5\r\n",
        b"0x5\r\n",
        b" 5\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello\r0",
        b"5\r\nhelloo",
        b"10000000000000005\r\n",
        b"ffffffffffffffff\r\n",
        b"5;a=\x00\r\n",
        b"5;" + b"a" * MAX_CHUNK_LINE,
        b"0\r\nX : y\r\n",
        b"0\r\n X: y\r\n",
        b"0\r\nX\r\n",
        b"0\r\nX: " + b"a" * MAX_TRAILERS,
        b"0\r\n" + b"X: a\r\n" * MAX_TRAILERS,
    ],
)
def test_what_are_no_chunks(piece: int, data: bytes) -> None:
    with pytest.raises(UrlRefused):
        taken(data, piece)


@given(st.binary(max_size=200), st.integers(1, 9))
def test_chunks_do_not_depend_on_packets(data: bytes, piece: int) -> None:
    def outcome(size: int) -> object:
        try:
            return taken(data, size)
        except UrlRefused:
            return None

    assert outcome(piece) == outcome(len(data) or 1)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5), st.binary(max_size=9))
def test_chunks_give_what_was_put_into_them(parts: list[bytes], rest: bytes) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n" + rest
    assert taken(data, 3) == (b"".join(parts), True, rest)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("65535", 65535),
        ("0" * 100000 + "9", 9),
        *(
            (text, None)
            for text in ("65536", "", "+1", "-1", " 1", "1_0", "1.0", "\u0665", "9" * 9000)
        ),
    ],
)
def test_bounded_numbers(text: str, number: int | None) -> None:
    assert bounded(text, 65535) == number
    if text.isascii():
        assert bounded(text.encode(), 65535) == number
