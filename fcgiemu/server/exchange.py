"""One HTTP exchange as the actions see it: the request, its body as it arrives, and the response as
it goes out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..http.request import Request, joined
from ..http.response import Header, Response, reason_phrase
from ..http.url import UrlRefused, canonicalize
from ..modules import compression
from ..modules.compression import Encoder
from . import heads

if TYPE_CHECKING:
    from .decisions import Kept
    from .protocol import IisProtocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: http.sys's MaxRequestBytes: request line and headers together.
MAX_REQUEST_BYTES = 16384
#: Methods that must say how long their body is (http.sys answers 411).
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class ClientGone(Exception):
    """The client closed its connection before the response was complete."""


class Exchange:
    """A request in progress. ``started`` = the head of the response is on its way.

    Stands where uvicorn's protocol has its request-response cycle, with what the protocol reads and
    sets of that.
    """

    # How every exchange begins; what stays like that need not be set anew for each.
    body: bytes = b""
    more_body = True
    disconnected = False
    response_complete = False
    #: When its answering began, by the process's clock.
    begun = 0.0
    #: What is remembered of the request, or may be.
    kept: Kept | None = None
    #: What to call when the client goes away in mid-request.
    when_lost: Callable[[], object] | None = None
    #: Whether the client sends a body at all; known once the request is.
    has_body = False
    started = False
    was_cut = False
    #: What the log says of the response beside its status.
    remark = ""
    status = 0
    substatus = 0
    bytes_sent = 0
    #: Says how a response goes out compressed, where compression is on.
    compress: Callable[[int, list[Header]], Encoder | None] | None = None
    #: What the front end of App Service sets with every answer.
    cookie: Header | None = None
    #: Set where somebody waits for more of the body.
    _awake: asyncio.Event | None = None
    _encoder: Encoder | None = None
    _head = b""
    _chunked = False
    _no_body = False
    #: Bytes of the body that Content-Length promises and that have not been sent; None without one.
    _left: int | None = None

    def __init__(
        self,
        protocol: IisProtocol,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        version: str,
        keep_alive: bool,
        too_long: bool = False,
    ) -> None:
        self.protocol = protocol
        self.method = method
        self.target = target
        self.headers = headers
        self.version = version
        self.keep_alive = keep_alive
        #: Whether the head was longer than http.sys takes.
        self.too_long = too_long

    @property
    def message_event(self) -> Exchange:
        """What uvicorn's protocol sets when more of the body has come, or no more will."""
        return self

    def wake(self) -> None:
        """Something has happened that whoever reads the body waits for."""
        if self._awake is not None:
            self._awake.set()

    set = wake

    def tell_when_lost(self, call: Callable[[], object] | None) -> None:
        """Have ``call`` called when the client goes away in mid-request."""
        self.when_lost = call

    # -- the request -------------------------------------------------------------------------------

    def request(self) -> Request:
        """The request as data. Raises UrlRefused where http.sys would answer by itself."""
        if len(self.target) > MAX_REQUEST_BYTES:
            raise UrlRefused(414, "Request URL Too Long", "The request URL is too long.")
        if self.too_long:
            raise UrlRefused(
                400,
                "Bad Request - Request Too Long",
                "The size of the request headers is too long.",
            )
        headers, fields = _decoded(tuple(self.headers))
        method = self.method
        length = fields.get("content-length")
        self.has_body = "transfer-encoding" in fields or (
            length is not None and length.strip() != "0"
        )
        target, authority = _origin_form(self.target.decode("utf-8", "surrogateescape"), method)
        host = fields.get("host")
        if host is None:
            if self.version == "1.1" and authority is None:
                raise _invalid_hostname()
            host = ""
        name, port = _host_and_port(host)
        if authority is not None:  # the absolute form: its authority takes the place of Host
            name, port = _host_and_port(authority)
            headers = (
                ("Host", authority),
                *(pair for pair in headers if pair[0].lower() != "host"),
            )
            fields = {**fields, "host": authority}
        if length is None and method in _BODY_METHODS and "transfer-encoding" not in fields:
            raise UrlRefused(
                411, "Length Required", "The request must be chunked or have a content length."
            )
        protocol = self.protocol
        client, server = protocol.client or ("127.0.0.1", 0), protocol.server or ("127.0.0.1", 80)
        return Request(
            method,
            canonicalize(target),
            headers,
            protocol.scheme or "http",
            name or "localhost",
            port or server[1] or 80,
            client[0],
            client[1],
            server[0],
            "HTTP/" + self.version,
            int(length) if length is not None and length.isdigit() else None,
            fields=fields,
        )

    async def received(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises ClientGone where it is cut short."""
        expects = any(
            name.lower() == b"expect" and value.lower() == b"100-continue"
            for name, value in self.headers
        )
        if expects and not self.started and self.version != "1.0":
            self.protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self.disconnected or self.response_complete):
            self.protocol.flow.resume_reading()
            if self.more_body and not self.body:
                self._awake = asyncio.Event()
                await self._awake.wait()
            part, self.body = self.body, b""
            if self.disconnected:
                break
            if part:
                yield part
            if not self.more_body and not self.body:
                return
        raise ClientGone

    @property
    def gone(self) -> bool:
        """Whether the client has closed its connection, before anybody here did."""
        return self.disconnected and not self.was_cut

    # -- the response ------------------------------------------------------------------------------

    async def respond(self, response: Response, substatus: int = 0) -> None:
        """Send a complete response."""
        await self.start(
            response.status, response.reason, response.headers, substatus or response.substatus
        )
        await self.write(response.body, more=False)

    async def start(
        self, status: int, reason: str, headers: Iterable[Header], substatus: int = 0
    ) -> None:
        """Send the head; it leaves together with the first part of the body."""
        self.started, self.status, self.substatus = True, status, substatus
        if self.cookie is not None:
            headers = [*headers, self.cookie]
        if self.compress is not None:
            headers = list(headers)
            self._encoder = self.compress(status, headers)
            if self._encoder is not None:
                headers = compression.encoded(headers)
        self._no_body = self.method == "HEAD" or status in (204, 304)
        self._head = b"%b%b\r\n\r\n" % (
            heads.encoded(status, reason, self._framed(headers)),
            self.protocol.date(),
        )

    def _framed(self, headers: Iterable[Header]) -> list[Header]:
        """The headers with those that say how the body and the connection end, which is settled
        here.
        """
        length: int | None = None
        framed = []
        for pair in headers:
            lower = pair[0].lower()
            if lower == "content-length":
                length = int(pair[1])
            elif lower == "connection":
                if "close" in pair[1].lower():
                    self.keep_alive = False
                continue
            framed.append(pair)
        if not self._no_body:
            self._left = length
            self._chunked = length is None and self.version == "1.1"
            if self._chunked:
                framed.append(("Transfer-Encoding", "chunked"))
            elif length is None:
                self.keep_alive = False
        if not self.keep_alive:
            framed.append(("Connection", "close"))
        return framed

    async def write(self, data: bytes, more: bool = True) -> None:
        """Send a part of the body, or with ``more=False`` the last one; waits while the client is
        slower.
        """
        if self._encoder is not None:
            data = self._encoder.part(data) if more else self._encoder.end(data)
        flow = self.protocol.flow
        if flow.write_paused and not self.disconnected:
            await flow.drain()
        if self.disconnected:
            return
        self._send(b"" if self._no_body else data, more)

    def _send(self, data: bytes, more: bool) -> None:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self.bytes_sent += len(data)
        if self._chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if not more:
                data += b"0\r\n\r\n"
        if self._head:
            data, self._head = self._head + data, b""
        protocol = self.protocol
        if data:
            protocol.transport.write(data)
        if not more:
            self.response_complete = True
            self.wake()
            if not self.keep_alive or self._left:  # a body shorter than promised: its end must show
                protocol.transport.close()
            protocol.on_response_complete()

    @property
    def is_simple(self) -> bool:
        """Whether a response goes out as it is, and at once."""
        return (
            self.compress is None
            and self.cookie is None
            and self.method != "HEAD"
            and not self.protocol.flow.write_paused
            and not self.disconnected
        )

    def send_whole(self, head: heads.Known, body: bytes) -> None:
        """Send a complete response whose head is known. For simple ones only, to requests that have
        no body.
        """
        protocol = self.protocol
        protocol.transport.write(b"%b%b\r\n\r\n%b" % (head.data, protocol.date(), body))
        self.started = self.response_complete = True
        self.status, self.bytes_sent = head.status, len(body)
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()

    def cut(self, why: str) -> None:
        """Break a response off that cannot be completed."""
        self.remark = f"cut short: {why}"
        self.was_cut = self.disconnected = True
        self.protocol.transport.abort()

    def reset(self) -> None:
        """Reset the connection without a byte of response, as AbortRequest does."""
        self.started = True
        self.disconnected = True
        self.protocol.reset()

    async def broken(self) -> None:
        """End an exchange that a defect of our own has stopped: a bare 500, or what has begun cut
        short.
        """
        if self.started:
            self.cut("a defect of fcgiemu")
            return
        self.cookie = self.compress = None
        self.keep_alive = False
        await self.respond(Response(500, reason_phrase(500), [("Content-Length", "0")]))


@lru_cache(maxsize=256)
def _decoded(
    headers: tuple[tuple[bytes, bytes], ...],
) -> tuple[tuple[Header, ...], Mapping[str, str]]:
    """Headers as text, in order and by name; a client sends the same ones with most of its
    requests.
    """
    decoded = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    return decoded, joined(decoded)


#: A host and port as a Host field may hold them; "" is allowed for HTTP/1.0.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::([0-9]*))?")


def _invalid_hostname() -> UrlRefused:
    return UrlRefused(400, "Bad Request - Invalid Hostname", "The request hostname is invalid.")


@lru_cache(maxsize=1024)
def _host_and_port(host: str) -> tuple[str, int | None]:
    """The parts of a Host field. Raises UrlRefused for what is none, two joined ones among it."""
    match = _HOST.fullmatch(host)
    if match is None:
        raise _invalid_hostname()
    return match[1].strip("[]"), int(match[2]) if match[2] else None


def _origin_form(target: str, method: str) -> tuple[str, str | None]:
    """The origin form of any request target, and the authority where it names one."""
    if target.startswith("/"):
        return target, None
    scheme, found, rest = target.partition("://")
    if found and scheme.lower() in ("http", "https"):
        end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
        path = rest[end:]
        if not end:
            raise _invalid_hostname()
        return path if path.startswith("/") else "/" + path, rest[:end]
    if target == "*" and method == "OPTIONS":
        return "/", None
    raise UrlRefused(400, "Bad Request - Invalid URL", "The request URL is invalid.")
