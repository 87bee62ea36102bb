"""A small HTTP server for the pages and their API: whole requests in, whole answers or event
streams out.

It is not the site's server and shares nothing with it but the event loop. Everything is bounded:
heads, bodies, connections, the time that a request may take to arrive, and what may wait for a slow
reader of a stream, who is cut off and asks again from the last event that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

import httptools

_log = logging.getLogger(__name__)

MAX_HEAD = 1 << 15
MAX_BODY = 1 << 21
MAX_CONNECTIONS = 100
#: Seconds for a request to arrive, and for a connection to stay open without one.
PATIENCE = 30.0
#: Bytes of a stream that may wait for its reader.
MAX_UNREAD = 1 << 20
#: Seconds that an event may wait for others, to go out together.
TOGETHER = 0.03
#: Seconds after which a quiet stream says that it is alive.
HEARTBEAT = 15.0

#: The pages load nothing from elsewhere, and are shown in no frame.
_ALWAYS = (
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self';"
     " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
     " frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)  # fmt: skip


@dataclass(slots=True)
class ApiRequest:
    """A request to the pages; header names in lower case, ``query`` with the last of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(slots=True)
class ApiAnswer:
    """A whole answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


#: Sends an event: its number and its data as JSON. False = nobody reads any more.
Send = Callable[[int, object], bool]


@dataclass(slots=True)
class EventStream:
    """An endless answer. ``begin`` gets what sends events, and returns what ends that."""

    begin: Callable[[Send], Callable[[], None]]


Answer = ApiAnswer | EventStream
Handler = Callable[[ApiRequest], Awaitable[Answer]]


def as_json(data: object, status: int = 200) -> ApiAnswer:
    """An answer of JSON."""
    return ApiAnswer(status, json.dumps(data, separators=(",", ":")).encode())


def problem(status: int, message: str) -> ApiAnswer:
    """An answer that says what is wrong."""
    return as_json({"error": message}, status)


@dataclass(slots=True)
class _Head:
    target: bytes = b""
    fields: dict[str, str] = field(default_factory=dict)
    size: int = 0


class PageConnection(asyncio.Protocol):
    """A connection to the pages: one request after another."""

    transport: asyncio.Transport

    def __init__(self, handler: Handler, open_ones: set[PageConnection]) -> None:
        self._handler = handler
        self._open = open_ones
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stop: Callable[[], None] | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._head, self._body = _Head(), bytearray()
        self._events: list[str] = []

    # -- asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        if len(self._open) > MAX_CONNECTIONS:
            self.transport.abort()
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            return  # nobody of ours sends before the answer is here
        try:
            self._count(len(data))
            self._parser.feed_data(data)
        except (httptools.HttpParserError, ValueError, UnicodeError):
            self._refuse(400, "This is not a request.")

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self)
        self._hush()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """Cut the connection."""
        self.transport.abort()

    # -- the parser --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._head, self._body = _Head(), bytearray()

    def on_url(self, part: bytes) -> None:
        self._head.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.fields[name.decode("ascii").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        if self._task is not None:
            self.transport.abort()  # it has not waited for its answer
            return
        if self._timer is not None:
            self._timer.cancel()
        parts = urlsplit(self._head.target.decode("ascii"))
        asked = ApiRequest(
            self._parser.get_method().decode("ascii"),
            unquote(parts.path),
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            self._head.fields,
            bytes(self._body),
        )
        keep_alive = self._parser.should_keep_alive()
        self._task = asyncio.ensure_future(self._answer(asked, keep_alive))

    def _count(self, size: int) -> None:
        """Bound what a request may send; a body comes after its head."""
        self._head.size += size
        if self._head.size > MAX_HEAD + MAX_BODY:
            self._refuse(413, f"A body has at most {MAX_BODY} bytes.")
            raise ValueError

    # -- answers -----------------------------------------------------------------------------------

    async def _answer(self, asked: ApiRequest, keep_alive: bool) -> None:
        try:
            answer = await self._handler(asked)
        except Exception:
            _log.exception("an error in the pages: %s %s", asked.method, asked.path)
            answer = problem(500, "This is a bug in fcgiemu; its console says more.")
        if isinstance(answer, EventStream):
            self._begin_stream(answer)
            return
        self._send(answer, keep_alive, asked.method == "HEAD")
        self._task = None
        if keep_alive:
            self._wait()
        else:
            self.transport.close()

    def _send(self, answer: ApiAnswer, keep_alive: bool, is_head: bool = False) -> None:
        headers = (
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Connection", "keep-alive" if keep_alive else "close"),
            *answer.headers,
        )
        head = _head(answer.status, headers)
        self.transport.write(head if is_head else head + answer.body)

    def _refuse(self, status: int, message: str) -> None:
        if not self.transport.is_closing():
            self._send(problem(status, message), keep_alive=False)
            self.transport.close()

    def _wait(self) -> None:
        """Give the next request a time to arrive in."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self.transport.abort)

    # -- streams -----------------------------------------------------------------------------------

    def _begin_stream(self, stream: EventStream) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(
            _head(200, (("Content-Type", "text/event-stream"), ("Connection", "close")))
            + b"retry: 1000\n\n"
        )
        self._stop = stream.begin(self._event)
        self._beat()

    def _event(self, number: int, data: object) -> bool:
        if self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size() > MAX_UNREAD:
            self.transport.abort()  # it comes back with Last-Event-ID
            return False
        text = json.dumps(data, separators=(",", ":"))
        if not self._events:
            asyncio.get_running_loop().call_later(TOGETHER, self._send_events)
        self._events.append(f"id: {number}\ndata: {text}\n\n")
        return True

    def _send_events(self) -> None:
        events, self._events = self._events, []
        if not self.transport.is_closing():
            self.transport.write("".join(events).encode())

    def _beat(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b": alive\n\n")
            self._timer = asyncio.get_running_loop().call_later(HEARTBEAT, self._beat)

    def _hush(self) -> None:
        if self._stop is not None:
            stop, self._stop = self._stop, None
            with contextlib.suppress(Exception):
                stop()


def _head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (*headers, *_ALWAYS)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
