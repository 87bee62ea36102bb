"""What AspNetCoreModule and its fork HttpPlatformHandlerV2 do to requests and processes: a token
proves that a request has come through the module, and a process is asked to leave.

While app_offline.htm is in an application's folder, ``decide`` answers with it and no request comes
here. The process is stopped by ``tick``, which looks for the file every second, and started again
by the next request that comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ... import pages
from ...applications import Application
from ...decision import E_FILE_NOT_FOUND, Decision, Respond
from ...files import FileView
from ...http.response import Header
from ...modules.app_offline import OFFLINE
from ...modules.process_section import ProcessSection
from ...programs import module_variables
from ...programs.interpreters import ProgramMissing
from ...site import Site
from ..application_request_routing import Forwarder
from ..forwarded_request import local_headers, local_target
from ..process_output import Output
from .address import Address, TcpPort
from .supervised_process import ProcessStartFailed, SupervisedProcess
from .supervisor import Supervisor
from .web_servers import WebServers

#: Headers of the modules' own: those of clients are removed (seen in code).
_OWN_HEADERS = "ms-aspnetcore"


def address(settings: ProcessSection, variable: str) -> Address:
    """A free port, or the one that environmentVariables fix. Raises StartFailed."""
    given = module_variables.given(settings, variable)
    ports = module_variables.PORTS
    if not given:
        return TcpPort.free()
    if not given.isdecimal() or int(given) not in ports:
        raise ProcessStartFailed(
            f"{variable} of environmentVariables is '{given}', and the module takes {ports[0]} to"
            f" {ports[-1]}"
        )
    return TcpPort(int(given))


class TokenServers(WebServers):
    """The processes of such a module."""

    #: The environment variable that tells a process its token.
    token_variable: str
    #: The words of the page of a failed start.
    failure_title = "ANCM Out-Of-Process Startup Failure"

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        super().__init__(site, forwarder, output)
        self._folders: dict[Path, FileView] = {}

    def target(self, decision: Decision) -> str:
        return local_target(decision, keeps_mark=False)

    def headers(
        self, decision: Decision, process: SupervisedProcess, connection: str = "Keep-Alive"
    ) -> list[Header]:
        dropped = ("sec-websocket-extensions",) if connection == "Upgrade" else ()
        headers = [
            (name, value)
            for name, value in local_headers(decision, connection=connection)
            if not name.lower().startswith(_OWN_HEADERS) and name.lower() not in dropped
        ]
        return [*headers, ("MS-ASPNETCORE-TOKEN", self._token(process))]

    def _token(self, process: SupervisedProcess) -> str:
        return module_variables.value(process.environment, self.token_variable)

    def failure(
        self,
        decision: Decision,
        settings: ProcessSection,
        error: ProcessStartFailed | ProgramMissing,
        hints: Sequence[str],
    ) -> Respond:
        """502.5 with the module's own page: no process came up. Clients on this machine also get
        what is known of the cause.
        """
        output, hresult = "", E_FILE_NOT_FOUND
        if isinstance(error, ProcessStartFailed):
            output, hresult = error.output, error.hresult
        message = f"{self.name(settings.process_path)} failed to start: {error}"
        known = (message, hints, output) if decision.request.is_local else ("", (), "")
        return Respond(
            502,
            5,
            message,
            hresult,
            notification="ExecuteRequestHandler",
            headers=(("Content-Type", "text/html"),),
            output=output,
            hints=tuple(hints),
            body=pages.start_failure(self.failure_title, *known),
            skips_errors=True,
        )

    # -- the end of processes ----------------------------------------------------------------------

    async def leave(self, application: Application, process: SupervisedProcess) -> bool:
        """Ask a process to shut down, as ASP.NET Core's IIS integration takes it (seen in code);
        another program does not accept.
        """
        url = f"http://127.0.0.1:{process.address.value}{application.url}/iisintegration"
        headers = {
            "MS-ASPNETCORE-EVENT": "shutdown",
            "MS-ASPNETCORE-TOKEN": self._token(process),
        }
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
