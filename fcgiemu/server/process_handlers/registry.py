"""The modules that pass requests to processes of their own, by the action that asks for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from ...decision import CallAspNetCore, CallHttpPlatform, CallIisnode, CallProcess, Decision
from ...profiles import PLATFORM_2
from ...site import Site
from ..application_request_routing import Forwarder
from ..exchange import Exchange
from ..process_output import Output
from .asp_net_core import AspNetCores
from .base import ProcessHandler
from .http_platform import HttpPlatforms
from .http_platform_v2 import HttpPlatformsV2
from .iisnode import Iisnode
from .supervisor import Supervisor


def _handlers(site: Site) -> dict[type[CallProcess], type[ProcessHandler]]:
    second = PLATFORM_2 in site.settings.modules
    return {
        CallAspNetCore: AspNetCores,
        CallHttpPlatform: HttpPlatformsV2 if second else HttpPlatforms,
        CallIisnode: Iisnode,
    }


class ProcessHandlers:
    """Those of one site."""

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        self._handlers = {
            action: handler(site, forwarder, output) for action, handler in _handlers(site).items()
        }

    async def call(self, exchange: Exchange, decision: Decision, action: CallProcess) -> None:
        """Have the module that an action names answer a request."""
        await self._handlers[type(action)].call(exchange, decision)

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
