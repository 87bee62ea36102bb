"""uvicorn's HTTP protocol with what IIS needs beyond ASGI: the raw target, header limits, http.sys's own refusals, resets.

A complete head becomes an Exchange, which stands where uvicorn has its request-response cycle.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
from collections.abc import Callable

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..http.response import http_sys_body
from .exchange import MAX_REQUEST_BYTES, Exchange

_MAX_METHOD = 64
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: llhttp's methods that HTTP has; others, and those in lower case, it refuses.
_PARSER_METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND "
    b"ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK "
    b"SOURCE QUERY".split())


class IisProtocol(HttpToolsProtocol):
    """One client connection."""

    #: The loop's time since which nothing has been asked; None while a request is in progress.
    _idle_since: float | None = None
    _when_lost: Callable[[], object] | None = None
    #: Bytes received while a request's head is not complete.
    _pending = 0
    _reading_head = True
    #: The method of a request that the parser has been told to read as GET.
    _method: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since = self.loop.time()

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._head_bytes = 0
        self._too_long = False

    def data_received(self, data: bytes) -> None:
        if self._reading_head and not self._pending:
            data = self._known_method(data)
        self._pending += len(data)
        super().data_received(data)
        if self._reading_head and self._pending > 2 * MAX_REQUEST_BYTES and not self.transport.is_closing():
            # A head that does not end must not fill the memory.
            self._refuse("Bad Request - Request Too Long", "The size of the request headers is too long.")

    def _known_method(self, data: bytes) -> bytes:
        """A method that the parser does not know is read as GET: http.sys passes any token on."""
        token, blank, rest = data[:_MAX_METHOD].partition(b" ")
        self._method = None
        if not blank or token in _PARSER_METHODS or not _TOKEN.fullmatch(token):
            return data
        self._method = token.decode("ascii")
        return b"GET" + data[len(token):]

    def on_url(self, url: bytes) -> None:
        self.url += url
        if len(self.url) > MAX_REQUEST_BYTES:
            self._too_long = True
            self.url = self.url[:MAX_REQUEST_BYTES + 1]

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes + len(self.url) > MAX_REQUEST_BYTES:
            self._too_long = True
            return
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._reading_head = False
        parser = self.parser
        method = self._method or parser.get_method().decode("ascii")
        self._method = None
        if parser.should_upgrade():
            self.headers = [(name.lower(), value) for name, value in self.headers]
            if self._should_upgrade():  # a WebSocket: uvicorn gives the connection to another protocol
                self.scope = {"method": method, "headers": self.headers}  # type: ignore[typeddict-item]
                return
        version = parser.get_http_version()
        exchange = Exchange(self, method, self.url, self.headers, version,
                            version != "1.0" and parser.should_keep_alive(), self._too_long)
        waiting = self.cycle is not None and not self.cycle.response_complete
        self._idle_since = None
        self.cycle = exchange  # type: ignore[assignment]
        if waiting:  # pipelined: its turn comes when the one before has been answered
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
            return
        self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        task = self.loop.create_task(exchange.run(self.app.answer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_message_complete(self) -> None:
        self._pending, self._reading_head = 0, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but without a timer for each response: the server looks for idle connections once a second."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._begin(self.pipeline.pop()[0])  # type: ignore[arg-type]
        else:
            self._idle_since = self.loop.time()

    def close_if_idle(self, now: float, seconds: float) -> None:
        """Close a connection on which nothing has been asked for so long; a head that never ends counts as nothing."""
        if self._idle_since is not None and now - self._idle_since > seconds:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._when_lost is not None:
            self._when_lost()

    def when_lost(self, call: Callable[[], object] | None) -> None:
        """What to call when the client goes away in mid-request."""
        self._when_lost = call

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets http.sys's answer, by what the parser stumbled over."""
        error = sys.exc_info()[1]
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            self._refuse("Bad Request - Invalid Verb", "The request verb is invalid.")
        elif isinstance(error, httptools.HttpParserInvalidURLError):
            self._refuse("Bad Request - Invalid URL", "The request URL is invalid.")
        else:
            self._refuse("Bad Request", "The request is badly formed.")

    def _refuse(self, heading: str, text: str) -> None:
        body = http_sys_body(heading, 400, text)
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=us-ascii\r\nServer: Microsoft-HTTPAPI/2.0\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
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
