"""One client connection: http.sys's states, limits and timers around the readers of
``http.framing``.

A connection is in one state, and ``ALLOWED`` says which may follow:

    HEAD        nothing has been asked, or a head is not complete yet. Bytes go to the buffer.
    BODY        a request is being answered while its body still arrives.
    ANSWERING   the request is complete, its answer is not. What arrives now belongs to the next
                request: it waits in the buffer, and over READ_AHEAD bytes the socket is not read.
    DRAINING    the answer is complete, the body is not: the rest of it is dropped.
    LINGERING   the last answer has been sent and our side is closed; what the client still sends is
                dropped for a while, so that a reset does not destroy the answer on its way.
    TUNNEL      upgraded: bytes go to and come from somebody else (see tunnel).
    CLOSED      nothing is sent any more.

Only this class changes the state. Requests are looked at one after another, never while another one
is answered: so whatever is wrong with the second one is found after the first has its answer, and
nothing that follows a request can touch it. The buffer belongs to this class too; a reader takes
from it what is its request's.

The other side of a request is its Exchange. It is told of body bytes (``body_arrived``), of room
for more output (``can_write``) and of the connection's end (``lost``), and calls ``answered`` when
the last byte of its answer has been handed over.

Timers are looked at once a second by ``tick``, not set for each request.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, cast

from ..http.framing import (
    BodyReader,
    RequestHead,
    body_of,
    end_of_head,
    parse_head,
)
from ..http.url import UrlRefused
from .date_header import DateHeader
from .decision_cache import LONGEST_HEAD, DecisionCache
from .exchange import Exchange, Tunnel
from .remembered_decision import RememberedDecision
from .request_building import RequestHeads
from .send_file import FileSender
from .spool import SpoolBudget
from .web_limits import Timers

#: Bytes of the next request that may wait while one is answered.  # our own
READ_AHEAD = 1 << 16
#: Bytes of a body that are read and dropped behind an early answer so that the connection can be
#: used again.  # our own
MAX_DRAINED = 1 << 20
#: Seconds and bytes for which a client may go on sending behind the last answer.  # our own
LINGER_SECONDS = 2.0
MAX_LINGERED = 1 << 18
#: Seconds for which an idle connection's decisions are kept.
REMEMBER_SECONDS = 5.0


class ConnectionState(enum.Enum):
    """What a connection is doing; ALLOWED says what may follow."""

    HEAD = "head"
    BODY = "body"
    ANSWERING = "answering"
    DRAINING = "draining"
    LINGERING = "lingering"
    TUNNEL = "tunnel"
    CLOSED = "closed"

    __hash__ = object.__hash__  # as ProcessState


_S = ConnectionState
ALLOWED: Mapping[ConnectionState, frozenset[ConnectionState]] = {
    _S.HEAD: frozenset({_S.BODY, _S.ANSWERING, _S.LINGERING, _S.CLOSED}),
    _S.BODY: frozenset({_S.ANSWERING, _S.DRAINING, _S.LINGERING, _S.CLOSED}),
    _S.ANSWERING: frozenset({_S.HEAD, _S.TUNNEL, _S.LINGERING, _S.CLOSED}),
    _S.DRAINING: frozenset({_S.HEAD, _S.LINGERING, _S.CLOSED}),
    _S.LINGERING: frozenset({_S.CLOSED}),
    _S.TUNNEL: frozenset({_S.CLOSED}),
    _S.CLOSED: frozenset(),
}


class RequestHandler(Protocol):
    """What answers requests."""

    timers: Timers
    budget: SpoolBudget
    connections: set[ClientConnection]
    request_heads: RequestHeads
    date_header: DateHeader

    def begin(self, exchange: Exchange) -> None:
        """Begin to answer a request."""

    def answer_again(self, connection: ClientConnection, kept: RememberedDecision) -> bool:
        """Answer a request whose whole answer is kept; False where that has changed."""

    def refuse(self, exchange: Exchange, error: UrlRefused) -> None:
        """Answer a request as http.sys does, at once."""

    def timed_out(self, exchange: Exchange | None, reason: str, limit: str) -> None:
        """A connection has been ended by a timer outside of an answer."""


class _Rest:
    """The reader of what follows a body that broke off: all of it is dropped."""

    done = False
    left = MAX_DRAINED + 1

    def take(self, buffer: bytearray) -> bytes:
        buffer.clear()
        return b""


class ClientConnection(asyncio.Protocol):
    """One client connection, from its first byte to its last."""

    transport: asyncio.Transport
    state = ConnectionState.HEAD
    #: Whether the transport has said that it has enough for now.
    write_paused = False
    #: The request that is being answered or whose answer has just ended.
    exchange: Exchange | None = None
    tunnel: Tunnel | None = None
    #: Bytes that have been handed to the transport or the socket.
    written = 0
    #: Bytes of the buffer in which no end of a head was.
    _seen = 0
    _reader: BodyReader | None = None
    _reading_paused = False
    _advancing = False
    #: Whether more belongs to the last request than has been read.
    _incomplete = False
    #: Bytes that have been dropped since the answer.
    _dropped = 0
    #: When the state's present wait began, and how much the client had taken by a time.
    _since = 0.0
    _mark: tuple[float, int] | None = None
    #: Whether a file is on its way past the transport.
    sending_file = False
    _file_sender: FileSender | None = None
    _task: asyncio.Task[None]

    def __init__(self, app: RequestHandler, scheme: str, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.scheme = scheme
        self.loop = loop
        self.decisions = DecisionCache()
        self.tasks: set[asyncio.Task[None]] = set()
        self._buffer = bytearray()

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.client = _address(transport.get_extra_info("peername"), 0)
        self.server = _address(transport.get_extra_info("sockname"), 80)
        self._since = self.loop.time()
        self.app.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self.state is _S.HEAD and not self._buffer:
            known = self.decisions.recall(data) if len(data) <= LONGEST_HEAD else None
            if known is not None:
                kept = known[1]
                if kept is None or kept.ready is None or not self.app.answer_again(self, kept):
                    self._begin_again(data, *known)
                return
        self._received(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.app.connections.discard(self)
        if self._file_sender is not None:
            self._file_sender.close()
        tunnel, self.tunnel = self.tunnel, None
        if self.state is not _S.CLOSED:
            self._to(_S.CLOSED)
        self._buffer.clear()
        if tunnel is not None:
            tunnel.lost()
        if self.exchange is not None:
            self.exchange.lost()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.tunnel is not None:
            self.tunnel.can_write()
        elif self.exchange is not None:
            self.exchange.can_write()

    # -- requests ----------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        state = self.state
        if state is _S.TUNNEL:
            assert self.tunnel is not None
            self.tunnel.received(data)
        elif state is _S.LINGERING:
            self._dropped += len(data)
            if self._dropped > MAX_LINGERED:
                self.close()
        elif state is not _S.CLOSED:
            if state is _S.BODY or state is _S.HEAD and not self._buffer:
                self._since = self.loop.time()
            self._buffer += data
            self._advance()

    def _advance(self) -> None:
        """Take from the buffer what the state can use, as long as there is anything."""
        if self._advancing:  # an answer has ended within a request's beginning
            return
        self._advancing = True
        try:
            while self._buffer and self._step():
                pass
        except UrlRefused as error:
            self._refuse(error)
        finally:
            self._advancing = False
        if self.state is _S.ANSWERING and len(self._buffer) > READ_AHEAD:
            self._pause_reading()

    def _step(self) -> bool:
        """One piece of progress; False where more bytes, or an answer, have to come first."""
        if self.state is _S.HEAD:
            return self._take_head()
        if self.state is _S.BODY or self.state is _S.DRAINING:
            return self._take_body()
        return False

    def _take_head(self) -> bool:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # RFC 9112, 2.2
            del buffer[:2]
        end = end_of_head(buffer, self._seen) if buffer else -1
        if end < 0:
            self._seen = len(buffer)
            return False
        self._seen = 0
        data = bytes(buffer[:end])
        head = parse_head(data)
        reader = body_of(head)
        del buffer[:end]  # not before: a refusal is logged with its request line
        self._begin(head, data, reader)
        return True

    def _begin(self, head: RequestHead, data: bytes, reader: BodyReader | None) -> None:
        exchange = self.exchange = Exchange(self, head)
        if reader is None:
            self._to(_S.ANSWERING)
        else:
            self._reader = reader
            exchange.has_body = True
            exchange.body_complete = False
            self._since = self.loop.time()
            self._to(_S.BODY)
            if self._buffer:  # most bodies come with their head
                self._take_body()
        self.app.begin(exchange)
        if reader is None and exchange.kept is not None and len(data) <= LONGEST_HEAD:
            self.decisions.keep(data, exchange)

    def _begin_again(self, data: bytes, head: RequestHead, kept: RememberedDecision | None) -> None:
        """What has come before need not be parsed."""
        exchange = self.exchange = Exchange(self, head)
        exchange.kept = kept
        self._to(_S.ANSWERING)
        self.app.begin(exchange)
        if exchange.kept is not kept:
            self.decisions.keep(data, exchange)

    def _take_body(self) -> bool:
        assert self._reader is not None and self.exchange is not None
        data = self._reader.take(self._buffer)
        ends = self._reader.done
        if self.state is _S.DRAINING:
            self._dropped += len(data)
            if self._dropped > MAX_DRAINED and not ends:
                self._linger()
                return False
            if ends:
                self._to_next()
            return ends
        if ends:
            self._to(_S.ANSWERING)
        self.exchange.body_arrived(data, ends)
        return ends

    def _to_next(self) -> None:
        self._reader = None
        self._since = self.loop.time()
        self._to(_S.HEAD)

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
        if not exchange.response_complete and self.state is not _S.CLOSED and not self.tunnel:
            self.close()

    def _refuse(self, error: UrlRefused) -> None:
        """http.sys's answer to what is not a request, or stops being one within its body."""
        exchange = self.exchange
        if self.state is _S.HEAD:
            method, target = _begun(self._buffer)
            exchange = self.exchange = Exchange(
                self, RequestHead(method, target, [], "1.1", keep_alive=False)
            )
            self._to(_S.ANSWERING)
        elif self.state is _S.DRAINING:  # it has its answer
            self._linger()
            return
        assert exchange is not None
        self.give_body_up()
        if exchange.refused(error):
            self.app.refuse(exchange, error)

    def give_body_up(self) -> None:
        """Read nothing more of the request, nor another one behind it."""
        assert self.exchange is not None
        self.exchange.keep_alive = False
        self._incomplete = True
        self._reader = _Rest()
        self._buffer.clear()

    def answered(self) -> None:
        """The last byte of the answer has been handed over."""
        exchange = self.exchange
        assert exchange is not None
        if self.state is _S.CLOSED or self.state is _S.LINGERING:
            return
        if not exchange.keep_alive:
            self._linger()
        elif self.state is _S.ANSWERING:
            self._to_next()
        else:
            assert self._reader is not None
            if self._reader.left > MAX_DRAINED or exchange.owes_continue:
                self._linger()
                return
            self._dropped = 0
            self._to(_S.DRAINING)
        self.resume_reading()
        if self._buffer:
            self._advance()

    # -- ends --------------------------------------------------------------------------------------

    def _linger(self) -> None:
        """End our side; the client's ends by itself, or within a time."""
        complete = self.state is _S.ANSWERING and not (self._buffer or self._incomplete)
        self._buffer.clear()
        if complete or self.scheme == "https" or not self.transport.can_write_eof():
            self.close()  # nothing is under way that a reset could meet
            return
        self._to(_S.LINGERING)
        self._dropped = 0
        self._since = self.loop.time()
        self.transport.write_eof()
        self.resume_reading()

    def close(self) -> None:
        """Send what waits, and close."""
        if self.state is not _S.CLOSED:
            self._to(_S.CLOSED)
        self.transport.close()

    def abort(self) -> None:
        """Close without sending what waits."""
        if self.state is not _S.CLOSED:
            self._to(_S.CLOSED)
        self.transport.abort()

    def reset(self) -> None:
        """Reset the connection without another byte."""
        sock: socket.socket | None = self.transport.get_extra_info("socket")
        if sock is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
        self.abort()

    def upgrade(self, tunnel: Tunnel) -> bytes:
        """Give the connection to ``tunnel``; what the client has sent already is the result."""
        self._to(_S.TUNNEL)
        self.tunnel = tunnel
        data = bytes(self._buffer)
        self._buffer.clear()
        self.resume_reading()
        return data

    # -- writing and reading -----------------------------------------------------------------------

    def send_again(self, head: bytes, body: bytes) -> None:
        """Send a whole answer to a request that needs no exchange, because nothing of it waits."""
        self._since = self.loop.time()
        self.write(b"%b%b\r\n\r\n%b" % (head, self.date(), body))

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        self.written += len(data)
        self.transport.write(data)

    def write_both(self, head: bytes, body: bytes) -> None:
        """Hand a head and its body to the transport, without a copy of them."""
        self.written += len(head) + len(body)
        self.transport.writelines((head, body))

    def file_sender(self) -> FileSender | None:
        """What sends files past the transport, while that has nothing to send; None where there is
        no such thing.
        """
        if self.scheme == "https" or self.transport.get_write_buffer_size():
            return None
        if self._file_sender is None and FileSender.is_possible():
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                self._file_sender = FileSender(sock.fileno(), self.loop)
        return self._file_sender

    def pause_reading(self) -> None:
        """Take nothing from the client until ``resume_reading``."""
        self._pause_reading()

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._reading_paused and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    @property
    def is_answering(self) -> bool:
        """Whether a request waits for the rest of its answer."""
        return self.exchange is not None and not self.exchange.is_over

    @property
    def is_idle(self) -> bool:
        """Whether nothing has been asked, or nothing that is complete."""
        return self.state is _S.HEAD

    def date(self) -> bytes:
        """The Date of a response sent now."""
        return self.app.date_header.now()

    def _to(self, state: ConnectionState) -> None:
        assert state in ALLOWED[self.state], f"{self.state} -> {state}"
        self.state = state

    # -- timers ------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Once a second: enforce http.sys's limits on time."""
        timers = self.app.timers
        waited = now - self._since
        if self.state is _S.HEAD:
            if self._buffer and waited > timers.header_wait:
                self._time_out("Timer_HeaderWait", "headerWaitTimeout", timers.header_wait)
            elif not self._buffer and waited > timers.connection:
                self.close()
            elif waited > REMEMBER_SECONDS:
                self.decisions.forget()
        elif self.state is _S.LINGERING:
            if self.transport.get_write_buffer_size():
                self._since = now
            elif waited > LINGER_SECONDS:
                self.abort()
        elif self.state in (_S.BODY, _S.DRAINING) and waited > timers.connection:
            self._time_out("Timer_EntityBody", "connectionTimeout", timers.connection)
        if self.exchange is not None:
            self.exchange.tick()
        self._check_rate(now, timers)

    def _check_rate(self, now: float, timers: Timers) -> None:
        """Whether the client takes what waits for it fast enough."""
        waiting = self.transport.get_write_buffer_size()
        if not (waiting or self.sending_file) or not timers.minimum_rate:
            self._mark = None
            return
        taken = self.written - waiting
        if self._file_sender is not None:
            taken += self._file_sender.taken
        if self._mark is None:
            self._mark = now, taken
            return
        since, before = self._mark
        if now - since < timers.connection:
            return
        if taken - before < timers.minimum_rate * (now - since):
            limit = f"minBytesPerSecond ({timers.minimum_rate}) over {timers.connection:g} seconds"
            if self.exchange is not None and not self.exchange.is_over:
                self.exchange.cut(f"the client is slower than {limit}", "Timer_MinBytesPerSecond")
            else:
                self.abort()
        self._mark = now, taken

    def _time_out(self, reason: str, limit: str, seconds: float) -> None:
        exchange = self.exchange if self.state is _S.BODY else None
        exceeded = f"{limit} ({seconds:g} seconds)"
        if exchange is not None and not exchange.is_over:
            exchange.cut(f"the client exceeded {exceeded}", reason)
        else:
            self.app.timed_out(exchange, reason, exceeded)
            self.abort()


def _address(value: object, port: int) -> tuple[str, int]:
    """Host and port of a socket's address; loopback where there is none (a Unix socket)."""
    if isinstance(value, (tuple, list)) and len(value) >= 2:
        return str(value[0]), int(value[1])
    return "127.0.0.1", port


def _begun(buffer: bytearray) -> tuple[str, bytes]:
    """Method and target of what was no request, as far as they can be told, for the log."""
    exceeded = bytes(buffer[:256]).split(b"\r", 1)[0].split(b" ")
    method = exceeded[0][:32].decode("latin-1")
    return (method if method.isprintable() and method else "-"), (
        exceeded[1] if len(exceeded) > 1 else b"-"
    )
