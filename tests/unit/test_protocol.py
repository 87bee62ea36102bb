"""Bytes of a connection -> requests: which ones are known again, and that none is taken for
another.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import pytest

from fcgiemu.http.framing import RequestHead
from fcgiemu.http.request import Request
from fcgiemu.http.url import UrlRefused
from fcgiemu.server.date_header import DateHeader
from fcgiemu.server.decision_cache import decide
from fcgiemu.server.exchange import Exchange
from fcgiemu.server.protocol import ClientConnection
from fcgiemu.server.request_building import RequestHeads
from fcgiemu.server.response_heads import KnownHead
from fcgiemu.server.spool import SpoolBudget
from fcgiemu.server.web_limits import Timers
from fcgiemu.site import Site

from ..sites import python_handler, web_config, write

LONG_AGO = 1_000_000_000
#: A request, and whether it was known.
Seen = tuple[str, bool]


class Transport:
    """Enough of one for a protocol that sends nothing."""

    closing = False

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)}.get(name)

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        self.closing = True

    abort = close
    pause_reading = resume_reading = write_eof = lambda self: None


class App:
    """Decides each request, and ends it at once or when it is told to."""

    def __init__(self, site: Site, at_once: bool) -> None:
        self.site = site
        self.at_once = at_once
        self.seen: list[Seen] = []
        self.exchanges: list[Exchange] = []
        self.requests: list[Request] = []
        self.timers = Timers()
        self.budget = SpoolBudget()
        self.connections: set[ClientConnection] = set()
        self.request_heads = RequestHeads()
        self.date_header = DateHeader()

    def begin(self, exchange: Exchange) -> None:
        known = exchange.kept
        try:
            self.requests.append(decide(self.site, exchange).request)
        except UrlRefused:
            assert known is None
        self.seen.append(
            (
                f"{exchange.method} {exchange.target.decode()}",
                known is not None and exchange.kept is known,
            )
        )
        self.exchanges.append(exchange)
        if self.at_once:
            self.end(exchange)

    def end(self, exchange: Exchange) -> None:
        exchange.send_whole(KnownHead(200, b"HTTP/1.1 200 OK\r\nDate: "), b"")

    def refuse(self, exchange: Exchange, error: UrlRefused) -> None:
        exchange.protocol.give_body_up()
        self.end(exchange)

    def timed_out(self, exchange: Exchange | None, reason: str, limit: str) -> None:
        raise AssertionError


def get(target: str, *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *lines, "", ""]).encode()


#: A rule may look at anything: no decision is one for other targets as well.
RULE = """<rewrite><rules><rule name="none"><match url="^none$" />
  <action type="Rewrite" url="b" /></rule></rules></rewrite>"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write(tmp_path, {"web.config": web_config(RULE + python_handler())})
    for path in (*tmp_path.rglob("*"), tmp_path):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return Site(tmp_path)


def received(site: Site, packets: list[bytes], at_once: bool = True) -> App:
    """What comes of packets on one connection."""
    app = App(site, at_once)

    async def run() -> None:
        protocol = ClientConnection(app, "http", asyncio.get_running_loop())
        protocol.connection_made(cast(asyncio.Transport, Transport()))
        for packet in packets:
            protocol.data_received(packet)

    asyncio.run(run())
    return app


A, B = get("/a"), get("/b")
LF = b"GET /a HTTP/1.1\nHost: h\n\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
BODY = get("/a", "Content-Length: 3", method="POST")
LONG = get("/a", "X: " + "x" * 5000)
UPGRADE = get("/a", "Connection: Upgrade", "Upgrade: h2c")
CASES: list[tuple[list[bytes], list[Seen]]] = [
    ([A, A, A], [("GET /a", False), ("GET /a", True), ("GET /a", True)]),
    ([A, B, A, B], [("GET /a", False), ("GET /b", False), ("GET /a", True), ("GET /b", True)]),
    (
        [A, get("/a", "X: 1"), get("/A"), get("/a?"), get("/a", method="OPTIONS")],
        [
            ("GET /a", False),
            ("GET /a", False),
            ("GET /A", False),
            ("GET /a?", False),
            ("OPTIONS /a", False),
        ],
    ),
    ([A + B, A + B, A], [("GET /a", False), ("GET /b", False)] * 2 + [("GET /a", True)]),
    ([A[:9], A[9:], A, A], [("GET /a", False), ("GET /a", True), ("GET /a", True)]),
    ([A, A[:9], A[9:], A], [("GET /a", False), ("GET /a", False), ("GET /a", True)]),
    ([A + B[:5], B[5:], A + B[:5], B[5:]], [("GET /a", False), ("GET /b", False)] * 2),
    ([A + b"\r\n", A + b"\r\n", A], [("GET /a", False), ("GET /a", False), ("GET /a", True)]),
    ([b"\r\n" + A, A, b"\r\n" + A], [("GET /a", False), ("GET /a", True), ("GET /a", False)]),
    ([b"\r\n" + A, b"GET /b HTTP/1.1\r\n" + A], [("GET /a", False)]),
    (
        [b"\r\n\r\n" + A, b"GET /b HTTP/1.1\r\n\r\n" + A],
        [("GET /a", False), ("GET /b", False), ("GET /a", False)],
    ),
    (
        [BODY + b"abc", BODY + b"abc", BODY, b"abc", A],
        [("POST /a", False)] * 3 + [("GET /a", False)],
    ),
    ([BODY[:-4], BODY[-4:], b"a", b"b", b"c" + A], [("POST /a", False), ("GET /a", False)]),
    ([BODY, A[:3], A, A], [("POST /a", False), ("GET /a", False), ("GET /a", True)]),
    ([get("/a", "Content-Length: 0")] * 2, [("GET /a", False), ("GET /a", True)]),
    ([A, LF, LF], [("GET /a", False)]),  # line feeds alone are refused
    ([LONG, LONG], [("GET /a", False)] * 2),
    ([get("/a", "Connection: close")] * 2, [("GET /a", False)]),  # what follows is nobody's
    ([get("/a", method="FOO")] * 2, [("FOO /a", False), ("FOO /a", True)]),
    ([UPGRADE, UPGRADE, A], [("GET /a", False)] * 3),
    ([UPGRADE + B, UPGRADE + B], [("GET /a", False), ("GET /b", False)] * 2),
    ([get("/a%zz"), get("/a%zz")], [("GET /a%zz", False)] * 2),
    ([get("/a", "Host: i")] * 2, [("GET /a", False)] * 2),
]


