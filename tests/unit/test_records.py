"""The FastCGI codec: whole, byte by byte, cut at every boundary, and with garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.fastcgi import records
from fcgiemu.fastcgi.cgi import MAX_HEADER_BLOCK, BadHeaders, HeadReader, parse
from fcgiemu.fastcgi.records import ProtocolError, Record, RecordReader

from ..fastcgi_pairs import decoded

STREAM = (
    records.encode(records.STDOUT, 1, b"Status: 200 OK\r\n\r\n")
    + records.encode(records.STDOUT, 1)
    + records.encode(records.STDERR, 1, b"e" * 300)
    + b"\x01\x06\x00\x01\x00\x01\x07\x00x"
    + b"p" * 7
    + records.encode(records.END_REQUEST, 1, b"\0" * 8)
)
RECORDS: list[Record] = [
    (6, 1, b"Status: 200 OK\r\n\r\n"),
    (6, 1, b""),
    (7, 1, b"e" * 300),
    (6, 1, b"x"),
    (3, 1, b"\0" * 8),
]


def feed(parts: list[bytes]) -> list[Record]:
    reader = RecordReader()
    found: list[Record] = []
    for part in parts:
        reader.feed(part, lambda *record: found.append(record))
    assert reader.pending == 0
    return found


def params(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return records.encode_params(1, [records.encode_pair(name, value) for name, value in pairs])


def test_whole_and_byte_by_byte() -> None:
    assert feed([STREAM]) == RECORDS
    assert feed([STREAM[index : index + 1] for index in range(len(STREAM))]) == RECORDS


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_cut_at_every_boundary(cut: int) -> None:
    assert feed([STREAM[:cut], STREAM[cut:]]) == RECORDS


def test_another_version_is_refused() -> None:
    with pytest.raises(ProtocolError):
        RecordReader().feed(b"\x02" + b"\0" * 7, lambda *record: None)


def test_what_is_whole_counts_before_what_is_wrong() -> None:
    """Found by the fuzzer: a complete response was lost to garbage that came in the same packet."""
    found: list[Record] = []
    with pytest.raises(ProtocolError):
        RecordReader().feed(STREAM + b"\0" * 8, lambda *record: found.append(record))
    assert found == RECORDS


@given(st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=20))
def test_pairs_come_back(pairs: list[tuple[bytes, bytes]]) -> None:
    *contents, last = [content for _, _, content in feed([params(pairs)])]
    assert last == b""
    assert decoded(b"".join(contents)) == pairs


@given(st.lists(st.integers(0, 40000), min_size=1, max_size=8))
def test_no_pair_is_split_over_records(sizes: list[int]) -> None:
    pairs = [(b"N%d" % index, b"v" * size) for index, size in enumerate(sizes)]
    found = [pair for _, _, content in feed([params(pairs)]) for pair in decoded(content)]
    assert found == pairs


def test_a_pair_longer_than_a_record_is_refused() -> None:
    with pytest.raises(ProtocolError, match="longer than a FastCGI record"):
        params([(b"HTTP_COOKIE", b"x" * 65536)])


@given(st.binary(max_size=200))
def test_only_protocol_errors_escape(data: bytes) -> None:
    for read in (
        lambda given: RecordReader().feed(given, lambda *record: None),
        records.decode_end,
    ):
        try:
            read(data)  # type: ignore[operator]
        except ProtocolError:
            pass


@given(st.binary(max_size=200000))
def test_streams_come_back(data: bytes) -> None:
    assert (
        b"".join(content for _, _, content in feed([records.encode_stream(records.STDIN, 1, data)]))
        == data
    )


@pytest.mark.parametrize(
    ("block", "status", "reason", "headers"),
    [
        (b"Status: 404 Not Here\r\nA: b", 404, "Not Here", [("A", "b")]),
        (b"A: b\nC: d", 200, "OK", [("A", "b"), ("C", "d")]),
        (b"Status: 204", 204, "No Content", []),
        (b"Location: /x", 302, "Redirect", [("Location", "/x")]),
        (b"Status: 201 Made\r\nLocation: /x", 201, "Made", [("Location", "/x")]),
        (b"no colon\r\n bad: x\r\nGood: y\r\nSp ace: z", 200, "OK", [("bad", "x"), ("Good", "y")]),
    ],
)
def test_header_blocks(
    block: bytes, status: int, reason: str, headers: list[tuple[str, str]]
) -> None:
    head = parse(block)
    assert (head.status, head.reason, list(head.headers)) == (status, reason, headers)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"no header",
        b"Status: abc",
        b"Status: 7",
        b"Status: 99 x",
        b"Content-Length: abc",
        b"Content-Length: 1\r\nContent-Length: 2",
    ],
)
def test_bad_status(block: bytes) -> None:
    with pytest.raises(BadHeaders):
        parse(block)


@pytest.mark.parametrize("cut", range(24))
def test_the_head_may_come_in_any_portions(cut: int) -> None:
    data = b"Status: 200 OK\r\n\r\nbody"
    reader = HeadReader()
    body = reader.feed(data[:cut]) + reader.feed(data[cut:])
    assert reader.head is not None and reader.head.status == 200 and body == b"body"


def test_headers_without_end_are_bounded() -> None:
    reader = HeadReader()
    with pytest.raises(BadHeaders):
        for _ in range(MAX_HEADER_BLOCK // 1000 + 2):
            reader.feed(b"X: " + b"y" * 1000)


# -- a whole answer in one piece -------------------------------------------------------------------

ENDED = records.encode(records.END_REQUEST, 3, bytes(8))
OUTPUT = records.encode(records.STDOUT, 3, b"Status: 200\r\n\r\nbody")
STDOUT_ENDS = records.end_of_stream(records.STDOUT, 3)
WHOLE = {
    "one record of output": (OUTPUT + STDOUT_ENDS + ENDED, b"Status: 200\r\n\r\nbody"),
    "two": (OUTPUT + OUTPUT + STDOUT_ENDS + ENDED, None),
    "none": (STDOUT_ENDS + ENDED, None),
    "no end of the stream": (OUTPUT + ENDED, None),
    "more behind it": (OUTPUT + STDOUT_ENDS + ENDED + b"\1", None),
    "cut short": ((OUTPUT + STDOUT_ENDS + ENDED)[:-1], None),
    "STDERR": (records.encode(records.STDERR, 3, b"x") + STDOUT_ENDS + ENDED, None),
    "of another request": (
        records.renumbered(OUTPUT, 4) + records.renumbered(STDOUT_ENDS + ENDED, 4),
        None,
    ),
    "the end of another one": (OUTPUT + STDOUT_ENDS + records.renumbered(ENDED, 4), None),
    "a status": (
        OUTPUT + STDOUT_ENDS + records.encode(records.END_REQUEST, 3, b"\0\0\0\1" * 2),
        None,
    ),
    "another version": (b"\2" + (OUTPUT + STDOUT_ENDS + ENDED)[1:], None),
    "an end within the output": (
        records.encode(records.STDOUT, 3, b"x" + STDOUT_ENDS + ENDED),
        None,
    ),
    "nothing": (b"", None),
}


@pytest.mark.parametrize(("data", "output"), WHOLE.values(), ids=WHOLE)
def test_only_output(data: bytes, output: bytes | None) -> None:
    assert records.only_output(data, 3) == output


@pytest.mark.parametrize("size", [0, 1, 300, 70_000, 200_000])
def test_renumbered(size: int) -> None:
    pairs = [records.encode_pair(b"N", b"x" * (size // 4)) for _ in range(4)]
    stream = records.encode_params(records.REQUEST_ID, pairs)
    assert records.renumbered(stream, 0xABCD) == records.encode_params(0xABCD, pairs)
