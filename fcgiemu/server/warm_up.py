"""``serve --app-init``: the initialization pages of the site's applications, asked for at start
and, where doAppInitAfterRestart says so, after a restart.

The requests go through the server's own socket like any other, so they show in the log. Their
answers go nowhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress

from ..http.url import encode_location
from ..modules import application_initialization
from ..site import Site

#: Seconds that one page may take, pages that are asked for, and bytes of an answer that are read at
#: a time (limits of ours).
PAGE_SECONDS = 120
MAX_PAGES = 100
_CHUNK = 1 << 16
_AGENT = "IIS Application Initialization Warmup"


class WarmUp:
    """Asks for the pages. ``warming`` while it does."""

    def __init__(
        self, site: Site, address: tuple[str, int], secure: bool, say: Callable[[str], None]
    ) -> None:
        self._site = site
        self._address = address
        self._say = say
        self._tls: ssl.SSLContext | None = None
        if secure:  # our own certificate, or the user's: who answers is known
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        self._task: asyncio.Task[None] | None = None
        self._own_ports: set[int] = set()

    @property
    def warming(self) -> bool:
        """Whether the site is warming up."""
        return self._task is not None and not self._task.done()

    def covers(self, client_port: int) -> bool:
        """Whether a request sees APP_WARMING_UP: the warm-up's own do not."""
        return self.warming and client_port not in self._own_ports

    def begin(self, *, restart: bool = False) -> None:
        """Ask for the pages, those of a start that is still warming up once more."""
        pages = self._pages(restart)
        if pages:
            self.stop()
            self._task = asyncio.ensure_future(self._ask(pages))

    def stop(self) -> None:
        """Give up what is still asked for."""
        if self._task is not None:
            self._task.cancel()

    def _pages(self, restart: bool) -> list[tuple[str, str]]:
        found = []
        for application in self._site.layout.applications:
            effective = self._site.effective(application.url or "/")
            settings = effective.view(application_initialization.initialization)
            if settings.after_restart or not restart:
                found += [(application.url + path, host) for path, host in settings.pages]
        return found[:MAX_PAGES]

    async def _ask(self, pages: list[tuple[str, str]]) -> None:
        for path, host in pages:
            try:
                status = await asyncio.wait_for(self._page(path, host), PAGE_SECONDS)
                self._say(f"warming up: {path} {status}")
            except (OSError, TimeoutError, ssl.SSLError) as error:
                self._say(f"warming up: {path} failed: {error or 'it took too long'}")
        self._say("warming up has ended")

    async def _page(self, path: str, host: str) -> str:
        """The status that a page answers with."""
        reader, writer = await asyncio.open_connection(*self._address, ssl=self._tls)
        port = writer.get_extra_info("sockname")[1]
        self._own_ports.add(port)
        try:
            name = host or f"localhost:{self._address[1]}"
            writer.write(
                f"GET {encode_location(path)} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: {_AGENT}\r\n"
                "Connection: close\r\n\r\n".encode("ascii", "replace")
            )
            await writer.drain()
            line = await reader.read(_CHUNK)
            while await reader.read(_CHUNK):
                pass
            return line[9:12].decode("ascii", "replace")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._own_ports.discard(port)
