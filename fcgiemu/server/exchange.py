"""One HTTP exchange as the actions see it: the request, its body as it arrives and is counted
against the site's limit, and the response as it goes out.

An exchange has two sides, and neither waits for the pace of a client longer than it must.

The request's body arrives until the connection says that it is complete (``body_complete``). It
collects in a spool. An action that passes it on waits for all of it (``whole_body``) before it
takes a worker; an action that does not want it answers at once. Too much of it (``body_limit``), or
bytes that are not a body, end the waiting with an exception.

The response goes through these phases; only methods of this class change them:

    READY     nothing has been sent: any response may follow (``respond``, ``start``).
    STARTED   the head has been made; it leaves with the first part of the body. There are two ways
              to send more. ``write`` waits while the client is slower: for files, whose end nobody
              waits for. ``pass_on`` does not: what the client is too slow for goes to a spool, so
              that a back end is free when it has said its last word; ``room`` waits while that
              spool is full.
    ENDING    the last part has been given; some of it waits in the spool.
    OVER      the last byte has been handed to the transport, or never will be.

``disconnected`` is beside them: the connection was lost before the phase was OVER. ``was_cut``
says that we ended it.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from typing import Any, Protocol

from .. import posix
from ..decision import Proxy
from ..http.framing import RequestHead
from ..http.numbers import MAX_LENGTH
from ..http.request import Request
from ..http.response import Header, Response, reason_phrase
from ..http.url import UrlRefused
from ..modules import compression
from ..modules.compression import Encoder
from ..modules.dynamic_ip_restriction import RateVerdict
from ..rewrite.long_searches import NO_SEARCHES, Made
from . import response_heads
from .output_cache import Recording
from .remembered_decision import RememberedDecision
from .request_building import RequestHeads
from .request_capture import CAPTURED, Capture
from .send_file import FileSender
from .spool import MAX_WAITING_RESPONSE, Spool, SpoolBudget

#: Bytes that are taken from a spool at once.
PORTION = 1 << 16
#: A body up to this size is copied behind its head; a larger one is given on as it is.
JOINED = 1 << 14


class Room(Protocol):
    """What the server has for all of its connections."""

    budget: SpoolBudget
    request_heads: RequestHeads


class Peer(Protocol):
    """A connection as its exchange sees it; what each does is said at Connection."""

    client: tuple[str, int]
    server: tuple[str, int]
    scheme: str
    write_paused: bool
    sending_file: bool

    @property
    def app(self) -> Room: ...
    def date(self) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    def write_both(self, head: bytes, body: bytes) -> None: ...
    def file_sender(self) -> FileSender | None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def give_body_up(self) -> None: ...
    def answered(self) -> None: ...
    def run(self, exchange: Exchange, acting: Coroutine[Any, Any, None]) -> None: ...
    def upgrade(self, tunnel: Tunnel) -> bytes: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def reset(self) -> None: ...


class Tunnel(Protocol):
    """What has taken a connection over."""

    def received(self, data: bytes) -> None:
        """Bytes of the client."""

    def can_write(self) -> None:
        """The client has taken what waited."""

    def lost(self) -> None:
        """The connection has been lost."""


class ClientGone(Exception):
    """The client closed its connection before the response was complete."""


class EntityTooLarge(Exception):
    """The body has more bytes than the request may have (maxAllowedContentLength)."""


class Phase(enum.Enum):
    """How far the response is."""

    READY = "ready"
    STARTED = "started"
    ENDING = "ending"
    OVER = "over"

    __hash__ = object.__hash__


class Exchange:
    """A request in progress, and its response."""

    # How every exchange begins; what stays like that need not be set again for each.
    phase = Phase.READY
    disconnected = False
    was_cut = False
    #: When its answering began, by the process's clock; 0 = it has not.
    begun = 0.0
    #: What is remembered of the request, or may be.
    kept: RememberedDecision | None = None
    #: The long searches that have been made for its decision.
    searches: Made = NO_SEARCHES
    #: What to call when the client goes away during a request.
    when_lost: Callable[[], object] | None = None
    #: Whether the client sends a body, and whether all of it is here.
    has_body = False
    body_complete = True
    #: Bytes that the body may have.
    body_limit = MAX_LENGTH
    #: What the log says of the response beside its status, and http.sys's name for it.
    remark = ""
    reason = ""
    status = 0
    substatus = 0
    bytes_sent = 0
    #: The head of the response up to the value of Date, which traces show.
    sent_head = b""
    #: Says how a response goes out compressed, where compression is on.
    compress: Callable[[int, list[Header]], Encoder | None] | None = None
    #: Headers of every answer: what the front end of App Service sets, and what modules have set
    #: at the beginning.
    extra: tuple[Header, ...] = ()
    #: What dynamicIpSecurity has said of the request, where that limits clients.
    verdict: RateVerdict | None = None
    #: How the request was forwarded: whom it went to.
    routed: Proxy | None = None
    #: Takes the answer down for the output cache.
    recording: Recording | None = None
    #: Takes the beginnings of both bodies down, where somebody watches.
    capture: Capture | None = None
    #: Whether the client waits for 100 Continue before it sends its body.
    owes_continue = False
    _body: Spool | None = None
    _body_error: Exception | None = None
    _unsent: Spool | None = None
    #: Set where a task waits: for more of the body, for room, or for the end.
    _awake: asyncio.Event | None = None
    _encoder: Encoder | None = None
    _head = b""
    _chunked = False
    _no_body = False
    #: Bytes of the body that Content-Length promises and that have not been sent; None without one.
    _left: int | None = None

    def __init__(self, protocol: Peer, head: RequestHead) -> None:
        self.protocol = protocol
        self.method, self.target, self.headers, self.version, self.keep_alive = head

    @property
    def started(self) -> bool:
        """Whether the head of the response is on its way."""
        return self.phase is not Phase.READY

    @property
    def is_over(self) -> bool:
        """Whether nothing more is sent."""
        return self.phase is Phase.OVER or self.disconnected

    @property
    def response_complete(self) -> bool:
        """Whether all of the response has been handed over."""
        return self.phase is Phase.OVER

    @property
    def gone(self) -> bool:
        """Whether the client has closed its connection, before anybody here did."""
        return self.disconnected and not self.was_cut

    def tell_when_lost(self, call: Callable[[], object] | None) -> None:
        """Have ``call`` called when the client goes away during a request."""
        self.when_lost = call

    # -- what the connection says ------------------------------------------------------------------

    def body_arrived(self, data: bytes, complete: bool) -> None:
        """More of the body, or its end."""
        if data:
            if self._body is None:
                self._body = Spool(self.protocol.app.budget)
            if self.capture is not None:
                self.capture.asked(data)
            body = self._body
            if body.received + len(data) > self.body_limit:
                self._stop_body(EntityTooLarge())
                return
            try:
                body.write(data)
            except OSError as error:
                self._stop_body(error)
                return
            if body.is_full and not complete:
                self.protocol.pause_reading()
        self.body_complete = complete
        if complete or self._body_error is not None:
            self._wake()

    def _stop_body(self, error: Exception) -> None:
        self._body_error = self._body_error or error
        self.protocol.give_body_up()
        self._wake()

    def refused(self, error: UrlRefused) -> bool:
        """The request stops being one. Returns whether it is for the caller to answer that."""
        if not self.begun:
            return True
        self._body_error = error
        self._wake()
        return False

    def can_write(self) -> None:
        """The client has taken what waited for it."""
        if self._unsent is not None:
            self._pump()
        else:
            self._wake()

    def lost(self) -> None:
        """The connection has been lost."""
        over = self.phase is Phase.OVER
        self._close_spools()
        if over:
            return
        self.disconnected = True
        self._wake()
        if self.when_lost is not None:
            self.when_lost()

    def tick(self) -> None:
        """Once a second: the budget of all spools may have room again."""
        if not self.body_complete and self._body is not None and not self._body.is_full:
            self.protocol.resume_reading()

    def _wake(self) -> None:
        if self._awake is not None:
            self._awake.set()

    async def _next_event(self) -> None:
        self._awake = asyncio.Event()
        await self._awake.wait()

    # -- the request -------------------------------------------------------------------------------

    def request(self) -> Request:
        """The request as data. Raises UrlRefused where http.sys would answer by itself."""
        protocol = self.protocol
        return protocol.app.request_heads.request(
            method=self.method,
            target=self.target,
            version=self.version,
            headers=tuple(self.headers),
            scheme=protocol.scheme,
            client=protocol.client,
            server=protocol.server,
        )

    async def whole_body(self) -> Spool | None:
        """The body, once all of it is here. Raises ClientGone, EntityTooLarge, UrlRefused for what
        is not a body, and OSError where there is no place for it.
        """
        if self._body is not None and self._body.received > self.body_limit:
            self._stop_body(EntityTooLarge())  # it came before the limit was known
        if not self.body_complete and self._expects():
            self.owes_continue = False
            self.protocol.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self.body_complete or self._body_error is not None:
            if self._body_error is not None:
                raise self._body_error
            if self.disconnected:
                raise ClientGone
            await self._next_event()
        return self._body

    @property
    def collected(self) -> Spool | None:
        """What has arrived of the body."""
        return self._body

    def look_for_expect(self) -> None:
        """Note whether the client waits for 100 Continue."""
        self.owes_continue = not self.body_complete and self._expects()

    def _expects(self) -> bool:
        return (
            self.version != "1.0"
            and self._body is None
            and any(
                name.lower() == b"expect" and value.lower() == b"100-continue"
                for name, value in self.headers
            )
        )

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
        self.phase, self.status, self.substatus = Phase.STARTED, status, substatus
        if self.capture is not None:
            self.capture.begins()
        if self.recording is not None:
            headers = list(headers)
            self.recording.begin(status, reason, headers)
        if self.extra:
            headers = [*headers, *self.extra]
        if self.compress is not None:
            headers = list(headers)
            self._encoder = self.compress(status, headers)
            if self._encoder is not None:
                headers = compression.encoded(headers)
        self._no_body = self.method == "HEAD" or status in (204, 304)
        framed, self._left, self._chunked, self.keep_alive = response_heads.framed(
            headers, status, self.version, not self._no_body, self.keep_alive
        )
        self.sent_head = response_heads.encoded(status, reason, framed)
        self._head = b"%b%b\r\n\r\n" % (self.sent_head, self.protocol.date())

    async def write(self, data: bytes, more: bool = True) -> None:
        """Send a part of the body, or with ``more=False`` the last one; waits while the client is
        slower.
        """
        if self._unsent is not None or not more:
            self.pass_on(data, more)
            if not more:
                await self.sent()
            return
        while self.protocol.write_paused and not self.disconnected:
            await self._next_event()
        self.pass_on(data)

    def pass_on(self, data: bytes, more: bool = True) -> None:
        """Send a part of the body as ``write`` does, but wait for nobody: see ``room``."""
        if self.recording is not None:
            self.recording.add(data, more)
        if self.capture is not None:
            self.capture.answered(data)
        if self._encoder is not None:
            data = self._encoder.part(data) if more else self._encoder.end(data)
        if self.disconnected:
            return
        data = self._wrapped(b"" if self._no_body else data, more)
        if data:
            if self._unsent is None and self.protocol.write_paused:
                self._unsent = Spool(self.protocol.app.budget, MAX_WAITING_RESPONSE)
            if self._unsent is None:
                self.protocol.write(data)
            else:
                self._unsent.write(data)
        if not more:
            self.phase = Phase.ENDING
            if self._unsent is None:
                self._end()

    async def pass_on_all(self, begun: bytes | bytearray, parts: AsyncIterable[bytes]) -> None:
        """Send what has begun and each part that follows, no faster than the client takes them.
        Raises ClientGone.
        """
        self.pass_on(bytes(begun))
        async for part in parts:
            self.pass_on(part)
            await self.room()
            if self.gone:
                raise ClientGone
        self.pass_on(b"", more=False)

    async def send_file(self, descriptor: int, start: int, end: int) -> bool:
        """Send a part of a file as the whole body, without reading it; False where that cannot be
        done here.
        """
        if self._encoder is not None or self._no_body or self._left != end - start:
            return False
        sender = self.protocol.file_sender()
        if sender is None:
            return False
        if self.capture is not None:
            self.capture.answered(posix.pread(descriptor, min(end - start, CAPTURED + 1), start))
        head, self._head = self._head, b""
        self.protocol.sending_file = True
        try:
            reached = await sender.send(head, descriptor, start, end)
        finally:
            self.protocol.sending_file = False
        self.bytes_sent += reached - start
        self._left = end - reached
        self.pass_on(b"", more=False)
        if self.disconnected:
            raise ClientGone
        return True

    async def room(self) -> None:
        """Wait while more of the response waits for the client than may."""
        while self._unsent is not None and self._unsent.is_full and not self.disconnected:
            await self._next_event()

    async def sent(self) -> None:
        """Wait until the client, or its transport, has all of the response. Raises ClientGone."""
        while self.phase is not Phase.OVER:
            if self.disconnected:
                raise ClientGone
            await self._next_event()

    def _pump(self) -> None:
        """Send what waits, as long as the client takes it."""
        unsent, protocol = self._unsent, self.protocol
        assert unsent is not None
        while unsent.waiting and not protocol.write_paused:
            protocol.write(unsent.read(PORTION))
        if not unsent.waiting:
            unsent.close()
            self._unsent = None
            if self.phase is Phase.ENDING:
                self._end()
        if not unsent.is_full:
            self._wake()

    def _wrapped(self, data: bytes, more: bool) -> bytes:
        """A part of the body as it goes over the wire, with the head before the first one."""
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
        return data

    def _end(self) -> None:
        if self._left:  # a body shorter than promised: its end must show
            self.keep_alive = False
        self._over()

    def _over(self) -> None:
        self.phase = Phase.OVER
        self._close_spools()
        self._wake()
        self.protocol.answered()

    def _close_spools(self) -> None:
        for spool in (self._body, self._unsent):
            if spool is not None:
                spool.close()
        self._body = self._unsent = None

    @property
    def is_simple(self) -> bool:
        """Whether a response goes out as it is, and at once."""
        return (
            self.compress is None
            and not self.extra
            and self.recording is None
            and self.method != "HEAD"
            and not self.protocol.write_paused
            and not self.disconnected
        )

    def send_whole(self, head: response_heads.KnownHead, body: bytes) -> None:
        """Send a complete response whose head is known. For simple ones only."""
        protocol = self.protocol
        if self.capture is not None:
            self.capture.begins()
            self.capture.answered(body)
        if len(body) <= JOINED:
            protocol.write(b"%b%b\r\n\r\n%b" % (head.data, protocol.date(), body))
        else:
            protocol.write_both(b"%b%b\r\n\r\n" % (head.data, protocol.date()), body)
        self.status, self.bytes_sent, self.sent_head = head.status, len(body), head.data
        self._over()

    def cut(self, why: str, reason: str = "") -> None:
        """Break a response off that cannot be completed."""
        self.remark, self.reason = f"cut short: {why}", reason
        self.was_cut = self.disconnected = True
        self.protocol.abort()
        self._wake()

    def reset(self) -> None:
        """Reset the connection without a byte of response, as AbortRequest does."""
        self.phase = Phase.OVER
        self.was_cut = self.disconnected = True
        self.protocol.reset()

    async def fail(self) -> None:
        """End an exchange that an internal error of fcgiemu has stopped: a bare 500, or what has
        begun cut short.
        """
        if self.started:
            self.cut("an internal error of fcgiemu")
            return
        self.extra, self.compress = (), None
        self.keep_alive = False
        await self.respond(Response(500, reason_phrase(500), [("Content-Length", "0")]))
