"""What the actions of the server ask of it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from ..decision import Decision, Respond
from .exchange import Exchange


class ServerInterface(Protocol):
    """The server, as those see it that act for it."""

    async def fail(self, exchange: Exchange, decision: Decision, error: Respond) -> None:
        """Answer with an error that IIS makes while a decision is acted on."""

    async def error_page(
        self, exchange: Exchange, decision: Decision, status: int, substatus: int, has_entity: bool
    ) -> bool:
        """Answer an error with a child request where the site wants that; False where it does
        not.
        """

    def ended(self, exchange: Exchange, decision: Decision, gone: bool = False) -> None:
        """A request has been answered; ``gone`` = its client did not wait for that."""

    def go_on(
        self, exchange: Exchange, decision: Decision, acting: Coroutine[Any, Any, None]
    ) -> None:
        """Have a request answered by a task."""
