"""WebSockets: passed on to the process of <httpPlatform>; nothing else here can answer one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ..decision import CallHttpPlatform
from ..http.request import Header, make_request
from ..http.url import UrlRefused
from ..programs.interpreters import ProgramMissing
from ..site import Site
from .exchange import Message, Receive, Send
from .http_platform import HttpPlatforms, StartFailed, current_target

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_HANDSHAKE = frozenset(
    {
        "host",
        "connection",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
    }
)


async def relay(
    scope: Message, receive: Receive, send: Send, site: Site, platforms: HttpPlatforms
) -> None:
    """Connect the client's WebSocket with one of the site's process, or refuse it."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    await receive()  # websocket.connect
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    query = scope.get("query_string", b"").decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    try:
        decision = site.decide(make_request(target, "GET", headers, remote_addr=scope["client"][0]))
        if not isinstance(decision.action, CallHttpPlatform):
            raise ConnectionRefusedError
        port = await platforms.port(decision)
        backend = await connect(
            f"ws://127.0.0.1:{port}{current_target(decision)}",
            additional_headers=_passed_on(headers, scope),
            subprotocols=scope.get("subprotocols") or None,
            proxy=None,
            max_size=None,
        )
    except (UrlRefused, StartFailed, ProgramMissing, OSError, WebSocketException):
        await send({"type": "websocket.close", "code": 1011})
        return
    async with backend:
        await send({"type": "websocket.accept", "subprotocol": backend.subprotocol})
        await _both_ways(receive, send, backend)


def _passed_on(headers: list[Header], scope: Message) -> list[Header]:
    return [
        *(pair for pair in headers if pair[0].lower() not in _HANDSHAKE),
        ("X-Forwarded-For", f"{scope['client'][0]}:{scope['client'][1]}"),
    ]


async def _both_ways(receive: Receive, send: Send, backend: ClientConnection) -> None:
    """Messages in both directions until one side closes."""
    to_backend = asyncio.ensure_future(_to_backend(receive, backend))
    to_client = asyncio.ensure_future(_to_client(send, backend))
    done, pending = await asyncio.wait({to_backend, to_client}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if to_client in done:
        with contextlib.suppress(RuntimeError):
            await send({"type": "websocket.close", "code": backend.close_code or 1000})


async def _to_backend(receive: Receive, backend: ClientConnection) -> None:
    while True:
        message: Any = await receive()
        if message["type"] != "websocket.receive":
            return
        text = message.get("text")
        await backend.send(text if text is not None else message["bytes"])


async def _to_client(send: Send, backend: ClientConnection) -> None:
    async for data in backend:
        await send(
            {"type": "websocket.send", "text": data}
            if isinstance(data, str)
            else {"type": "websocket.send", "bytes": data}
        )
