"""The modules that pass requests to processes of their own, by the action that asks for each. A
module is imported when the first request asks for it: other sites do not pay for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ...decision import CallAspNetCore, CallHttpPlatform, CallIisnode, CallProcess, Decision
from ...profiles import PLATFORM_2
from ...site import Site
from ..application_request_routing import Forwarder
from ..exchange import Exchange
from ..process_output import Output

if TYPE_CHECKING:
    from .base import ProcessHandler
    from .supervisor import Supervisor


def _place(site: Site, action: type[CallProcess]) -> tuple[str, str]:
    """The file and the class of the module that an action names."""
    second = PLATFORM_2 in site.settings.modules
    version = ("http_platform_v2", "HttpPlatformsV2")
    return {
        CallAspNetCore: ("asp_net_core", "AspNetCores"),
        CallHttpPlatform: version if second else ("http_platform", "HttpPlatforms"),
        CallIisnode: ("iisnode", "Iisnode"),
    }[action]


class ProcessHandlers:
    """Those of one site."""

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        self._site = site
        self._forwarder = forwarder
        self._output = output
        self._handlers: dict[type[CallProcess], ProcessHandler] = {}

    def _handler(self, action: type[CallProcess]) -> ProcessHandler:
        known = self._handlers.get(action)
        if known is None:
            file, name = _place(self._site, action)
            kind: type[ProcessHandler] = getattr(import_module(f".{file}", __package__), name)
            known = self._handlers[action] = kind(self._site, self._forwarder, self._output)
        return known

    async def call(self, exchange: Exchange, decision: Decision, action: CallProcess) -> None:
        """Have the module that an action names answer a request."""
        await self._handler(type(action)).call(exchange, decision)

    @property
    def running(self) -> bool:
        """Whether any process has been started."""
        return any(handler.running for handler in self._handlers.values())

    @property
    def supervisors(self) -> list[Supervisor]:
        """Those of all modules."""
        return [one for handler in self._handlers.values() for one in handler.supervisors]

    def reloads_on(self, changed: Path) -> bool:
        """Whether a process that runs may have loaded a file that IIS does not look at."""
        return any(handler.reloads_on(changed) for handler in self._handlers.values())

    def recycles_on(self, changed: Path) -> bool:
        """Whether IIS would replace a process that runs because of a changed file."""
        return any(handler.recycles_on(changed) for handler in self._handlers.values())

    def tick(self) -> None:
        """A second has passed: see ProcessHandler.tick."""
        for handler in self._handlers.values():
            handler.tick()

    def restart(self) -> Awaitable[object]:
        """End every process: see Supervisor.restart."""
        return asyncio.gather(*(handler.restart() for handler in self._handlers.values()))

    async def close(self) -> None:
        """End every process for good."""
        await asyncio.gather(*(handler.close() for handler in self._handlers.values()))
