"""One request at a time over one stream to a FastCGI application: asyncio around the codec, bounded
buffers.

A connection outlives its requests. It is in one of five states, told by four attributes:

    state      ended  error  is_stray  what it means
    IDLE       yes    none   no        nothing is asked; ``send`` may begin a request
    ASKED      no     none   no        a request is on its way; STDIN may follow, nothing has come
    ANSWERING  no     none   no        the same once ``has_received``
    STRAY      any    none   yes       something came about an earlier request: the present one may
                                       end, and nothing is asked any more
    BROKEN     any    set    any       the stream is gone or spoke nonsense; for good

``send`` (the call that has taken the process from the pool) leads from IDLE to ASKED. Only bytes
from the application lead on: STDOUT and STDERR to ANSWERING, END_REQUEST back to IDLE, and an id of
an earlier request to STRAY. Every request has a number of its own, so a second answer that comes
late meets nobody else's client. ``fail``, a lost stream and a protocol error lead to BROKEN.

One party at most follows the response. It says with ``expect`` what it waits for, and is called
once: the response has ended or broken, or more than so many bytes wait; ``wait`` is the same for a
task. ``interrupt`` (a timeout, a client that went away, a first byte of STDERR) wakes it with an
error that is not the connection's: the state stays, and the response can be followed again. STDOUT
that nobody takes is bounded by pausing the stream (HIGH_WATER beyond what is waited for), STDERR by
counting instead of keeping.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import cast

from . import records
from .records import ProtocolError, RecordReader

#: Requests of a connection are numbered to tell their answers apart; the protocol has 16 bits.
MAX_REQUEST_ID = 0xFFFF
#: Bytes of response beyond those that are waited for, before reading from the application pauses.
HIGH_WATER = 1 << 20
#: STDERR beyond this is counted, not kept.
MAX_STDERR = 1 << 20
#: Bytes of STDERR one request may send before it counts as a defect of the application.
STDERR_FLOOD = 64 << 20


class ConnectionClosed(Exception):
    """The application closed the stream before END_REQUEST."""


class WroteStderr(Exception):
    """The application wrote to STDERR, where that ends its process."""


class FastCgiConnection(asyncio.Protocol):
    """A kept connection. ``send`` starts a request; ``expect``, or ``wait`` and ``take``, follow
    its response.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._reader = RecordReader()
        self._chunks: deque[bytes] = deque()
        self._id = 0
        #: Whether the application has sent something about an earlier request.
        self.is_stray = False
        self._call: Callable[[], None] | None = None
        self._threshold = 0
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self.buffered = 0
        self.received = 0
        self.stderr = bytearray()
        self.stderr_total = 0
        #: Requests that have been sent, and whether anything has come since the last one.
        self.requests_sent = 0
        self.has_received = False
        #: Bytes of STDOUT that had come before the first of STDERR.
        self.stderr_after = 0
        #: Whether the first byte of STDERR wakes the task that waits, with WroteStderr.
        self.stderr_interrupts = False
        #: How many steps wait for the client; the timeouts of the application stand still then.
        self.waits_for_client = 0
        self.ended = True
        self.status = (0, 0)
        #: What broke the connection, and what only took its user away; both wake the task that
        #: waits.
        self.error: Exception | None = None
        self._interruption: Exception | None = None
        #: When the request began, and when the application was last heard of or written to; the
        #: loop's seconds.
        self.started = 0.0
        self.last_activity = 0.0

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.last_activity = self._loop.time()
        self.has_received = True
        try:
            if not self._took_whole(data):
                self._reader.feed(data, self._receive)
        except ProtocolError as error:
            self._fail(error)
            return
        if self._call is not None and (self.ended or self.buffered > self._threshold or self.error):
            self._wake()
        if (
            self.buffered > self._threshold + HIGH_WATER
            and not self._paused
            and self._transport is not None
        ):
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if not self.ended:
            self._fail(ConnectionClosed("the application closed the connection during a request"))
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def pause_writing(self) -> None:
        if self._writable is None or self._writable.done():
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # -- requests ----------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether another request can be sent."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self.error is None
            and not self.is_stray
        )

    def send(self, params: bytes, body: bytes | None = b"") -> None:
        """Begin a request. ``params`` is the whole PARAMS stream, ``body`` all of STDIN; where that
        is None it follows.

        A connection that has been closed meanwhile says so as one that breaks later: see ``wait``.
        """
        assert self.ended
        self._chunks.clear()
        self.buffered = 0
        self.received = self.stderr_total = self.waits_for_client = 0
        self.stderr = bytearray()
        self.ended = self.has_received = False
        self.requests_sent += 1
        self._interruption = None
        self.started = self.last_activity = self._loop.time()
        if self._transport is None or self._transport.is_closing():
            self._fail(
                ConnectionClosed("the application closed the connection before it was asked")
            )
            return
        number = self._id = self._id % MAX_REQUEST_ID + 1
        data = records.encode_begin(number) + records.renumbered(params, number)
        if body:
            data += records.encode_stream(records.STDIN, number, body)
        if body is not None:
            data += records.end_of_stream(records.STDIN, number)
        self._transport.write(data)

    async def send_body(self, data: bytes) -> None:
        """More of STDIN; returns when the stream can take more. What comes after the end is
        dropped.
        """
        if self._transport is None or self.ended:
            return
        self.last_activity = self._loop.time()
        self._transport.write(records.encode_stream(records.STDIN, self._id, data))
        if self._writable is not None and not self._writable.done():
            await self._writable

    def end_body(self) -> None:
        """STDIN is complete."""
        if self._transport is not None and not self.ended:
            self._transport.write(records.end_of_stream(records.STDIN, self._id))

    def expect(self, threshold: int, call: Callable[[], None]) -> None:
        """Have ``call`` called, once, when the response has ended or broken, or more than
        ``threshold`` bytes of it wait.
        """
        self._threshold, self._call = threshold, call
        if self.error is not None:
            self._wake()

    async def wait(self, threshold: int) -> None:
        """Until the response has ended or more than ``threshold`` bytes of STDOUT wait. Raises what
        broke it.
        """
        while (
            not self.ended
            and self.buffered <= threshold
            and self.error is None
            and self._interruption is None
        ):
            waiter: asyncio.Future[None] = self._loop.create_future()
            self.expect(threshold, partial(_resolve, waiter))
            await waiter
        if self.ended or self._chunks and self.buffered > threshold:
            return
        error = self.error or self._interruption
        if error is not None:
            raise error

    @property
    def is_whole(self) -> bool:
        """Whether the response is all here and nothing went wrong on its way."""
        return self.ended and self.error is None and not self.stderr and self.status == (0, 0)

    def look(self) -> bytes:
        """All STDOUT that waits, which is left there."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def take(self) -> bytes:
        """All STDOUT that waits."""
        data = self.look()
        self._chunks.clear()
        self.buffered = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def interrupt(self, error: Exception) -> None:
        """Wake the task that waits with ``error``; the connection itself stays usable."""
        if not self.ended and self.error is None:
            self._interruption = error
            self._wake()

    def resume_after_interrupt(self) -> None:
        """Follow the response again after ``interrupt``."""
        self._interruption = None
        self.take()

    def fail(self, error: Exception) -> None:
        """Break the request off with ``error`` and give the connection up."""
        self._fail(error)

    def abort(self) -> None:
        """Give the connection up at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection; the application sees the end of its stream."""
        if self._transport is not None:
            self._transport.close()

    def _took_whole(self, data: bytes) -> bool:
        """Take an answer that comes in one piece, as most do."""
        if self.ended or self.received or self._reader.pending or self.stderr:
            return False
        output = records.only_output(data, self._id)
        if output is None:
            return False
        self._chunks.append(output)
        self.buffered = self.received = len(output)
        self.status = (0, 0)
        self.ended = True
        return True

    # -- records -----------------------------------------------------------------------------------

    def _receive(self, kind: int, request_id: int, content: bytes) -> None:
        if request_id != self._id:
            self._of_another(request_id)
            return
        if self.ended:
            raise ProtocolError(f"record of type {kind} outside of a request")
        if kind == records.STDOUT:
            if (
                content
            ):  # an empty one in mid-stream is tolerated: wfastcgi sends one after every part
                self._chunks.append(content)
                self.buffered += len(content)
                self.received += len(content)
        elif kind == records.STDERR:
            if content and not self.stderr:
                self.stderr_after = self.received
                if self.stderr_interrupts:
                    self.interrupt(WroteStderr())
            self.stderr_total += len(content)
            self.stderr += content[: MAX_STDERR - len(self.stderr)]
            if self.stderr_total > STDERR_FLOOD:
                raise ProtocolError("the application writes to STDERR without end")
        elif kind == records.END_REQUEST:
            self.status = records.decode_end(content)
            self.ended = True
        else:
            raise ProtocolError(f"record of type {kind} from an application")

    def _of_another(self, request_id: int) -> None:
        """A record that is not of the present request. One of an earlier request is too late for
        its client, and nobody else's: it is dropped, and the process is not asked again.
        """
        if not request_id:  # management records, which answer questions that are never asked
            return
        if self.ended or not 0 < (self._id - request_id) % MAX_REQUEST_ID < self.requests_sent:
            raise ProtocolError(f"a record of request {request_id}, which nobody has made")
        self.is_stray = True

    def _fail(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
        self._wake()
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
