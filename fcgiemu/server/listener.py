"""The listening socket and the event loop: how serving begins, and how it ends within a time.

The end has three steps. The listening socket and every connection without a request are closed;
requests in progress get GRACE_SECONDS to end; what is left is cut, and said. A second signal skips
the waiting.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from .app import Server
from .exchange import Exchange
from .protocol import ClientConnection
from .tls import Certificate

#: Seconds that requests in progress have to end when the server is asked to stop.  # our own
GRACE_SECONDS = 5.0
#: Seconds between two looks at whether they have.
_POLL_SECONDS = 0.02
#: Seconds for which a thread that computes keeps the loop waiting; Python's own 0.005 come up for
#: each read and write of the loop.
SWITCH_SECONDS = 0.0005
#: Requests that are named when they are cut.
_NAMED = 5

try:
    import uvloop
except ImportError:  # not on Windows and PyPy
    _new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    _new_loop = uvloop.new_event_loop


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` in a loop of its own, the fastest one there is, to which threads give way."""
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(main)


class Listener:
    """A server on a socket."""

    def __init__(
        self, server: Server, sock: socket.socket, certificate: Certificate | None = None
    ) -> None:
        self._server = server
        self._sock = sock
        self._tls = _context(certificate) if certificate is not None else None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    def stop(self) -> None:
        """Ask for the end; asked again, for an end at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def serve(
        self,
        started: Callable[[], None],
        stopped: Callable[[list[Exchange]], Awaitable[None] | None],
    ) -> None:
        """Serve until ``stop``; ``stopped`` is told of the requests that are cut."""
        loop = asyncio.get_running_loop()
        scheme = "http" if self._tls is None else "https"
        listening = await loop.create_server(
            lambda: ClientConnection(self._server, scheme, loop),
            sock=self._sock,
            ssl=self._tls,
            backlog=1024,
        )
        self._server.start()
        self._catch_signals(loop)
        started()
        try:
            await self._stop.wait()
        finally:
            listening.close()
            await self._drain()
            stopped(self._in_progress())
            await self._server.close()

    async def _drain(self) -> None:
        """Wait until every request in progress has its answer, or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + GRACE_SECONDS
        while not self._hurry.is_set() and loop.time() < end:
            for connection in list(self._server.connections):
                if connection.is_idle or connection.tunnel is not None:
                    connection.close()
            if not self._server.connections:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _in_progress(self) -> list[Exchange]:
        return [
            connection.exchange
            for connection in self._server.connections
            if connection.exchange is not None and connection.is_answering
        ]

    def _catch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGBREAK"):  # Windows: Ctrl-Break, and what asks us from outside
            numbers.append(signal.SIGBREAK)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)  # the terminal has been closed; ignored under nohup
        for number in numbers:
            try:
                loop.add_signal_handler(number, self.stop)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self.stop))


def cut_words(cut: list[Exchange], seconds: float = GRACE_SECONDS) -> str:
    """What is said of requests that the end has cut."""
    names = [f"{exchange.method} {exchange.target.decode('latin-1')}" for exchange in cut]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"{len(cut)} request{'s' * (len(cut) > 1)} in progress given up after {seconds:g} seconds\n"
        f"  given up    {', '.join(names[:_NAMED])}{more}"
    )


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context
