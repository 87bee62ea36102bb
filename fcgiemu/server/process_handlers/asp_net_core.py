"""Acting on CallAspNetCore: the policy of AspNetCoreModule for the processes of <aspNetCore>, what
it adds to requests, and its page where no process comes up.

While app_offline.htm is in an application's folder, ``decide`` answers with it and no request comes
here. The process is stopped by ``tick``, which looks for the file every second, and started again
by the next request that comes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ... import pages
from ...applications import Application
from ...decision import E_FILE_NOT_FOUND, CallAspNetCore, Decision, Respond
from ...diagnosis.asp_net_core import remedies
from ...files import FileView
from ...http.response import Header
from ...modules.asp_net_core import (
    FIRST,
    OFFLINE,
    OWN_HEADERS,
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
from ..application_request_routing import Backend, Forwarder
from ..exchange import Exchange
from ..forwarded_request import local_headers, local_target
from ..process_output import Output
from .address import Address, TcpPort
from .supervised_process import CommandLine, Farewell, ProcessStartFailed, SupervisedProcess
from .supervisor import FailurePolicy, LogPolicy, Policy, Readiness, Supervisor
from .web_servers import PATIENCE, WebServers

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
            address=partial(_address, settings),
            variable=PORT_VARIABLE,
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


def _address(settings: AspNetCore) -> Address:
    """A free port, or the one that environmentVariables fix. Raises StartFailed."""
    given = programs.given_port(settings)
    if not given:
        return TcpPort.free()
    if not given.isdecimal() or int(given) not in programs.PORTS:
        first, last = programs.PORTS[0], programs.PORTS[-1]
        raise ProcessStartFailed(
            f"{PORT_VARIABLE} of environmentVariables is '{given}', and the module takes {first} to"
            f" {last}"
        )
    return TcpPort(int(given))


def _launch(
    site: Site,
    application: Application,
    settings: AspNetCore,
    module: str,
    https_port: int | None,
    address: Address,
) -> CommandLine:
    return programs.command_line(
        site,
        application,
        settings,
        address.value,
        replaces_port=module == FIRST,
        https_port=https_port,
    )


class AspNetCores(WebServers):
    """Every <aspNetCore> of a site, by the application and what it says."""

    backend = Backend("The process of aspNetCore", "requestTimeout")

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        super().__init__(site, forwarder, output)
        self._folders: dict[Path, FileView] = {}

    def supervisor(self, decision: Decision) -> Supervisor:
        application, settings, module = key = self._key(decision)
        supervisor = self._supervisors.get(key)
        if supervisor is None:
            request = decision.request
            https_port = request.port if request.scheme == "https" else None
            supervisor = self._supervisors[key] = Supervisor(
                policy(self.site, application, settings, module, partial(self._leave, application)),
                partial(_launch, self.site, application, settings, module, https_port),
                application.path,
                self.output,
            )
        return supervisor

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

    def target(self, decision: Decision) -> str:
        return local_target(decision, keeps_mark=False)

    def headers(
        self, decision: Decision, process: SupervisedProcess, connection: str = "Keep-Alive"
    ) -> list[Header]:
        dropped = ("sec-websocket-extensions",) if connection == "Upgrade" else ()
        headers = [
            (name, value)
            for name, value in local_headers(decision, connection=connection)
            if not name.lower().startswith(OWN_HEADERS) and name.lower() not in dropped
        ]
        return [*headers, ("MS-ASPNETCORE-TOKEN", process.environment.get(TOKEN_VARIABLE, ""))]

    async def fail(
        self, exchange: Exchange, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> None:
        """Answer 502.5 with the module's own page, which disableStartUpErrorPage switches off
        (documented). Clients on this machine also get what is known of the cause.
        """
        application, settings, _ = self._key(decision)
        output = error.output if isinstance(error, ProcessStartFailed) else ""
        hints = tuple(remedies(self.site, application, settings, error))
        message = f"{self.name(settings.process_path)} failed to start: {error}"
        local = decision.request.is_local
        page = pages.start_failure(*((message, hints, output) if local else ("", (), "")))
        action = Respond(
            502,
            5,
            message,
            error.hresult if isinstance(error, ProcessStartFailed) else E_FILE_NOT_FOUND,
            notification="ExecuteRequestHandler",
            headers=(("Content-Type", "text/html"),) if settings.start_up_page else (),
            output=output,
            hints=hints,
            body=page if settings.start_up_page else b"",
            skips_errors=settings.start_up_page,
        )
        for hint in hints:
            self.output(error.pid if isinstance(error, ProcessStartFailed) else 0, "", hint)
        await self.forwarder.server.fail(exchange, decision, action)

    # -- the end of processes ----------------------------------------------------------------------

    async def _leave(self, application: Application, process: SupervisedProcess) -> bool:
        """Ask a process to shut down, as ASP.NET Core's IIS integration takes it (seen in code);
        another program does not accept.
        """
        token = process.environment.get(TOKEN_VARIABLE, "")
        url = f"http://127.0.0.1:{process.address.value}{application.url}/iisintegration"
        headers = {"MS-ASPNETCORE-EVENT": "shutdown", "MS-ASPNETCORE-TOKEN": token}
        return await self.forwarder.post(url, headers) == 202

    def is_offline(self, supervisor: Supervisor) -> bool:
        """Whether app_offline.htm is in the application's folder."""
        folder = supervisor.folder
        view = self._folders.get(folder)
        if view is None:
            view = self._folders[folder] = FileView(str(folder))
        entry = view.find(OFFLINE)
        if entry is None or entry.is_directory:
            return False
        self.output(0, "", f"{entry.path} is there: the process of the application is stopped")
        return True
