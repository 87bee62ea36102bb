"""What shows what a server does: pages and an API on a port of their own."""

from __future__ import annotations

import asyncio
import threading
import webbrowser

from ..errors import SiteError
from ..server.exchange import Exchange
from ..server.log_entry import LogEntry
from ..server.protocol import ClientConnection as Served
from ..server.remembered_decision import RememberedDecision
from ..server.serve import Serving, bind, exposed
from .access import Access, new_token
from .api import Router
from .endpoint import PageConnection
from .watching import Watch


class Inspector:
    """Watches ``serving``, and shows it at ``url``. Raises SiteError where the port cannot be
    had.
    """

    def __init__(
        self, serving: Serving, host: str, port: int, *, opens: bool, writes: bool
    ) -> None:
        self._host, self._opens = host, opens
        try:
            self._sock = bind(host, port)
        except SiteError as error:
            named = [text.replace("--", "--ui-") for text in (str(error), error.hint)]
            raise SiteError(*named) from error
        self.watch = Watch(serving, writes=writes)
        token = new_token()
        bound = int(self._sock.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{bound}/?token={token}"
        self._router = Router(self.watch, Access(token, host, bound))
        self._open: set[PageConnection] = set()
        self._listening: asyncio.Task[asyncio.Server] | None = None

    def report(self) -> str:
        """What the start-up report says of it."""
        if not exposed(self._host):
            return self.url
        return (
            f"{self.url}\n  warning     every machine that reaches {self._host} can try to open"
            " these pages; only the token keeps them closed, and it goes over the network in clear"
        )

    def started(self, port: int) -> None:
        """The site is served at ``port``; called in the loop."""
        self.watch.replayer.port = port
        loop = asyncio.get_running_loop()
        self._listening = loop.create_task(
            loop.create_server(
                lambda: PageConnection(self._router.answer, self._open), sock=self._sock
            )
        )
        if self._opens:
            threading.Thread(target=webbrowser.open, args=(self.url,), daemon=True).start()

    def stopped(self) -> None:
        """The server ends."""
        listening = self._listening
        if listening is not None and listening.done() and not listening.cancelled():
            listening.result().close()
        self._sock.close()
        for connection in list(self._open):
            connection.close()
        self.watch.close()

    def ended(self, exchange: Exchange, entry: LogEntry) -> None:
        """A request has ended."""
        self.watch.ended(exchange, entry)

    def again(
        self, connection: Served, kept: RememberedDecision, entry: LogEntry, begun: float
    ) -> None:
        """A small file has been sent as before."""
        self.watch.again(connection, kept, entry, begun)

    def output(self, pid: int, label: str, text: str) -> None:
        """A process has written a line."""
        self.watch.output(pid, label, text)

    def changed(self, relative: str, restarted: bool) -> None:
        """A file has changed."""
        self.watch.changed(relative, restarted)
