"""Any bytes in any packets: no request reaches the server that was not well-formed in the stream,
and no answer goes to another one.

The model beside the protocol reads the whole stream at once, by a grammar of its own.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from fcgiemu.http.url import UrlRefused
from fcgiemu.server.date_header import DateHeader
from fcgiemu.server.exchange import ClientGone, Exchange
from fcgiemu.server.protocol import ALLOWED, ClientConnection, ConnectionState
from fcgiemu.server.remembered_decision import RememberedDecision
from fcgiemu.server.request_building import RequestHeads
from fcgiemu.server.response_heads import KnownHead
from fcgiemu.server.spool import SpoolBudget
from fcgiemu.server.web_limits import Timers


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.sent = b""
        self.closing = self.ended = False

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def get_extra_info(self, name: str) -> Any:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        assert not self.ended and not self.closing
        self.sent += data

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class Echo:
    """Answers each request, at once or later, with what it was; bodies are waited for by some."""

    def __init__(self, later: bool) -> None:
        self.later = later
        self.seen: list[tuple[str, bytes, bytes]] = []
        self.waiting: list[Exchange] = []
        self.timers = Timers()
        self.budget = SpoolBudget()
        self.connections: set[ClientConnection] = set()
        self.request_heads = RequestHeads()
        self.date_header = DateHeader()

    def begin(self, exchange: Exchange) -> None:
        exchange.begun = 1.0
        if self.later or not exchange.body_complete:
            self.waiting.append(exchange)
        else:
            self.answer(exchange)

    def answer(self, exchange: Exchange) -> None:
        body = b""
        while (spool := exchange.collected) is not None and (part := spool.read(1 << 16)):
            body += part
        self.seen.append((exchange.method, exchange.target, body))
        number = b"%d" % len(self.seen)
        exchange.send_whole(KnownHead(200, b"HTTP/1.1 200 OK\r\nA: " + number + b"\r\nDate: "), b"")

    def go_on(self) -> None:
        """Answer what waits and can be answered; what has stopped being a request is refused."""
        for exchange in list(self.waiting):
            task = exchange.whole_body()
            try:
                task.send(None)
            except StopIteration:
                self.waiting.remove(exchange)
                self.answer(exchange)
            except UrlRefused as error:
                self.waiting.remove(exchange)
                self.refuse(exchange, error)
            except ClientGone:
                self.waiting.remove(exchange)
            else:
                task.close()

    def answer_again(self, connection: ClientConnection, kept: RememberedDecision) -> bool:
        return False

    def refuse(self, exchange: Exchange, error: UrlRefused) -> None:
        exchange.protocol.give_body_up()
        exchange.send_whole(KnownHead(400, b"HTTP/1.1 400 Bad\r\nDate: "), b"")

    def timed_out(self, exchange: Exchange | None, reason: str, limit: str) -> None:
        raise AssertionError


def get(target: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: h", *fields, "", ""]).encode()


GOOD = [
    (get("/a"), ("GET", b"/a", b"")),
    (get("/b", "Connection: Upgrade", "Upgrade: h2c"), ("GET", b"/b", b"")),
    (b"\r\n" + get("/c"), ("GET", b"/c", b"")),
    (b"FROB /d HTTP/1.1\r\nHost: h\r\n\r\n", ("FROB", b"/d", b"")),
    (
        b"POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /",
        ("POST", b"/e", b"GET /"),
    ),
    (
        b"POST /f HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\r\n\r\r\n1\r\n0\r\n0\r\nA: b\r\n\r\n",
        ("POST", b"/f", b"\r\n\r0"),
    ),
]
BAD = [
    get("/x", "A : b"),
    get("/x", "A: b\r\n c"),
    b"GET /x HTTP/1.1\nHost: h\n\n",
    b" GET /x HTTP/1.1\r\n\r\n",
    b"GET /x HTTP/2.0\r\n\r\n",
    b"POST /x HTTP/1.1\r\n\r\n",
    b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    b"\x16\x03\x01\r\n",
]


def packets(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in zip(places, places[1:], strict=False)]


def played(parts: list[bytes], later: bool) -> tuple[Echo, Transport, ClientConnection]:
    app, transport = Echo(later), Transport()

    async def run() -> ClientConnection:
        connection = ClientConnection(app, "http", asyncio.get_running_loop())
        connection.connection_made(cast(asyncio.Transport, transport))
        for part in parts:
            if transport.closing:
                break
            connection.data_received(part)
            app.go_on()
        for _ in range(50):
            app.go_on()
        return connection

    return app, transport, asyncio.run(run())


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(GOOD), max_size=6),
    st.one_of(st.none(), st.sampled_from(BAD)),
    st.lists(st.integers(0, 700), max_size=12),
    st.booleans(),
)
def test_requests_in_order_until_the_first_bad_one(
    good: list[tuple[bytes, tuple[str, bytes, bytes]]],
    bad: bytes | None,
    cuts: list[int],
    later: bool,
) -> None:
    stream = b"".join(data for data, _ in good) + (b"" if bad is None else bad + get("/after"))
    app, transport, connection = played(packets(stream, cuts), later)
    assert app.seen == [request for _, request in good]
    answers = re.findall(rb"HTTP/1.1 (\d+) \w+\r\n(?:A: (\d+))?", transport.sent)
    wanted = [(b"200", b"%d" % (number + 1)) for number in range(len(good))]
    assert answers == wanted + ([] if bad is None else [(b"400", b"")])
    assert (transport.ended or transport.closing) is (bad is not None)
    assert (connection.state is ConnectionState.HEAD) is (bad is None)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(GOOD), min_size=1, max_size=3),
    st.integers(0, 400),
    st.binary(min_size=1, max_size=3),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_a_damaged_stream_is_the_same_in_any_packets(
    good: list[tuple[bytes, tuple[str, bytes, bytes]]], place: int, damage: bytes, cuts: list[int]
) -> None:
    data = b"".join(part for part, _ in good)
    data = data[:place] + damage + data[place + len(damage) :]
    whole, cut = played([data], later=False), played(packets(data, cuts), later=False)
    assert whole[0].seen == cut[0].seen
    assert whole[1].sent.count(b"HTTP/1.1 ") == cut[1].sent.count(b"HTTP/1.1 ")


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_anything_at_all(parts: list[bytes]) -> None:
    app, transport, connection = played(parts, later=True)
    assert len(app.seen) == transport.sent.count(b"HTTP/1.1 200")
    assert connection.state in ALLOWED


def test_every_state_can_be_reached_and_left() -> None:
    reached = {ConnectionState.HEAD}.union(*ALLOWED.values())
    assert reached == set(ConnectionState)
    assert [state for state in ConnectionState if not ALLOWED[state]] == [ConnectionState.CLOSED]
