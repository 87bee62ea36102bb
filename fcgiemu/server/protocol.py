"""uvicorn's HTTP protocol with what IIS needs beyond ASGI: the raw target, header limits,
http.sys's own refusals, resets.

A complete head becomes an Exchange, which stands where uvicorn has its request-response cycle.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..http.response import http_sys_body
from .decisions import LONGEST_HEAD, Decisions, Head, Kept
from .exchange import MAX_REQUEST_BYTES, Exchange

_MAX_METHOD = 64
#: Requests that may wait on a connection before reading from it pauses.
MAX_PIPELINED = 16
#: Seconds for which an idle connection's decisions are kept.
REMEMBER_SECONDS = 5.0
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: llhttp's methods that HTTP has; others, and those in lower case, it refuses.
_PARSER_METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH"
    b" UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE"
    b" UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK SOURCE QUERY".split()
)


class IisProtocol(HttpToolsProtocol):
    """One client connection."""

    #: The loop's time since which nothing has been asked; None while a request is in progress.
    _idle_since: float | None = None
    #: Bytes received while a request's head is not complete.
    _pending = 0
    _reading_head = True
    #: Requests that the last data has begun.
    _heads = 0
    #: Whether the parser has seen the first byte of a request, and not yet its last.
    _begun = False
    #: The method of a request that the parser has been told to read as GET.
    _method: str | None = None
    #: Whether the request is a WebSocket's, for which uvicorn gives the connection to another
    #: protocol.
    _is_websocket = False
    #: The headers of a request that is read again without its Upgrade.
    _again: list[tuple[bytes, bytes]] | None = None
    #: The exchange that is being answered, and the task that does.
    _running: Exchange | None = None
    _task: asyncio.Task[None]
    #: What answers a request that is no HTTP, once those before it have been answered.
    _refusal: tuple[str, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self.decisions = Decisions()  # for those that come again

    def on_message_begin(self) -> None:
        self._begun = True
        self.url = b""
        self.headers = []
        self._head_bytes = 0
        self._too_long = False

    def data_received(self, data: bytes) -> None:
        if self._begun:
            self._parse(data)
            return
        known = (
            self.decisions.recall(data)
            if len(data) <= LONGEST_HEAD and not self.is_answering
            else None
        )
        if known is not None:
            exchange = self._begin_again(*known)
            if exchange.kept is not known[1]:
                self.decisions.keep(data, exchange)
            return
        self._heads = 0
        self._parse(self._known_method(data))
        if self._heads == 1 and not self._begun:  # the data was one request, and all of it
            self.decisions.keep(data, self.cycle)  # type: ignore[arg-type]

    @property
    def is_answering(self) -> bool:
        """Whether a request waits for the rest of its response."""
        return self.cycle is not None and not self.cycle.response_complete

    def _begin_again(self, head: Head, kept: Kept | None) -> Exchange:
        """What has come before need not be parsed."""
        exchange = Exchange(self, head.method, head.target, head.headers, head.version, True)
        exchange.kept = kept
        exchange.more_body = False
        self._idle_since = None
        self.cycle = self._running = exchange  # type: ignore[assignment]
        self.app.begin(exchange)
        return exchange

    def _parse(self, data: bytes) -> None:
        self._pending += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._is_websocket:
                self.handle_websocket_upgrade()
            elif self.parser.get_method() != b"CONNECT":  # a tunnel: what follows is none of ours
                self._read_again(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(*_what_is_wrong(error))
        if (
            self._reading_head
            and self._pending > 2 * MAX_REQUEST_BYTES
            and not self.transport.is_closing()
        ):
            # A head that does not end must not fill the memory.
            self._refuse(
                "Bad Request - Request Too Long", "The size of the request headers is too long."
            )

    def _known_method(self, data: bytes) -> bytes:
        """A method that the parser does not know is read as GET: http.sys passes any token on."""
        token, blank, rest = data[:_MAX_METHOD].partition(b" ")
        self._method = None
        if not blank or token in _PARSER_METHODS or not _TOKEN.fullmatch(token):
            return data
        self._method = token.decode("ascii")
        return b"GET" + data[len(token) :]

    def _read_again(self, rest: bytes) -> None:
        """Go on behind a request whose Upgrade nobody here knows: the parser stops there, http.sys
        does not.
        """
        method = self._method.encode() if self._method is not None else self.parser.get_method()
        head = b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())
        head += b"".join(
            [b"%b: %b\r\n" % pair for pair in self.headers if pair[0].lower() != b"upgrade"]
        )
        self._again = self.headers
        self._begun = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._parse(self._known_method(head + b"\r\n" + rest))

    def _should_upgrade(self) -> bool:
        return self._is_websocket

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_REQUEST_BYTES:
            self._too_long = True
            self.url = self.url[: MAX_REQUEST_BYTES + 1]

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes + len(self.url) > MAX_REQUEST_BYTES:
            self._too_long = True
            return
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self._reading_head = False
        parser = self.parser
        waiting = self.is_answering
        if parser.should_upgrade() and parser.get_method() != b"CONNECT":
            self._is_websocket = not waiting and self._wants_websocket()
            return  # what follows is not read as HTTP; see data_received
        method = self._method or parser.get_method().decode("ascii")
        self._method = None
        if self._again is not None:
            self.headers, self._again = self._again, None
        version = parser.get_http_version()
        exchange = Exchange(
            self,
            method,
            self.url,
            self.headers,
            version,
            version != "1.0" and parser.should_keep_alive(),
            self._too_long,
        )
        self._heads += 1
        self._idle_since = None
        self.cycle = exchange  # type: ignore[assignment]
        if waiting:  # pipelined: its turn comes when the one before has been answered
            if len(self.pipeline) >= MAX_PIPELINED:
                self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
            return
        self._begin(exchange)

    def _wants_websocket(self) -> bool:
        """Whether a request to upgrade is one for a WebSocket that something behind the site
        takes.
        """
        headers = [(name.lower(), value) for name, value in self.headers]
        if self.parser.get_method() != b"GET" or not any(
            name == b"upgrade" and value.lower() == b"websocket" for name, value in headers
        ):
            return False
        self.scope = {"method": "GET", "headers": headers}  # type: ignore[typeddict-item]
        exchange = Exchange(self, "GET", self.url, self.headers, "1.1", True, self._too_long)
        return bool(self.app.takes_websocket(exchange))

    def _begin(self, exchange: Exchange) -> None:
        self._running = exchange
        self.app.begin(exchange)

    def run(self, exchange: Exchange, acting: Coroutine[Any, Any, None]) -> None:
        """Have a request answered by a task."""
        self._task = self.loop.create_task(self._run(exchange, acting))
        self.tasks.add(self._task)

    async def _run(self, exchange: Exchange, acting: Coroutine[Any, Any, None]) -> None:
        task = self._task
        try:
            await acting
        finally:
            self.tasks.discard(task)
        if not exchange.response_complete and not exchange.disconnected:
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        if not self.parser.should_upgrade():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._pending, self._reading_head, self._begun = 0, True, False
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but without a timer for each response: the server looks for idle
        connections once a second.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._begin(self.pipeline.pop()[0])  # type: ignore[arg-type]
        elif self._refusal is not None:
            self._refuse(*self._refusal)
        else:
            self._idle_since = self.loop.time()

    def close_if_idle(self, now: float, seconds: float) -> None:
        """Close a connection on which nothing has been asked for so long; a head that never ends
        counts as nothing.
        """
        idle = 0.0 if self._idle_since is None else now - self._idle_since
        if idle > seconds:
            self.transport.close()
        elif idle > REMEMBER_SECONDS:
            self.decisions.forget()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for exchange in (self._running, *(waiting for waiting, _ in self.pipeline)):
            if isinstance(exchange, Exchange) and not exchange.response_complete:
                exchange.disconnected = True
                exchange.wake()
        self.pipeline.clear()
        if self._running is not None and self._running.when_lost is not None:
            self._running.when_lost()

    def _refuse(self, heading: str, text: str) -> None:
        """http.sys's answer to what is no HTTP at all; those to the requests before it go first."""
        if (
            self._reading_head
            and self.cycle is not None
            and not self.cycle.response_complete
            and self._refusal is None
        ):
            self._refusal = heading, text
            self.flow.pause_reading()
            return
        body = http_sys_body(heading, 400, text)
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=us-ascii\r\nServer:"
            b" Microsoft-HTTPAPI/2.0\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            % len(body)
            + body
        )
        self.transport.close()

    def reset(self) -> None:
        """Reset the connection without another byte."""
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.transport.abort()

    def date(self) -> bytes:
        """The Date of a response sent now, as uvicorn keeps it."""
        return self.server_state.default_headers[0][1]


def _what_is_wrong(error: httptools.HttpParserError) -> tuple[str, str]:
    """The heading and the sentence of http.sys's page, by what the parser stumbled over."""
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return "Bad Request - Invalid Verb", "The request verb is invalid."
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return "Bad Request - Invalid URL", "The request URL is invalid."
    return "Bad Request", "The request is badly formed."
