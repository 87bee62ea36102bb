"""A connection to a process of iisnode, over the Unix socket that stands for its named pipe: one
request after the other, as bytes.

iisnode writes and reads HTTP by itself, and differs from a proxy where that shows: the target is
written as it is, be there a blank in it; a status may have a substatus, ``404.8``; and each part of
an answer that cannot be read has a substatus of its own. No client of a library does that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ...http.response import Header
from ...modules import iisnode_failures as failures
from ..exchange import PORTION
from ..spool import Spool
from .supervised_process import SupervisedProcess

_STATUS = re.compile(rb"HTTP/(\d)\.(\d) +(\d{3})(?:\.(\d{1,5}))?(?: +(.*))?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r\n")


class Broken(Exception):
    """The exchange with the process went wrong; ``substatus`` is iisnode's."""

    def __init__(self, substatus: int, hresult: int, message: str) -> None:
        super().__init__(message)
        self.substatus = substatus
        self.hresult = hresult


@dataclass(slots=True)
class NodeHead:
    """The beginning of an answer."""

    status: int
    substatus: int
    reason: str
    headers: list[Header]
    #: Whether the connection can be used again behind the body.
    keeps: bool

    def get(self, name: str) -> str:
        """A header by lower-case name; the last one where there are several."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), "")

    def has_body(self, method: str) -> bool:
        return method != "HEAD" and self.status >= 200 and self.status not in (204, 304)


class NodeConnection:
    """One connection. ``fresh`` = nothing has been asked on it yet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.fresh = True
        #: When it was given back, by the loop's clock.
        self.idle_since = 0.0
        self._sending: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, process: SupervisedProcess, max_head: int) -> NodeConnection:
        """Connect. Raises OSError. ``max_head`` limits the head of an answer, in bytes."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=max_head)
        protocol = await process.address.connect(lambda: asyncio.StreamReaderProtocol(reader))
        transport = protocol._transport  # type: ignore[attr-defined]  # what StreamWriter is made of
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    @property
    def usable(self) -> bool:
        """Whether it can take another request: the process has taken the last one, and has not
        closed it.
        """
        taken = self._sending is None or (self._sending.done() and not self._failure())
        return taken and not self.writer.is_closing() and not self.reader.at_eof()

    def close(self) -> None:
        """Cut it."""
        if self._sending is not None:
            self._sending.cancel()
        self.writer.transport.abort()

    # -- the request -------------------------------------------------------------------------------

    async def ask(self, head: bytes, body: Spool | None, chunked: bool) -> NodeHead:
        """Send a request, and read the head of the answer, which may come before all of the request
        has been taken. Raises Broken.
        """
        self._sending = asyncio.ensure_future(self._send(head, body, chunked))
        try:
            return await self._head()
        except Broken as error:
            raise self._failure() or error from None

    def _failure(self) -> BaseException | None:
        """Why the request could not be sent."""
        sending = self._sending
        if sending is None or not sending.done() or sending.cancelled():
            return None
        return sending.exception()

    async def _send(self, head: bytes, body: Spool | None, chunked: bool) -> None:
        try:
            self.writer.write(head)
            await self.writer.drain()
        except OSError as error:
            raise Broken(
                failures.HEAD_NOT_SENT,
                failures.E_BROKEN_PIPE,
                f"the request was not taken: {error}",
            ) from error
        try:
            await self._send_body(body, chunked)
        except OSError as error:
            raise Broken(
                failures.BODY_NOT_SENT,
                failures.E_BROKEN_PIPE,
                f"the body of the request was not taken: {error}",
            ) from error

    async def _send_body(self, body: Spool | None, chunked: bool) -> None:
        while body is not None and (part := body.read(PORTION)):
            self.writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            await self.writer.drain()
        if chunked:
            self.writer.write(b"0\r\n\r\n")
            await self.writer.drain()

    # -- the answer --------------------------------------------------------------------------------

    async def _head(self) -> NodeHead:
        """The head of the answer; those of 100 Continue and its like are skipped. Raises Broken."""
        while True:
            head = await self._next_head()
            if head.status >= 200 or head.status == 101:
                self.fresh = False
                return head

    async def _next_head(self) -> NodeHead:
        try:
            data = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise Broken(
                failures.ANSWER_TOO_LARGE,
                failures.E_NOT_ENOUGH_QUOTA,
                "the head of the answer is longer than maxRequestBufferSize",
            ) from error
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Broken(
                failures.BAD_STATUS,
                failures.E_BROKEN_PIPE,
                "the process closed the connection before it answered",
            ) from error
        lines = data[:-4].split(b"\r\n")
        match = _STATUS.fullmatch(lines[0])
        if match is None:
            raise Broken(
                failures.BAD_STATUS, failures.E_INVALID_DATA, "the status line is not HTTP"
            )
        headers = list(map(_header, lines[1:]))
        version, connection = (int(match[1]), int(match[2])), _field(headers, "connection").lower()
        keeps = "close" not in connection and (version >= (1, 1) or "keep-alive" in connection)
        reason = (match[5] or b"").decode("latin-1")
        return NodeHead(int(match[3]), int(match[4] or 0), reason, headers, keeps)

    async def body(self, head: NodeHead, method: str) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Broken."""
        if not head.has_body(method):
            return
        if "chunked" in head.get("transfer-encoding").lower():
            async for part in self._chunks():
                yield part
            return
        length = head.get("content-length")
        if length:
            left = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else -1
            if left < 0:
                raise Broken(
                    failures.BAD_HEADERS, failures.E_INVALID_DATA, "Content-Length is not a number"
                )
            while left:
                part = await self._read(min(left, PORTION))
                left -= len(part)
                yield part
            return
        head.keeps = False
        while part := await self._read(PORTION, may_end=True):
            yield part

    async def _chunks(self) -> AsyncIterator[bytes]:
        while True:
            match = _CHUNK.fullmatch(await self._line())
            if match is None:
                raise Broken(
                    failures.BAD_CHUNK,
                    failures.E_INVALID_DATA,
                    "the size of a chunk is not a number",
                )
            left = int(match[1], 16)
            if not left:
                break
            while left:
                part = await self._read(min(left, PORTION))
                left -= len(part)
                yield part
            await self._line()
        while await self._line() != b"\r\n":
            pass  # trailers

    async def _line(self) -> bytes:
        try:
            return await self.reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise Broken(
                failures.BAD_CHUNK, failures.E_BROKEN_PIPE, "the answer broke off"
            ) from error

    async def _read(self, count: int, may_end: bool = False) -> bytes:
        try:
            part = await self.reader.read(count)
        except OSError:
            part = b""
        if not part and not may_end:
            raise Broken(failures.BODY_BROKE, failures.E_BROKEN_PIPE, "the answer broke off")
        return part


