"""Heads that are known go out as those that are made: the same bytes, the same end of the
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from fcgiemu.decision import Decision
from fcgiemu.fastcgi import cgi
from fcgiemu.http.framing import RequestHead
from fcgiemu.http.request import make_request
from fcgiemu.http.response import Response
from fcgiemu.modules import sending
from fcgiemu.server import response_heads
from fcgiemu.server.exchange import Exchange
from fcgiemu.server.protocol import ClientConnection
from fcgiemu.server.spool import SpoolBudget
from fcgiemu.site import Site

from ..sites import python_handler, web_config

DATE = b"Tue, 24 Nov 2026 12:00:00 GMT"
OUTBOUND = (
    '<rewrite><outboundRules><rule name="r"><match serverVariable="RESPONSE_X" pattern=".*" />'
    '<action type="Rewrite" value="y" /></rule></outboundRules></rewrite>'
)


def custom(name: str, value: str) -> str:
    return f'<httpProtocol><customHeaders><add name="{name}" value="{value}" /></customHeaders></httpProtocol>'


class FakeConnection:
    """A protocol and its transport, as an exchange needs them."""

    def __init__(self) -> None:
        self.transport = self
        self.write_paused = False
        self.app = SimpleNamespace(budget=SpoolBudget())
        self.exchange: Exchange
        self.sent = b""
        self.closed = False
        self.completed = 0

    def write(self, data: bytes) -> None:
        self.sent += data

    def date(self) -> bytes:
        return DATE

    def answered(self) -> None:
        self.completed += 1
        self.closed = not self.exchange.keep_alive


def outcome(
    send: Callable[[Exchange], None], keep_alive: bool
) -> tuple[bytes, bool, int, int, int]:
    connection = FakeConnection()
    exchange = Exchange(
        cast(ClientConnection, connection), RequestHead("GET", b"/x", [], "1.1", keep_alive)
    )
    connection.exchange = exchange
    send(exchange)
    assert exchange.response_complete and exchange.started
    return (
        connection.sent,
        connection.closed,
        connection.completed,
        exchange.status,
        exchange.bytes_sent,
    )


def made(decision: Decision, block: bytes, body: bytes) -> Callable[[Exchange], None]:
    """The way of a response that is made each time."""
    head = cgi.parse(block)
    response = sending.send(decision, Response(head.status, head.reason, list(head.headers), body))
    if not response.header("content-length"):
        response.headers.append(("Content-Length", str(len(body))))
    return lambda exchange: asyncio.run(exchange.respond(response))


KNOWN = [
    (b"Status: 200 OK\r\nContent-Type: text/plain", b"body"),
    (b"Status: 200 OK\nContent-Type: text/plain", b""),
    (b"Status: 299 Fine with me\r\nContent-Length: 4", b"body"),
    (b"Location: /y", b""),
    (
        b"Content-Type: text/html\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nCache-Control: no-store",
        b"body",
    ),
    (b"Status: 200 OK\r\nServer: mine\r\nDate: never\r\nConnection: close\r\nX: y", b"body"),
    (b"Status: 200 \xe9\r\nX: caf\xe9 \xff\r\nno header at all\r\nB d: x", b"\xff\x00"),
]


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    "section",
    [
        "",
        custom("X-Site", "y"),
        custom("Cache-Control", "max-age=1"),
        '<security><requestFiltering removeServerHeader="true" /></security>',
    ],
)
@pytest.mark.parametrize(("block", "body"), KNOWN)
def test_a_known_head_is_the_head(
    make_site: Callable[..., Site], block: bytes, body: bytes, section: str, keep_alive: bool
) -> None:
    site = make_site({"web.config": web_config(python_handler() + section)})
    decision = site.decide(make_request("/x"))
    known = response_heads.find(site.effective("/x"), block, len(body), keep_alive)
    assert (
        known is not None
        and response_heads.find(site.effective("/x"), block, len(body), keep_alive) is known
    )
    assert outcome(lambda exchange: exchange.send_whole(known, body), keep_alive) == outcome(
        made(decision, block, body), keep_alive
    )


@pytest.mark.parametrize(
    ("block", "section"),
    [
        (b"Status: 404 Not Found\r\nX: y", ""),
        (b"Status: 500\r\nX: y", ""),
        (b"Status: 204 No Content", ""),
        (b"Status: 304", ""),
        (b"Content-Length: 3", ""),
        (b"Content-Length: 04", ""),
        (b"X: y", OUTBOUND),
        (b"X: y", custom("Connection", "close")),
        (b"X: y", custom("Connection", "4")),
    ],
)
def test_what_needs_more_than_a_head(
    make_site: Callable[..., Site], block: bytes, section: str
) -> None:
    site = make_site({"web.config": web_config(python_handler() + section)})
    for _ in range(2):
        assert response_heads.find(site.effective("/x"), block, 4, True) is None


@pytest.mark.parametrize("block", [b"", b"no header", b"Status: 99 X", b"Content-Length: x"])
def test_bad_heads_are_none(make_site: Callable[..., Site], block: bytes) -> None:
    effective = make_site({"web.config": web_config(python_handler())}).effective("/x")
    for _ in range(2):
        with pytest.raises(cgi.BadHeaders):
            response_heads.find(effective, block, 0, True)


def test_the_memory_is_bounded_and_goes_with_the_configuration(
    make_site: Callable[..., Site],
) -> None:
    site = make_site({"web.config": web_config(python_handler())})
    effective = site.effective("/x")
    for number in range(response_heads.KEPT + 10):
        response_heads.find(effective, b"X: %d" % number, 0, True)
    response_heads.find(effective, b"X: " + b"x" * response_heads.LONGEST, 0, True)
    assert effective.view(response_heads.ConfigurationHeads).remembered.cache_info()[1:] == (
        response_heads.KEPT + 10,
        response_heads.KEPT,
        response_heads.KEPT,
    )
    (site.path / "web.config").write_text(web_config(python_handler() + custom("X-New", "y")))
    site.tree.invalidate()
    fresh = response_heads.find(site.effective("/x"), b"X: 1", 0, True)
    assert fresh is not None and b"X-New: y" in fresh.data


@pytest.mark.parametrize(
    ("status", "headers", "lines"),
    [
        (200, [("Content-Length", "2"), ("content-length", "2")], ["Content-Length: 2"]),
        (200, [("Content-Length", "2"), ("Content-Length", "3")], ["Content-Length: 2"]),
        (200, [("Content-Length", "0" * 5000 + "2")], ["Content-Length: 2"]),
        (200, [("Content-Length", "9" * 5000)], ["Transfer-Encoding: chunked"]),
        (200, [("Content-Length", "-1")], ["Transfer-Encoding: chunked"]),
        (200, [("Transfer-Encoding", "gzip")], ["Transfer-Encoding: chunked"]),
        (200, [("Content-Length", "2"), ("Transfer-Encoding", "chunked")], ["Content-Length: 2"]),
        (204, [("Content-Length", "2")], []),
        (304, [("Content-Length", "2")], ["Content-Length: 2"]),
        (
            200,
            [("Content-Length", "2"), ("X", "a\r\n b\r\nSet-Cookie: c")],
            ["Content-Length: 2", "X: a b Set-Cookie: c"],
        ),
        (
            200,
            [("Content-Length", "2"), ("X", "a\0b\x1bc\td")],
            ["Content-Length: 2", "X: a b c\td"],
        ),
        (
            200,
            [("Content-Length", "2"), ("X Y", "a"), ("", "b"), ("X\r\nY", "c")],
            ["Content-Length: 2"],
        ),
        (200, [("Content-Length", "2"), ("Keep-Alive", "5")], ["Content-Length: 2"]),
    ],
)
def test_a_head_says_one_thing(
    status: int, headers: list[tuple[str, str]], lines: list[str]
) -> None:
    connection = FakeConnection()
    exchange = Exchange(
        cast(ClientConnection, connection), RequestHead("GET", b"/x", [], "1.1", True)
    )
    connection.exchange = exchange
    asyncio.run(exchange.respond(Response(status, "OK", headers, b"ab")))
    head, _, body = connection.sent.partition(b"\r\n\r\n")
    assert head.decode("latin-1").split("\r\n") == [
        f"HTTP/1.1 {status} OK",
        *lines,
        f"Date: {DATE.decode()}",
    ]
    assert body == (
        b""
        if status in (204, 304)
        else b"2\r\nab\r\n0\r\n\r\n"
        if "Transfer-Encoding: chunked" in lines
        else b"ab"
    )


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "Transfer-Encoding"])
def test_custom_headers_do_not_say_where_an_answer_ends(
    make_site: Callable[..., Site], name: str
) -> None:
    site = make_site({"web.config": web_config(python_handler() + custom(name, "5"))})
    known = response_heads.find(site.effective("/x"), b"X: y", 4, True)
    assert known is not None and known.data.count(b"Content-Length: 4\r\n") == 1
    assert b": 5" not in known.data
