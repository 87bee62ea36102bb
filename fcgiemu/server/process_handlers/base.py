"""What the modules that pass requests to processes of their own have in common. Each is a class in
a file with the name of its module; ``registry`` knows them all.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Hashable
from pathlib import Path

from ...decision import Decision
from ...http.response import Header
from ...programs.interpreters import ProgramMissing
from ...site import Site
from ..application_request_routing import Backend, Forwarder
from ..exchange import Exchange
from ..forwarded_request import local_headers, local_target
from ..process_output import Output
from .supervised_process import ProcessStartFailed, SupervisedProcess
from .supervisor import Supervisor


class ProcessHandler(ABC):
    """The processes of one module. It makes a supervisor for each application that has its own, by
    what distinguishes them.
    """

    #: How error pages name the process.
    backend: Backend

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        self.site = site
        self.forwarder = forwarder
        self.output = output
        self._supervisors: dict[Hashable, Supervisor] = {}
        #: The end of those that ``tick`` has ended last.
        self._stopping: Awaitable[object] | None = None

    @abstractmethod
    def supervisor(self, decision: Decision) -> Supervisor:
        """The supervisor of the processes that answer for a decision."""

    @abstractmethod
    async def call(self, exchange: Exchange, decision: Decision) -> None:
        """Pass the request to a process and its answer to the client."""

    @abstractmethod
    async def fail(
        self, exchange: Exchange, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> None:
        """Answer for a process that did not come up."""

    def target(self, decision: Decision) -> str:
        """The target of the request to the process."""
        return local_target(decision)

    def headers(
        self, decision: Decision, process: SupervisedProcess, connection: str = "Keep-Alive"
    ) -> list[Header]:
        """The headers that the process gets."""
        return local_headers(decision, connection=connection)

    async def process(self, decision: Decision) -> SupervisedProcess:
        """The process that answers for a decision. Raises StartFailed and ProgramMissing."""
        return await self.supervisor(decision).process()

    @property
    def supervisors(self) -> list[Supervisor]:
        """Those that there are."""
        return list(self._supervisors.values())

    @property
    def running(self) -> bool:
        return any(each.running for each in self._supervisors.values())

    def recycles_on(self, changed: Path) -> bool:
        """Whether IIS would replace a process that runs because of a changed file."""
        return any(
            each.running and each.policy.recycles_on(changed) for each in self._supervisors.values()
        )

    def reloads_on(self, changed: Path) -> bool:
        """Whether a process that runs may have loaded a file that IIS does not look at."""
        return False

    def is_offline(self, supervisor: Supervisor) -> bool:
        """Whether an application is to have no process now."""
        return False

    def tick(self) -> None:
        """A second has passed: end the processes of applications that are offline."""
        for supervisor in self._supervisors.values():
            if supervisor.running and self.is_offline(supervisor):
                self._stopping = supervisor.restart()

    def restart(self) -> Awaitable[object]:
        """End every process: see Supervisor.restart."""
        return asyncio.gather(*(each.restart() for each in self._supervisors.values()))

    async def close(self) -> None:
        """End every process for good."""
        await asyncio.gather(*(each.close() for each in self._supervisors.values()))
