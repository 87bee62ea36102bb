"""Acting on CallAspNetCore: the policy of AspNetCoreModule for the processes of <aspNetCore>, and
its page where no process comes up.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...applications import Application
from ...decision import CallAspNetCore, Decision
from ...diagnosis.asp_net_core import remedies
from ...modules.asp_net_core import (
    FIRST,
    PORT_VARIABLE,
    TOKEN_VARIABLE,
    AspNetCore,
    asp_net_core,
)
from ...programs import asp_net_core as programs
from ...programs import http_platform as first_version
from ...programs.interpreters import ProgramMissing
from ...programs.process_command import log_file
from ...site import Site
from ..application_request_routing import Backend
from ..exchange import Exchange
from .address import Address
from .supervised_process import CommandLine, Farewell, ProcessStartFailed
from .supervisor import FailurePolicy, LogPolicy, Policy, Readiness, Supervisor
from .token_servers import TokenServers, address
from .web_servers import PATIENCE

#: Starts for one request (seen in code).
STARTS = 2


def policy(
    site: Site, application: Application, settings: AspNetCore, module: str, farewell: Farewell
) -> Policy:
    """What <aspNetCore> of an application says about its processes."""
    first = module == FIRST
    suffix = first_version.log_suffix if first else programs.log_suffix
    return Policy(
        readiness=Readiness(
            address=partial(address, settings, PORT_VARIABLE),
            variable=PORT_VARIABLE,
            secret=TOKEN_VARIABLE,
            seconds=settings.startup_time_limit,
            attribute="startupTimeLimit",
        ),
        failure=FailurePolicy(starts=STARTS, rapid_fails=settings.rapid_fails_per_minute),
        log=LogPolicy(stem=log_file(site, application, settings, ""), suffix=suffix),
        processes=settings.processes,
        patience=PATIENCE,
        farewell=farewell,
        grace=settings.shutdown_time_limit,
        recycles_on=frozenset(application.path / name for name in settings.recycle_on).__contains__,
    )


def _launch(
    site: Site,
    application: Application,
    settings: AspNetCore,
    module: str,
    place: Address,
    *,
    https_port: int | None,
) -> CommandLine:
    return programs.command_line(
        site,
        application,
        settings,
        place.value,
        replaces_port=module == FIRST,
        https_port=https_port,
    )


class AspNetCores(TokenServers):
    """Every <aspNetCore> of a site, by the application and what it says."""

    backend = Backend("The process of aspNetCore", "requestTimeout")
    token_variable = TOKEN_VARIABLE

    def supervisor(self, decision: Decision) -> Supervisor:
        application, settings, module = key = self._key(decision)
        request = decision.request
        https_port = request.port if request.scheme == "https" else None
        make = partial(self._make, *key, https_port)
        return self._supervisor((application, module), settings, make)

    def _make(
        self, application: Application, settings: AspNetCore, module: str, https_port: int | None
    ) -> Supervisor:
        return Supervisor(
            policy(self.site, application, settings, module, partial(self.leave, application)),
            partial(_launch, self.site, application, settings, module, https_port=https_port),
            application.path,
            self.output,
            self._leaving,
        )

    def _key(self, decision: Decision) -> tuple[Application, AspNetCore, str]:
        """The application that answers, what <aspNetCore> says at its root, and the version of the
        module.
        """
        assert isinstance(decision.action, CallAspNetCore)
        application = self.site.application(decision.path)
        settings = self.site.effective(application.url or "/").view(asp_net_core)
        return application, settings, decision.action.module

    # -- requests ----------------------------------------------------------------------------------

    def timeout(self, decision: Decision) -> float:
        return self._key(decision)[1].request_timeout

    async def fail(
        self, exchange: Exchange, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> None:
        """Answer 502.5 with the module's own page, which disableStartUpErrorPage switches off
        (documented).
        """
        application, settings, _ = self._key(decision)
        hints = tuple(remedies(self.site, application, settings, error))
        for hint in hints:
            self.output(error.pid if isinstance(error, ProcessStartFailed) else 0, "", hint)
        action = self.failure(decision, settings, error, hints)
        if not settings.start_up_page:
            action = replace(action, headers=(), body=b"", skips_errors=False)
        await self.forwarder.server.fail(exchange, decision, action)
