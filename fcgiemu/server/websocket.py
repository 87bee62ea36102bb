"""WebSockets: a request to upgrade goes to the process of <httpPlatform>, or to the server that a
rule names, and when that agrees the two connections become one; nothing else here can answer one.
What it answers in place of a 101 is the response.

Frames are not looked at. The handshake is between the client and the other side, with its
subprotocols and extensions; what follows passes at once, in both directions, and each side is read
no faster than the other one takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, cast
from urllib.parse import SplitResult, urlsplit

import httptools

from ..decision import Decision, Proxy
from ..http.request import Request
from ..http.response import Header, Response
from ..modules import application_request_routing as routing
from ..modules import web_socket
from . import long_searches, response_heads
from .application_request_routing import (
    E_CONNECTION_ERROR,
    E_WINHTTP_TIMEOUT,
    Backend,
    Forwarder,
    address,
    backend_of,
    code_of,
    target,
)
from .exchange import ClientGone, Exchange, Peer, Phase
from .forwarded_request import HOP_BY_HOP, request_headers

#: Bytes that the answer to a request to upgrade may have before its body, and those of the body
#: of a refusal.  # our own
MAX_ANSWER = 65536
MAX_REFUSAL = 1 << 20
#: Seconds in which a process has to answer a request to upgrade.  # inferred: requestTimeout
UPGRADE_SECONDS = 120.0
_UPGRADE = ("Connection", "Upgrade")


def is_asked_for(request: Request) -> bool:
    """Whether a request wants its connection to become a WebSocket (RFC 6455, 4.1)."""
    return (
        request.method == "GET"
        and request.protocol == "HTTP/1.1"
        and request.fields.get("upgrade", "").lower() == "websocket"
        and "upgrade" in request.fields.get("connection", "").lower()
        and request.body_length is None
    )


def are_enabled(decision: Decision) -> bool:
    """Whether the site upgrades connections at all: <webSocket> says so, and its module is loaded.
    Without that a request to upgrade is one like any other.  # inferred
    """
    return decision.effective.view(web_socket.enabled)


class Connect(Protocol):
    """Makes a connection to the other side. Raises OSError."""

    async def __call__(self, protocol: Callable[[], WebSocketUpstream]) -> WebSocketUpstream: ...


@dataclass(frozen=True, slots=True)
class Other:
    """The other side of a WebSocket: how it is reached, what it is asked, and for how many
    seconds.
    """

    connect: Connect
    head: bytes
    seconds: float
    backend: Backend


async def relay_foreign(
    exchange: Exchange, decision: Decision, action: Proxy, forwarder: Forwarder
) -> None:
    """Connect the client with the server that a rule names, as Application Request Routing does.

    ARR knows no extensions: where the two agree on one (browsers offer permessage-deflate), the
    connection breaks (measured). Here the offer is left out; --strict passes it on, and the
    connection fails with 502.5.
    """
    routed = await forwarder.routed(exchange, decision, action)
    if routed is None:
        return
    decision = replace(decision, action=routed)
    url = urlsplit(forwarder.connect(target(decision, address(routed))))
    headers = request_headers(decision, routed, forwarder.tls)
    if not decision.site.settings.strict:
        headers = forwarder.without_extensions(headers)
    head = upgrade_head(f"{url.path}?{url.query}" if url.query else url.path, [*headers, _UPGRADE])
    seconds = routing.forwarding(decision.effective, routed).timeout
    other = Other(_there(url), head, seconds, backend_of(routed))
    try:
        await join(exchange, decision, other, forwarder)
    finally:
        forwarder.answered(decision, routed, exchange)


def _there(url: SplitResult) -> Connect:
    """How the server of a URL is reached."""
    tls = url.scheme == "https"

    async def connect(protocol: Callable[[], WebSocketUpstream]) -> WebSocketUpstream:
        _, made = await asyncio.get_running_loop().create_connection(
            protocol, url.hostname or "", url.port or (443 if tls else 80), ssl=tls or None
        )
        return made

    return connect


async def join(exchange: Exchange, decision: Decision, other: Other, forwarder: Forwarder) -> None:
    """Ask the other side, and join the two connections where it agrees."""
    try:
        async with asyncio.timeout(other.seconds):
            upstream = await other.connect(WebSocketUpstream)
    except TimeoutError:
        message, hint = other.backend.too_late(decision, other.seconds)
        await forwarder.fail(exchange, decision, message, E_WINHTTP_TIMEOUT, hint)
        return
    except OSError as error:
        message = f"{other.backend.name} does not answer: {error}"
        await forwarder.fail(exchange, decision, message, code_of(error))
        return
    try:
        answer = await _asked(exchange, upstream, other)
    except TimeoutError:
        upstream.close()
        message, hint = other.backend.too_late(decision, other.seconds)
        await forwarder.fail(exchange, decision, message, E_WINHTTP_TIMEOUT, hint)
        return
    if answer is None:
        upstream.close()
        message = f"{other.backend.name} does not answer a request to upgrade"
        await forwarder.fail(exchange, decision, message, E_CONNECTION_ERROR)
        return
    if isinstance(decision.action, Proxy):
        answer.headers = routing.front_headers(decision, answer.headers)
    if answer.status != 101:
        upstream.close()
        await exchange.respond(await long_searches.sent(decision, answer))
    elif isinstance(decision.action, Proxy) and answer.header("sec-websocket-extensions"):
        upstream.close()
        message = (
            f"{other.backend.name} requires the WebSocket extension that the client has offered"
        )
        hint = "Let a rule set HTTP_SEC_WEBSOCKET_EXTENSIONS to nothing: ARR knows no extensions."
        await forwarder.fail(exchange, decision, message, 0, hint, substatus=5)
    else:
        await _joined(exchange, upstream, answer)


async def _asked(exchange: Exchange, upstream: WebSocketUpstream, other: Other) -> Response | None:
    """What the other side answers; None where that is not HTTP. Raises ClientGone, TimeoutError."""
    exchange.when_lost = upstream.close
    try:
        upstream.write(other.head)
        async with asyncio.timeout(other.seconds):
            answer = await upstream.answer()
    finally:
        exchange.when_lost = None
    if exchange.disconnected:
        upstream.close()
        raise ClientGone
    return answer


async def _joined(exchange: Exchange, upstream: WebSocketUpstream, answer: Response) -> None:
    """The client's connection and the process's as one, until either of them ends."""
    exchange.phase, exchange.status, exchange.keep_alive = Phase.STARTED, 101, False
    connection = exchange.protocol
    headers = [pair for pair in answer.headers if pair[0].lower() != "date"]
    data = response_heads.encoded(101, "Switching Protocols", headers)
    connection.write(b"%b%b\r\n\r\n" % (data, connection.date()))
    exchange.bytes_sent = await upstream.join(connection)
    exchange.phase = Phase.OVER


def upgrade_head(target: str, headers: list[Header]) -> bytes:
    """The head of the request to upgrade, as the other side gets it."""
    lines = [f"GET {target} HTTP/1.1", "Upgrade: websocket"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class WebSocketUpstream(asyncio.Protocol):
    """The connection to the other side: first its answer is read, then bytes pass through."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._response = Response(0, "")
        self._answer: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: What has come of the head; behind a 101 what is for the client already.
        self._early = bytearray()
        self._client: Peer | None = None
        self._read_paused = False
        self._passed = 0

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._pass_on(data)
            return
        if self._answer.done():
            self._early += data
        elif self._response.status:
            self._parse(data)
        else:
            self._head(data)

    def _head(self, data: bytes) -> None:
        """More of the head of the answer."""
        self._early += data
        end = self._early.find(b"\r\n\r\n")
        if end < 0:
            if len(self._early) > MAX_ANSWER:
                self._settle(None)
            return
        head = bytes(self._early[: end + 4])
        del self._early[: end + 4]
        with contextlib.suppress(httptools.HttpParserUpgrade):
            self._parse(head)
        if self._answer.done():
            return
        self._response.status = self._parser.get_status_code()
        if self._response.status == 101:
            self._settle(self._response)
        elif self._early:
            rest, self._early = bytes(self._early), bytearray()
            self._parse(rest)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise
        except httptools.HttpParserError:
            self._settle(None)

    def _settle(self, answer: Response | None) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)

    def on_status(self, status: bytes) -> None:
        self._response.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.decode("latin-1").lower()
        if lower not in ("transfer-encoding", "content-length"):
            self._response.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._response.body += body
        if len(self._response.body) > MAX_REFUSAL:
            self._settle(None)
            self.close()

    def on_message_complete(self) -> None:
        response = self._response
        response.status = self._parser.get_status_code()
        if response.status != 101:
            dropped = HOP_BY_HOP | {"date"}
            response.headers = [pair for pair in response.headers if pair[0].lower() not in dropped]
            response.headers.append(("Content-Length", str(len(response.body))))
            self._settle(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._response.status and exc is None:
            self.on_message_complete()  # a body may end with the connection
        self._settle(None)
        if self._client is not None:
            self._client.close()
        if not self._ended.done():
            self._ended.set_result(None)

    def pause_writing(self) -> None:
        if self._client is not None:
            self._client.pause_reading()

    def resume_writing(self) -> None:
        if self._client is not None:
            self._client.resume_reading()

    # -- what relay does ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes to the process."""
        self.transport.write(data)

    def close(self) -> None:
        """End the connection."""
        self.transport.abort()

    async def answer(self) -> Response | None:
        """What the process answers: a 101 as soon as its head is here, anything else once it is
        complete; None where it is not HTTP, or longer than we take.
        """
        return await self._answer

    async def join(self, client: Peer) -> int:
        """Pass bytes in both directions until one side ends; the bytes that went to the client."""
        self._client = client
        self.transport.write(client.upgrade(self))
        early = bytes(self._early)
        if early:
            self._pass_on(early)
        await self._ended
        return self._passed

    def _pass_on(self, data: bytes) -> None:
        assert self._client is not None
        self._passed += len(data)
        self._client.write(data)
        if self._client.write_paused and not self._read_paused:
            self._read_paused = True
            self.transport.pause_reading()

    # -- Tunnel ------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Bytes of the client."""
        self.transport.write(data)

    def can_write(self) -> None:
        """The client has taken what waited."""
        if self._read_paused:
            self._read_paused = False
            self.transport.resume_reading()

    def lost(self) -> None:
        """The client's connection has been lost."""
        self.transport.close()
