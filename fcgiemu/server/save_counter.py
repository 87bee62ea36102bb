"""How the page of a failure knows that a file of the site has been saved: it asks for a path that
nobody else knows, and loads itself again once the answer is another one. The path is not logged and
no module sees the request.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ..http.response import Response, set_header
from ..pages import Reload, detailed

if TYPE_CHECKING:
    from .exchange import Exchange


class SaveCounter:
    """Counts what has been saved since the start."""

    def __init__(self) -> None:
        self.path = f"/.fcgiemu-saves-{secrets.token_urlsafe(18)}"
        self.target = self.path.encode()
        self.count = 0

    def happened(self) -> None:
        """A file that pages depend on has been saved."""
        self.count += 1

    @property
    def now(self) -> Reload:
        """Where a page asks, and what the answer is now."""
        return Reload(self.path, str(self.count))

    def follow(self, response: Response) -> None:
        """Let a detailed error page load itself again when a file is saved."""
        body = detailed.with_reload(response.body, self.now)
        if body is not response.body:
            response.body = body
            set_header(response, "Content-Length", str(len(body)))

    async def answer(self, exchange: Exchange) -> None:
        """The count, as text."""
        body = str(self.count).encode()
        headers = [
            ("Content-Type", "text/plain"),
            ("Cache-Control", "no-store"),
            ("Content-Length", str(len(body))),
        ]
        await exchange.respond(Response(200, "OK", headers, body))
