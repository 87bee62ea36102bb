"""Modules whose processes are web servers that listen on a port: httpPlatformHandler and
AspNetCoreModule pass requests on by HTTP, and join connections for WebSockets.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Hashable

from ...decision import Decision
from ...programs.interpreters import ProgramMissing
from ...site import Site
from .. import websocket
from ..application_request_routing import Forwarder
from ..exchange import Exchange
from ..process_output import Output
from .base import ProcessHandler
from .supervised_process import ProcessStartFailed, SupervisedProcess
from .supervisor import Supervisor

#: Seconds that requests in progress get when a saved file replaces their process.  # our own
PATIENCE = 5.0


class WebServers(ProcessHandler):
    """The processes of such a module."""

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        super().__init__(site, forwarder, output)
        #: What the supervisor of each application has been made for.
        self._made_for: dict[Hashable, Hashable] = {}
        #: Processes that end, of all supervisors: see Supervisor.
        self._leaving: dict[SupervisedProcess, asyncio.Future[None]] = {}

    def _supervisor(
        self, application: Hashable, settings: Hashable, make: Callable[[], Supervisor]
    ) -> Supervisor:
        """The supervisor of an application; a new one where ``settings`` have changed, which takes
        the place of the one before.
        """
        known = self._supervisors.get(application)
        if known is not None and self._made_for[application] == settings:
            return known
        made = self._supervisors[application] = make()
        self._made_for[application] = settings
        if known is not None:
            self._stopping = known.give_way(made)
        return made

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
                timeout=self.timeout(decision),
                backend=self.backend,
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
