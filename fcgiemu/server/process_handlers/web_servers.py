"""Modules whose processes are web servers that listen on a port: httpPlatformHandler and
AspNetCoreModule pass requests on by HTTP, and join connections for WebSockets.
"""

from __future__ import annotations

from abc import abstractmethod

from ...decision import Decision
from ...programs.interpreters import ProgramMissing
from .. import websocket
from ..exchange import Exchange
from .base import ProcessHandler
from .supervised_process import ProcessStartFailed

#: Seconds that requests in progress get when a saved file replaces their process.  # our own
PATIENCE = 5.0


class WebServers(ProcessHandler):
    """The processes of such a module."""

    def name(self, program: str) -> str:
        """The process in the words of an error page, with its processPath."""
        return f"{self.backend.name}, {program}," if program else self.backend.name

    @abstractmethod
    def timeout(self, decision: Decision) -> float:
        """The seconds that a process has for its answer, and for each part of it; 0 = any
        number.
        """

    async def call(self, exchange: Exchange, decision: Decision) -> None:
        """Pass the request to a process, or join its connection with the client's for a WebSocket;
        502.3 where it does not answer.
        """
        if websocket.is_asked_for(decision.request) and websocket.are_enabled(decision):
            await self._join(exchange, decision)
            return
        try:
            process = await self.process(decision)
        except (ProcessStartFailed, ProgramMissing) as error:
            await self.fail(exchange, decision, error)
            return
        with process.in_use():
            await self.forwarder.send(
                exchange,
                decision,
                f"http://127.0.0.1:{process.address.value}{self.target(decision)}",
                self.headers(decision, process),
                self.timeout(decision),
                self.backend,
            )

    async def _join(self, exchange: Exchange, decision: Decision) -> None:
        """Connect the client with a process, or pass on what that answers instead: 502.3 where it
        does not come up, cannot be reached, or does not speak HTTP.
        """
        try:
            process = await self.process(decision)
        except (ProcessStartFailed, ProgramMissing) as error:
            await self.fail(exchange, decision, error)
            return
        head = websocket.upgrade_head(
            self.target(decision), self.headers(decision, process, "Upgrade")
        )
        with process.in_use(is_awaited=False):  # a browser connects again to the new process
            other = websocket.Other(
                process.address.connect, head, websocket.UPGRADE_SECONDS, self.backend
            )
            await websocket.join(exchange, decision, other, self.forwarder)
