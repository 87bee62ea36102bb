"""Acting on CallHttpPlatform: the policy of httpPlatformHandler for the processes of
<httpPlatform>, and what is said where none comes up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from ...applications import Application
from ...decision import E_FILE_NOT_FOUND, Decision, Respond
from ...diagnosis.causes import in_words
from ...diagnosis.http_platform import by_hand, of_failed_start, suspicions
from ...modules.http_platform import PORT_VARIABLE, HttpPlatform, http_platform
from ...programs.http_platform import command_line, log_suffix
from ...programs.interpreters import ProgramMissing, find_program
from ...programs.process_command import log_file
from ...site import Site
from ..application_request_routing import Backend
from ..exchange import Exchange
from .address import Address, TcpPort
from .supervised_process import CommandLine, ProcessStartFailed
from .supervisor import FailurePolicy, LogPolicy, Policy, Readiness, Supervisor
from .web_servers import PATIENCE, WebServers

#: What version 1.2 collects of an answer before its first bytes leave.
BUFFER = 8192


def policy(site: Site, application: Application, settings: HttpPlatform) -> Policy:
    """What <httpPlatform> of an application says about its processes."""
    return Policy(
        readiness=Readiness(
            address=TcpPort.free,
            variable=PORT_VARIABLE,
            seconds=settings.startup_time_limit,
            attribute="startupTimeLimit",
        ),
        failure=FailurePolicy(
            starts=settings.startup_retry_count, rapid_fails=settings.rapid_fails_per_minute
        ),
        log=LogPolicy(stem=log_file(site, application, settings, ""), suffix=log_suffix),
        processes=settings.processes,
        patience=PATIENCE,
        recycles_on=frozenset(application.path / name for name in settings.recycle_on).__contains__,
    )


def _launch(
    site: Site, application: Application, settings: HttpPlatform, address: Address
) -> CommandLine:
    return command_line(site, application, settings, address.value)


class HttpPlatforms(WebServers):
    """Version 1.2: every <httpPlatform> of a site, by the application and what it says."""

    backend = Backend("The process of httpPlatform", "requestTimeout", BUFFER)

    def supervisor(self, decision: Decision) -> Supervisor:
        application, settings = self._settings(decision)
        make = partial(self._make, application, settings)
        return self._supervisor(application, settings, make)

    def _make(self, application: Application, settings: HttpPlatform) -> Supervisor:
        return Supervisor(
            self._policy(application, settings),
            partial(_launch, self.site, application, settings),
            application.path,
            self.output,
            self._leaving,
        )

    def _policy(self, application: Application, settings: HttpPlatform) -> Policy:
        return policy(self.site, application, settings)

    def _settings(self, decision: Decision) -> tuple[Application, HttpPlatform]:
        """The application that answers, and what <httpPlatform> says at its root: elsewhere in it
        the section has no effect.  # inferred from its successor
        """
        application = self.site.application(decision.path)
        return application, self.site.effective(application.url or "/").view(http_platform)

    def timeout(self, decision: Decision) -> float:
        return self._settings(decision)[1].request_timeout

    async def fail(
        self, exchange: Exchange, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> None:
        """Answer 502.3: no process came up."""
        path = self._settings(decision)[1].process_path
        action = Respond(
            502,
            3,
            f"{self.name(path)} failed to start: {error}",
            error.hresult if isinstance(error, ProcessStartFailed) else E_FILE_NOT_FOUND,
            notification="ExecuteRequestHandler",
            output=error.output if isinstance(error, ProcessStartFailed) else "",
            hints=tuple(self._hints(decision, error)),
        )
        await self.forwarder.server.fail(exchange, decision, action)

    def _hints(
        self, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> Iterator[str]:
        """What to do about a process that did not come up; the console gets what is likely behind
        it as well.
        """
        if isinstance(error, ProgramMissing):
            yield error.hint
            return
        application, settings = self._settings(decision)
        program = None
        with contextlib.suppress(ProgramMissing):
            program = find_program(settings.process_path, self.site, application)
        found = suspicions(self.site, application, settings, None)
        likely = [known for known in found if known.severity == "error"]
        for known in likely or of_failed_start(
            settings, application, program, error.output, error.ports
        ):
            words = in_words(known)
            self.output(error.pid, "", f"likely cause: {words}")
            yield words
        command, _ = command_line(self.site, application, settings, "5000")
        yield f"Start it by hand: {by_hand(application, command, 5000)}"
