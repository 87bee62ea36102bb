"""One HTTP exchange as the actions see it: the request, its body, and a way to answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from ..http.request import Request, joined
from ..http.response import Header, Response
from ..http.url import UrlRefused, canonicalize
from ..modules import compression
from ..modules.compression import Encoder
from .protocol import MAX_REQUEST_BYTES, IisProtocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Methods that must say how long their body is (http.sys answers 411).
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class ClientGone(Exception):
    """The client closed its connection before the response was complete."""


class Exchange:
    """A request in progress. ``started`` = the head of the response has been given to the transport."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.protocol: IisProtocol = scope["fcgiemu.protocol"]
        self.started = False
        self.status = 0
        self.substatus = 0
        self.bytes_sent = 0
        #: Says how a response goes out compressed, where compression is on.
        self.compress: Callable[[int, list[Header]], Encoder | None] | None = None
        self._encoder: Encoder | None = None
        #: What the front end of App Service sets with every answer.
        self.cookie: Header | None = None

    # -- the request -----------------------------------------------------------------------------------------------

    def request(self) -> Request:
        """The request as data. Raises UrlRefused where http.sys would answer by itself."""
        scope = self.scope
        if len(scope["fcgiemu.target"]) > MAX_REQUEST_BYTES:
            raise UrlRefused(414, "Request URL Too Long", "The request URL is too long.")
        if scope.get("fcgiemu.too_long"):
            raise UrlRefused(400, "Bad Request - Request Too Long", "The size of the request headers is too long.")
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        fields = joined(headers)
        method = scope["method"]
        version = scope["http_version"]
        host = fields.get("host")
        scheme, port = scope["scheme"], scope["server"][1] if scope.get("server") else 80
        target, authority = _origin_form(scope["fcgiemu.target"].decode("utf-8", "surrogateescape"), method)
        if authority is not None:  # the absolute form: its authority takes the place of Host
            host = authority
            headers = (("host", authority), *(pair for pair in headers if pair[0] != "host"))
            fields["host"] = authority
        if host is None:
            if version == "1.1":
                raise UrlRefused(400, "Bad Request - Invalid Hostname", "The request hostname is invalid.")
            host = ""
        if sum(name == "host" for name, _ in headers) > 1 or not _HOST.fullmatch(host):
            raise UrlRefused(400, "Bad Request - Invalid Hostname", "The request hostname is invalid.")
        length = fields.get("content-length")
        if method in _BODY_METHODS and length is None and "transfer-encoding" not in fields:
            raise UrlRefused(411, "Length Required", "The request must be chunked or have a content length.")
        name, given_port = _host_and_port(host)
        return Request(
            method, canonicalize(target), headers, scheme, name or "localhost", given_port or port,
            scope["client"][0] if scope.get("client") else "127.0.0.1", scope["client"][1] if scope.get("client") else 0,
            scope["server"][0] if scope.get("server") else "127.0.0.1", f"HTTP/{version}",
            int(length) if length is not None and length.isdigit() else None, fields=fields)

    def has_body(self) -> bool:
        """Whether the client sends a body at all."""
        return any(name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
                   for name, value in self.scope["headers"])

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ClientGone where it is cut short."""
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    @property
    def gone(self) -> bool:
        """Whether the client has closed its connection."""
        return bool(self.protocol.cycle is None or self.protocol.cycle.disconnected)

    # -- the response ----------------------------------------------------------------------------------------------

    async def respond(self, response: Response, substatus: int = 0) -> None:
        """Send a complete response."""
        await self.start(response.status, response.reason, response.headers, substatus)
        await self.write(response.body, more=False)

    async def start(self, status: int, reason: str, headers: Iterable[Header], substatus: int = 0) -> None:
        """Send the head."""
        self.started, self.status, self.substatus = True, status, substatus
        if self.cookie is not None:
            headers = [*headers, self.cookie]
        if self.compress is not None:
            headers = list(headers)
            self._encoder = self.compress(status, headers)
            if self._encoder is not None:
                headers = compression.encoded(headers)
        await self._send({"type": "http.response.start", "status": status, "reason": reason.encode("latin-1", "replace"),
                          "headers": [(name.encode("latin-1", "replace"), _one_line(value)) for name, value in headers]})

    async def write(self, data: bytes, more: bool = True) -> None:
        """Send a part of the body; waits while the client is slower."""
        if self._encoder is not None:
            data = self._encoder.part(data) if more else self._encoder.end(data)
        self.bytes_sent += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def cut(self) -> None:
        """Break a response off that cannot be completed."""
        if self.protocol.cycle is not None:
            self.protocol.cycle.disconnected = True
        self.protocol.transport.abort()

    def reset(self) -> None:
        """Reset the connection, as AbortRequest does."""
        self.started = True
        self.protocol.reset()


#: A host and port as a Host field may hold them; "" is allowed for HTTP/1.0.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


def _one_line(value: str) -> bytes:
    """A header value that cannot start another header."""
    data = value.encode("latin-1", "replace")
    return data if b"\r" not in data and b"\n" not in data else data.replace(b"\r", b" ").replace(b"\n", b" ")


def _host_and_port(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and not name.endswith(":"):
        return name.strip("[]"), int(port)
    return host.strip("[]"), None


def _origin_form(target: str, method: str) -> tuple[str, str | None]:
    """The origin form of any request target, and the authority where it names one."""
    if target.startswith("/"):
        return target, None
    scheme, found, rest = target.partition("://")
    if found and scheme.lower() in ("http", "https"):
        end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
        path = rest[end:]
        if not end:
            raise UrlRefused(400, "Bad Request - Invalid Hostname", "The request hostname is invalid.")
        return path if path.startswith("/") else "/" + path, rest[:end]
    if target == "*" and method == "OPTIONS":
        return "/", None
    raise UrlRefused(400, "Bad Request - Invalid URL", "The request URL is invalid.")