def _header(line: bytes) -> Header:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise Broken(failures.BAD_HEADERS, failures.E_INVALID_DATA, "a header is not HTTP")
    return match[1].decode("latin-1"), match[2].decode("latin-1")


def _field(headers: list[Header], name: str) -> str:
    return ", ".join(value for key, value in headers if key.lower() == name)


class ConnectionPool:
    """Connections to one process that wait for the next request: at most ``limit``, each for
    ``seconds`` at most.
    """

    def __init__(self, process: SupervisedProcess, limit: int, seconds: float, head: int) -> None:
        self.process = process
        self._limit = limit
        self._seconds = seconds
        self._head = head
        self._idle: list[NodeConnection] = []
        self._closed = False

    async def take(self, fresh: bool = False) -> NodeConnection:
        """A connection that waits, or a new one. Raises OSError."""
        now = asyncio.get_running_loop().time()
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since < self._seconds:
                return connection
            connection.close()
        return await NodeConnection.open(self.process, self._head)

    def give_back(self, connection: NodeConnection, keeps: bool) -> None:
        """A connection whose answer is complete."""
        full = self._closed or len(self._idle) >= self._limit
        if full or not keeps or not connection.usable:
            connection.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def close(self) -> None:
        """Close those that wait, and those that are still in use when they are given back."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()
