"""uvicorn's HTTP protocol with what IIS needs beyond ASGI: the raw target, reason phrases, header limits, resets."""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ..http.response import http_sys_body, reason_phrase

#: http.sys's MaxRequestBytes: request line and headers together.
MAX_REQUEST_BYTES = 16384
_MAX_METHOD = 64
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: llhttp's methods that HTTP has; others, and those in lower case, it refuses.
_PARSER_METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND "
    b"ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK "
    b"SOURCE QUERY".split())
_STATUS_LINES = {status: f"HTTP/1.1 {status} {reason_phrase(status)}\r\n".encode("latin-1") for status in range(100, 600)}


class IisProtocol(HttpToolsProtocol):
    """One client connection. ``lost`` is called when the client goes away in mid-request."""

    lost: Callable[[], object] | None = None
    _head_bytes = 0
    _too_long = False
    #: Bytes received while a request's head is not complete.
    _pending = 0
    _reading_head = True
    #: The method of a request that the parser has been told to read as GET.
    _method: str | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._too_long = False
        self.scope["fcgiemu.protocol"] = self  # type: ignore[typeddict-unknown-key]

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
        super().on_url(url)
        if len(self.url) > MAX_REQUEST_BYTES:
            self._too_long = True
            self.url = self.url[:MAX_REQUEST_BYTES + 1]

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes + len(self.url) > MAX_REQUEST_BYTES:
            self._too_long = True
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        target = self.url
        self._reading_head = False
        self.scope["fcgiemu.target"] = target  # type: ignore[typeddict-unknown-key]
        self.scope["fcgiemu.too_long"] = self._too_long  # type: ignore[typeddict-unknown-key]
        try:
            httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            self.url = b"/"  # uvicorn parses it again; the application looks at the raw target
        super().on_headers_complete()
        if self._method is not None:
            self.scope["method"], self._method = self._method, None
        if self.parser.should_upgrade() and self._should_upgrade():
            return  # a WebSocket: no cycle is made for it
        # The cycle's own class cannot be given to uvicorn; its task has not started yet.
        self.cycle.__class__ = IisCycle

    def on_message_complete(self) -> None:
        self._pending, self._reading_head = 0, True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.lost is not None:
            self.lost()

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
            _STATUS_LINES[400] + b"Content-Type: text/html; charset=us-ascii\r\nServer: Microsoft-HTTPAPI/2.0\r\n"
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
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()


class IisCycle(RequestResponseCycle):
    """Sends a response: head and first part of the body together, with the reason phrase it is given."""

    _head: bytes | None

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start(message)
        elif message["type"] == "http.response.body":
            self._body(message.get("body", b""), message.get("more_body", False))

    def _start(self, message: dict[str, Any]) -> None:
        assert not self.response_started
        self.response_started = True
        self.waiting_for_100_continue = False
        status = message["status"]
        reason = message.get("reason")
        parts = [_STATUS_LINES[status] if reason is None else b"HTTP/1.1 %d %s\r\n" % (status, reason)]
        length: int | None = None
        for name, value in (*message["headers"], *self.default_headers):
            lower = name.lower()
            if lower == b"content-length":
                length = int(value)
            elif lower == b"connection":
                if b"close" in value.lower():
                    self.keep_alive = False
                continue
            parts += (b"Date" if name == b"date" else name, b": ", value, b"\r\n")
        bodiless = self.scope["method"] == "HEAD" or status in (204, 304) or status < 200
        self.chunked_encoding = length is None and not bodiless and self.scope["http_version"] == "1.1"
        self.expected_content_length = 0 if bodiless or length is None else length
        if self.chunked_encoding:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        elif length is None and not bodiless:
            self.keep_alive = False
        if not self.keep_alive:
            parts.append(b"Connection: close\r\n")
        parts.append(b"\r\n")
        self._head = b"".join(parts)
        self._bodiless = bodiless
        self._known_length = length is not None and not bodiless

    def _body(self, body: bytes, more: bool) -> None:
        data = b"" if self._bodiless else body
        if self._known_length:
            self.expected_content_length -= len(data)
            if self.expected_content_length < 0:
                data = data[:self.expected_content_length]
                self.expected_content_length = 0
        if self.chunked_encoding:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if not more:
                data += b"0\r\n\r\n"
        if self._head is not None:
            data = self._head + data
            self._head = None
        if data:
            self.transport.write(data)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive or self.expected_content_length > 0:
                self.transport.close()
            self.on_response()