@pytest.mark.parametrize(("packets", "seen"), CASES)
def test_the_same_bytes_are_the_same_request(
    site: Site, packets: list[bytes], seen: list[Seen]
) -> None:
    assert received(site, packets).seen == seen


PLAIN = get("/a", "Connection: Upgrade")
OTHER = get("/a", "Connection: Upgrade", "Upgrade: foo")
OWN = get("/b", "X: own")


@pytest.mark.parametrize(
    "packets",
    [
        [UPGRADE, OTHER, OWN, OWN],
        [UPGRADE, PLAIN, OTHER, PLAIN, OWN],
        [PLAIN, UPGRADE, UPGRADE, OWN],
        [UPGRADE, UPGRADE[:20], UPGRADE[20:], OWN, UPGRADE],
        [UPGRADE, OTHER, BODY + b"abc", OWN],
        [get("/a", "Connection: Upgrade", "Upgrade: h2c", method="FOO"), OTHER, OWN],
        [UPGRADE + OWN, OTHER + OWN, UPGRADE],
    ],
)
def test_each_request_has_its_own_headers(site: Site, packets: list[bytes]) -> None:
    """Also where an Upgrade is asked for, behind which a parser would stop (found by a fuzzer)."""
    wanted = [
        line.partition(b": ")[::2] for line in b"".join(packets).split(b"\r\n") if b": " in line
    ]
    assert [
        pair for exchange in received(site, packets).exchanges for pair in exchange.headers
    ] == wanted


def test_requests_that_come_before_the_answer_wait(site: Site) -> None:
    app = received(site, [A, A, B, A], at_once=False)
    for number in range(4):
        assert len(app.exchanges) == number + 1
        app.end(app.exchanges[-1])
    assert app.seen == [("GET /a", False), ("GET /a", False), ("GET /b", False), ("GET /a", False)]


def test_a_request_that_is_known_is_the_same_request(site: Site) -> None:
    packet = get("/a?b=c", "Cookie: x=y", "X-A: 1", "X-A: 2", method="DELETE")
    first, second = received(site, [packet, packet]).exchanges
    for name in (
        "method",
        "target",
        "headers",
        "version",
        "keep_alive",
        "has_body",
        "body_complete",
    ):
        assert getattr(first, name) == getattr(second, name), name


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("GET /new?a=%20b HTTP/1.1", True),
        ("GET / HTTP/1.1", True),
        ("HEAD /a HTTP/1.1", False),
        ("get /a HTTP/1.1", False),
        ("GET /a HTTP/1.0", False),
        ("GET http://h/a HTTP/1.1", False),
        ("GET  /a HTTP/1.1", False),
        ("GET /\xe9 HTTP/1.1", False),
        ("GET /a b HTTP/1.1", False),
        ("GET /a#b HTTP/1.1", False),
        ("GET /a HTTP/1.1 ", False),
        ("", False),
    ],
)
def test_headers_that_come_again_are_known_below_plain_lines_only(
    site: Site, line: str, known: bool
) -> None:
    (first,) = received(site, [A]).exchanges
    rest = A.partition(b"\r\n")[2]
    found = first.protocol.decisions.recall(line.encode() + b"\r\n" + rest)
    assert (found is not None) is known
    if found is not None:
        assert found == (
            RequestHead("GET", line.split()[1].encode(), [(b"Host", b"h")], "1.1", True),
            None,
        )
    assert first.protocol.decisions.recall(line.encode() + b"\r\nX: y\r\n" + rest) is None


@pytest.mark.parametrize("target", ["/a?d", "/e", "/e?d", "/a"])
@pytest.mark.parametrize(
    "line",
    [
        "HEAD /a HTTP/1.1",
        "OPTIONS /a?c HTTP/1.1",
        "GET http://i/a?c HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ],
)
def test_the_same_headers_below_another_method_or_host(
    tmp_path: Path, line: str, target: str
) -> None:
    """A GET is not a HEAD because it has its headers, nor is an absolute URL's host that of all."""
    write(tmp_path, {"web.config": web_config(python_handler())})
    other = line.encode() + A[A.index(b"\r\n") :]
    app = received(Site(tmp_path), [get("/a?b"), other, get(target), other, get(target)])
    plain, odd = ("GET", "h", target), (line.split()[0], "i" if "//i" in line else "h")
    made = [(request.method, request.host, request.target.raw) for request in app.requests]
    assert made[2::2] == [plain, plain]
    assert [entry[:2] for entry in made[1::2]] == [odd, odd]
