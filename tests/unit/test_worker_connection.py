"""The worker's side of FastCGI: what it reads of any stream, and what it writes."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest
from flup.server.fcgi_single import WSGIServer
from hypothesis import given
from hypothesis import strategies as st

from fcgiemu.fastcgi import records
from fcgiemu.fastcgi.records import Record, RecordReader, encode, encode_pair
from fcgiemu.worker import connection as worker
from fcgiemu.worker import environ
from fcgiemu.worker.connection import Connection, Request

Pairs = dict[str, str]


def request(
    number: int, pairs: Pairs, body: bytes = b"", keeps: bool = True, end: bool = True
) -> bytes:
    """A whole request as the server sends it."""
    encoded = [encode_pair(name.encode(), value.encode()) for name, value in pairs.items()]
    return (
        records.encode_begin(number, keeps)
        + records.encode_params(number, encoded)
        + records.encode_stream(records.STDIN, number, body)
        + (encode(records.STDIN, number) if end else b"")
    )


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    with ours, theirs:
        yield ours, theirs


class Server(WSGIServer):
    """flup's server with an answer of the test's."""

    def __init__(self, answer: Callable[[Request], None]) -> None:
        super().__init__(None)
        self.handler = answer


def answered(
    pair: tuple[socket.socket, socket.socket],
    sent: bytes,
    answer: Callable[[Request], None] = lambda request: request.end(0),
) -> list[Record]:
    """The records that a worker sends while it reads ``sent``."""
    ours, theirs = pair
    ours.sendall(sent)
    ours.shutdown(socket.SHUT_WR)
    Connection(theirs, Server(answer)).run()
    found: list[Record] = []
    reader = RecordReader()
    while data := ours.recv(1 << 16):
        reader.feed(data, lambda *record: found.append(record))
    assert not reader.pending
    return found


def end(number: int) -> list[Record]:
    return [(records.STDOUT, number, b""), (records.END_REQUEST, number, bytes(8))]


STREAMS = {
    "one": (request(1, {"A": "1"}, b"body"), [("1", b"body")]),
    "two": (request(1, {"A": "1"}) + request(2, {"A": "2"}, b"x"), [("1", b""), ("2", b"x")]),
    "a new one takes the place of one that was given up": (
        request(1, {"A": "1"}, b"part", end=False) + request(2, {"A": "2"}),
        [("2", b"")],
    ),
    "records of another are dropped": (
        records.encode_begin(1)
        + encode(records.PARAMS, 9, encode_pair(b"A", b"9"))
        + encode(records.PARAMS, 1, encode_pair(b"A", b"1"))
        + encode(records.PARAMS, 1)
        + encode(records.STDIN, 9, b"no")
        + encode(records.STDIN, 1, b"yes")
        + encode(records.DATA, 1, b"no")
        + encode(records.STDIN, 1),
        [("1", b"yes")],
    ),
    "a pair may span records": (
        records.encode_begin(1)
        + encode(records.PARAMS, 1, encode_pair(b"A", b"long")[:4])
        + encode(records.PARAMS, 1, encode_pair(b"A", b"long")[4:])
        + encode(records.PARAMS, 1)
        + encode(records.STDIN, 1),
        [("long", b"")],
    ),
    "no second one where the connection is not kept": (
        request(1, {"A": "1"}, keeps=False) + request(2, {"A": "2"}),
        [("1", b"")],
    ),
    "the end of STDIN before the parameters": (
        records.encode_begin(1) + encode(records.STDIN, 1),
        [],
    ),
    "cut short": (request(1, {"A": "1"}, b"body")[:-1], []),
    "not FastCGI": (b"GET / HTTP/1.1\r\n\r\n", []),
    "a short BEGIN": (encode(records.BEGIN_REQUEST, 1, b"\0\1"), []),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("sent", "asked"), STREAMS.values(), ids=STREAMS)
def test_requests(
    pair: tuple[socket.socket, socket.socket], sent: bytes, asked: list[tuple[str, bytes]]
) -> None:
    found = []

    def answer(request: Request) -> None:
        found.append((request.environ["A"], request.body.read()))
        request.end(0)

    answered(pair, sent, answer)
    assert found == asked


def test_requests_in_single_bytes(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    sent = request(1, {"A": "1"}, b"body") + request(2, {"A": "2"}, b"more")
    parts = [sent[place : place + 1] for place in range(len(sent))] + [b""]

    class InBytes:
        def recv(self, size: int) -> bytes:
            return parts.pop(0) if parts else b""

        def fileno(self) -> int:
            return ours.fileno()

        def __getattr__(self, name: str) -> object:
            return getattr(theirs, name)

    theirs.sendall(b"readable")
    found = []

    def answer(request: Request) -> None:
        found.append(request.body.read())

    Connection(InBytes(), Server(answer)).run()
    assert found == [b"body", b"more"]


def test_headers_and_body_leave_as_one_record(pair: tuple[socket.socket, socket.socket]) -> None:
    def answer(request: Request) -> None:
        for part in (b"Status: 200\r\n\r\n", b"", b"one", b"two"):
            request.write(part)
        request.end(0)

    assert answered(pair, request(7, {}), answer) == [
        (records.STDOUT, 7, b"Status: 200\r\n\r\nonetwo"),
        *end(7),
    ]


def test_what_is_flushed_leaves_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    def answer(request: Request) -> None:
        request.write(b"one")
        request.flush()
        request.flush()
        request.write(b"two")
        request.write_error(b"wrong")
        request.end(1)

    assert answered(pair, request(1, {}), answer) == [
        (records.STDOUT, 1, b"one"),
        (records.STDOUT, 1, b"two"),
        (records.STDERR, 1, b"wrong"),
        (records.STDERR, 1, b""),
        (records.STDOUT, 1, b""),
        (records.END_REQUEST, 1, bytes((0, 0, 0, 1, 0, 0, 0, 0))),
    ]


def test_much_output_is_several_records(pair: tuple[socket.socket, socket.socket]) -> None:
    found = answered(
        pair, request(1, {}), lambda request: (request.write(b"x" * 150_000), request.end(0))
    )
    assert [len(content) for _, _, content in found] == [65535, 65535, 18930, 0, 8]


def test_management_records(pair: tuple[socket.socket, socket.socket]) -> None:
    asked = encode_pair(b"FCGI_MPXS_CONNS", b"") + encode_pair(b"OTHER", b"")
    sent = encode(records.GET_VALUES, 0, asked) + encode(42, 0, b"?")
    assert answered(pair, sent) == [
        (records.GET_VALUES_RESULT, 0, encode_pair(b"FCGI_MPXS_CONNS", b"0")),
        (records.UNKNOWN_TYPE, 0, bytes((42, 0, 0, 0, 0, 0, 0, 0))),
    ]


def test_a_large_body_is_in_a_file(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BODY_IN_MEMORY", 1000)
    sent = b"".join(bytes([number]) * 500 for number in range(5))
    parts = b"".join(encode(records.STDIN, 1, sent[at : at + 500]) for at in range(0, 2500, 500))
    whole = request(1, {}, end=False) + parts + encode(records.STDIN, 1)
    found = []

    def answer(request: Request) -> None:
        body = request.body
        found.extend([type(body).__name__, body.read(3), body.getvalue(), body.read(), body.read()])
        request.body.close()
        request.end(0)

    answered(pair, whole, answer)
    assert found == ["LargeBody", sent[:3], sent, sent[3:], b""]


# -- parameters that resemble the last ones --------------------------------------------------------

NAMES = st.sampled_from(["PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "REMOTE_PORT", "A", "N" * 130])
VALUES = st.sampled_from(["", "/", "/ä", "x" * 127, "y" * 128, "z" * 300]) | st.text(max_size=3)


def stream(pairs: list[tuple[str, str]]) -> bytes:
    return b"".join(encode_pair(name.encode(), value.encode()) for name, value in pairs)


@given(st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=6), max_size=12))
def test_what_is_remembered_changes_nothing(streams: list[list[tuple[str, str]]]) -> None:
    decoder = environ.Decoder()
    for pairs in streams:
        data = stream(pairs)
        made, plain = decoder.decoded(data), environ.decoded(data)
        assert list(made.items()) == list(plain.items())
        made["X"] = "the site's own"


@given(st.lists(VALUES, min_size=1), st.integers(1, 20), st.binary(max_size=2))
def test_a_broken_stream_is_broken_as_well(values: list[str], cut: int, more: bytes) -> None:
    decoder = environ.Decoder()
    for value in values:
        data = stream([("A", "1"), ("PATH_INFO", value), ("LAST", value)])
        decoder.decoded(data)
        broken = data[:-cut] + more
        assert outcome(decoder.decoded, broken) == outcome(environ.decoded, broken)


def outcome(decode: Callable[[bytes], object], data: bytes) -> object:
    try:
        return decode(data)
    except (IndexError, struct.error) as error:
        return type(error)


def test_a_known_stream_is_filled_in() -> None:
    decoder = environ.Decoder()
    for number in range(3):
        decoder.decoded(stream([("A", "1"), ("QUERY_STRING", f"n={number}"), ("Z", "1")]))
    (template,) = decoder._templates
    made = template.fill(stream([("A", "1"), ("QUERY_STRING", "n=9"), ("Z", "1")]))
    assert made == {"A": "1", "wsgi.query_string": b"n=9", "QUERY_STRING": "n=9", "Z": "1"}


def test_few_kinds_are_remembered() -> None:
    decoder = environ.Decoder()
    for number in range(20):
        decoder.decoded(stream([(f"HTTP_{number}", "1")]))
    assert len(decoder._templates) == environ.TEMPLATES
