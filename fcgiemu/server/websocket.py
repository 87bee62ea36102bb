"""WebSockets: a request to upgrade goes to the process of <httpPlatform>, and when that agrees the
two connections become one; nothing else here can answer one.

Frames are not looked at. The handshake is between the client and the process, with its
subprotocols and extensions; what follows passes at once, in both directions, and each side is read
no faster than the other one takes it.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from ..decision import Decision
from ..http.request import Header, Request
from ..programs.interpreters import ProgramMissing
from . import heads
from .exchange import ClientGone, Exchange, Peer, Phase
from .forwarded import local_headers, local_target
from .http_platform import HttpPlatforms
from .platform_process import StartFailed

#: Bytes that the answer to a request to upgrade may have before its body.
MAX_ANSWER = 65536
#: Seconds in which a process has to answer a request to upgrade.  # inferred: requestTimeout
UPGRADE_SECONDS = 120.0


def is_asked_for(request: Request) -> bool:
    """Whether a request wants its connection to become a WebSocket (RFC 6455, 4.1)."""
    return (
        request.method == "GET"
        and request.protocol == "HTTP/1.1"
        and request.fields.get("upgrade", "").lower() == "websocket"
        and "upgrade" in request.fields.get("connection", "").lower()
        and request.body_length is None
    )


async def relay(exchange: Exchange, decision: Decision, platforms: HttpPlatforms) -> None:
    """Connect the client with the site's process. Where that does not agree to upgrade, it is asked
    as for any other page.
    """
    loop = asyncio.get_running_loop()
    try:
        port = await platforms.port(decision)
        _, upstream = await loop.create_connection(Upstream, "127.0.0.1", port)
    except (StartFailed, ProgramMissing, OSError):
        await platforms.call(exchange, decision)
        return
    exchange.when_lost = upstream.close
    try:
        upstream.write(_request(decision))
        async with asyncio.timeout(UPGRADE_SECONDS):
            head = await upstream.answer()
    except (TimeoutError, httptools.HttpParserError):
        head = None
    finally:
        exchange.when_lost = None
    if exchange.disconnected:
        upstream.close()
        raise ClientGone
    if head is None:
        upstream.close()
        await platforms.call(exchange, decision)
        return
    exchange.phase, exchange.status, exchange.keep_alive = Phase.STARTED, 101, False
    connection = exchange.protocol
    data = heads.encoded(101, "Switching Protocols", head)
    connection.write(b"%b%b\r\n\r\n" % (data, connection.date()))
    exchange.bytes_sent = await upstream.join(connection)
    exchange.phase = Phase.OVER


def _request(decision: Decision) -> bytes:
    headers = [("Upgrade", "websocket"), *local_headers(decision, connection="Upgrade")]
    lines = [f"GET {local_target(decision)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class Upstream(asyncio.Protocol):
    """The connection to the process: first its answer is read, then bytes pass through."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[Header] = []
        self._answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._early = bytearray()
        self._client: Peer | None = None
        self._write_paused = self._read_paused = False
        self._passed = 0

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._client is not None:
            self._pass_on(data)
            return
        self._early += data
        if self._answer.done():
            return
        end = self._early.find(b"\r\n\r\n")
        if end < 0 and len(self._early) <= MAX_ANSWER:
            return
        head = bytes(self._early[: end + 4])
        del self._early[: end + 4]
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            self._answer.set_result(False)
            return
        self._answer.set_result(end >= 0 and self._parser.get_status_code() == 101)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_result(False)
        if self._client is not None:
            self._client.close()
        if not self._ended.done():
            self._ended.set_result(None)

    def pause_writing(self) -> None:
        self._write_paused = True
        if self._client is not None:
            self._client.pause_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self._client is not None:
            self._client.resume_reading()

    # -- what relay does ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes to the process."""
        self.transport.write(data)

    def close(self) -> None:
        """End the connection."""
        self.transport.abort()

    async def answer(self) -> list[Header] | None:
        """The headers of a 101; None where the process answers anything else."""
        return self._headers if await self._answer else None

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
