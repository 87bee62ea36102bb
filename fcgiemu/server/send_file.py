"""Files sent by the kernel, past the transport.

A transport copies what it is given, and uvloop has no ``sendfile``. So the socket is duplicated,
and while the transport has nothing left to send, a head and a part of a file go out through the
duplicate. The connection sees to it that nobody else writes meanwhile: an exchange sends its whole
body in one of the two ways. Not for TLS, and not where the operating system has no ``sendfile``.
"""

from __future__ import annotations

import asyncio
import os
import socket

from .. import posix

#: Bytes after which others have their turn.  # our own
TURN = 1 << 18
_MORE: int = getattr(socket, "MSG_MORE", 0)


class FileSender:
    """For one connection; ``close`` closes the duplicate, without which the peer sees no end."""

    def __init__(self, descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = socket.socket(fileno=os.dup(descriptor))
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        #: Bytes that the kernel has taken.
        self.taken = 0

    @staticmethod
    def is_possible() -> bool:
        """Whether the operating system can do this at all."""
        return posix.CAN_SEND_FILES

    async def send(self, head: bytes, descriptor: int, start: int, end: int) -> int:
        """Send a head and a part of a file; how far it got, which is less than ``end`` where the
        file is shorter or the connection has gone.
        """
        begun = start
        while (head or start < end) and not self._closed:
            try:
                if head:
                    head = head[self._sock.send(head, _MORE) :]
                    continue
                sent = posix.send_file(
                    self._sock.fileno(), descriptor, start, min(TURN, end - start)
                )
            except BlockingIOError:
                await self._writable()
                begun = start
                continue
            except OSError:
                break
            if not sent:
                break
            start += sent
            self.taken += sent
            if start < end and start - begun >= TURN:
                begun = start
                await asyncio.sleep(0)
        return start

    async def _writable(self) -> None:
        self._waiter = self._loop.create_future()
        number = self._sock.fileno()
        self._loop.add_writer(number, self._wake)
        try:
            await self._waiter
        finally:
            if not self._closed:
                self._loop.remove_writer(number)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """The connection has been lost."""
        if not self._closed:
            self._closed = True
            self._loop.remove_writer(self._sock.fileno())
            self._sock.close()
            self._wake()
