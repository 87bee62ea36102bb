"""The answer of a process of iisnode on its way to the client."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from ...decision import CallIisnode, Decision
from ...http.response import Header, Response, reason_phrase
from ...modules import custom_error, rewrite_outbound, sending
from ...modules.iisnode import compiled
from .. import long_searches, response_heads
from ..exchange import Exchange, Phase
from ..forwarded_request import HOP_BY_HOP, named
from ..server_interface import ServerInterface
from .node_connection import NodeConnection, NodeHead

#: Bytes that may wait for the process in a tunnel before the client is read no further.  # our own
_WAITING = 1 << 16


async def pass_on(
    exchange: Exchange,
    decision: Decision,
    action: CallIisnode,
    server: ServerInterface,
    *,
    connection: NodeConnection,
    head: NodeHead,
    extra: list[Header],
) -> None:
    """Send an answer to the client: an error by <httpErrors>, since iisnode does not ask for its
    errors to be left alone. Raises Broken, and ClientGone.
    """
    reason = head.reason or reason_phrase(head.status)
    response = Response(head.status, reason, [*_end_to_end(head), *extra])
    response.substatus = head.substatus
    if await _replaced(exchange, decision, server, response, head):
        head.keeps = False  # its body is not read
        return
    decorated = sending.handler_headers(decision, head.status, response.headers)
    sender = await long_searches.rewritten(
        lambda: rewrite_outbound.sender(decision, head.status, decorated)
    )
    parts = connection.body(head, decision.request.method)
    if sender is not None and sender.wants_body:
        response.body = b"".join([part async for part in parts])
        await exchange.respond(await long_searches.sent(decision, response), head.substatus)
        return
    # IIS collects the answer up to responseBufferLimit, unless each part is flushed.
    limit = 0 if compiled(action.settings).flushes else action.handler.response_buffer_limit
    begun = bytearray()
    async for part in parts:
        begun += part
        if len(begun) > limit:
            break
    headers = decorated if sender is None else await long_searches.rewritten(sender.headers)
    await exchange.start(head.status, reason, headers, head.substatus)
    await exchange.pass_on_all(begun, parts)


def _end_to_end(head: NodeHead) -> list[Header]:
    dropped = HOP_BY_HOP | named(head.get("connection")) | {"date"}
    return [pair for pair in head.headers if pair[0].lower() not in dropped]


async def _replaced(
    exchange: Exchange,
    decision: Decision,
    server: ServerInterface,
    response: Response,
    head: NodeHead,
) -> bool:
    """Whether an error got the page of <httpErrors> in the place of its body."""
    if response.status < 400:
        return False
    is_empty = head.get("content-length") == "0" or not head.has_body("GET")
    begun = replace(response, body=b"" if is_empty else b"-")
    if not custom_error.answers(decision, begun, decision.request.is_local):
        return False
    if not await server.error_page(
        exchange, decision, response.status, response.substatus, not is_empty
    ):
        await exchange.respond(await long_searches.sent(decision, response), response.substatus)
    return True


async def tunnel(exchange: Exchange, connection: NodeConnection, head: NodeHead) -> None:
    """After a 101: the client's connection and the process's as one, until either of them ends."""
    exchange.phase, exchange.status, exchange.keep_alive = Phase.STARTED, 101, False
    client = exchange.protocol
    headers = [pair for pair in head.headers if pair[0].lower() != "date"]
    data = response_heads.encoded(101, head.reason or "Switching Protocols", headers)
    client.write(b"%b%b\r\n\r\n" % (data, client.date()))
    both = _Both(exchange, connection)
    connection.writer.write(client.upgrade(both))
    with contextlib.suppress(OSError):
        exchange.bytes_sent = await both.from_node()
    connection.close()
    client.close()
    exchange.phase = Phase.OVER


class _Both:
    """The client's side of a tunnel: see exchange.Tunnel."""

    def __init__(self, exchange: Exchange, connection: NodeConnection) -> None:
        self._client = exchange.protocol
        self._connection = connection
        self._room = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None

    def received(self, data: bytes) -> None:
        writer = self._connection.writer
        writer.write(data)
        if writer.transport.get_write_buffer_size() > _WAITING and self._draining is None:
            self._client.pause_reading()
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        with contextlib.suppress(OSError):
            await self._connection.writer.drain()
            self._client.resume_reading()
        self._draining = None

    def can_write(self) -> None:
        self._room.set()

    def lost(self) -> None:
        self._room.set()
        self._connection.close()

    async def from_node(self) -> int:
        """Pass on what Node sends; returns how many bytes that were."""
        count = 0
        while data := await self._connection.reader.read(1 << 16):
            count += len(data)
            self._client.write(data)
            while self._client.write_paused and not self._connection.writer.is_closing():
                self._room.clear()
                await self._room.wait()
        return count
