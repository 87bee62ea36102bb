"""Acting on CallHttpPlatform where the server has HttpPlatformHandlerV2: the program of
<httpPlatform> under the rules of AspNetCoreModule, of which it is a fork (seen in code).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...applications import Application
from ...decision import Decision
from ...modules.http_platform import PORT_VARIABLE, TOKEN_VARIABLE, HttpPlatform
from ...programs.asp_net_core import log_suffix
from ...programs.interpreters import ProgramMissing
from ..application_request_routing import Backend
from ..exchange import Exchange
from .http_platform import HttpPlatforms, policy
from .supervised_process import ProcessStartFailed
from .supervisor import Policy
from .token_servers import TokenServers, address


class HttpPlatformsV2(TokenServers, HttpPlatforms):
    """Every <httpPlatform> of a site."""

    backend = Backend("The process of httpPlatform", "requestTimeout")
    token_variable = TOKEN_VARIABLE
    failure_title = "Process Failure"  # inferred

    def _policy(self, application: Application, settings: HttpPlatform) -> Policy:
        first = policy(self.site, application, settings)
        return replace(
            first,
            readiness=replace(
                first.readiness,
                address=partial(address, settings, PORT_VARIABLE),
                secret=TOKEN_VARIABLE,
            ),
            log=replace(first.log, suffix=log_suffix),
            farewell=partial(self.leave, application),
        )

    async def fail(
        self, exchange: Exchange, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> None:
        """Answer 502.5 with the module's own page (measured)."""
        settings = self._settings(decision)[1]
        hints = tuple(self._hints(decision, error))
        await self.forwarder.server.fail(
            exchange, decision, self.failure(decision, settings, error, hints)
        )
