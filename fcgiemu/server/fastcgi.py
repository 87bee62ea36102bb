"""Acting on CallFastCgi: the FastCGI applications of a site, by scriptProcessor."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from ..applications import Application as SiteApplication
from ..decision import CallFastCgi, Decision, Respond
from ..fastcgi.application import Application, Limits, QueueFull
from ..fastcgi.process import Launch, OutputSink, StartFailed, WorkerProcess, guarded
from ..interpreters import OLDEST, Program, ProgramMissing, find_program, path_pairs
from ..modules import sending
from ..site import Site
from .exchange import Exchange
from .fastcgi_call import FastCgiCall, TimedOut, collected

E_NOT_REGISTERED = 0x80070585
#: Variables of our own process that would lead the site's interpreter astray.
_NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__", "PYTHONEXECUTABLE")

ErrorPage = Callable[[Exchange, Decision, int, int, bool], Awaitable[bool]]


class FastCgi:
    """Every FastCGI application of a site."""

    def __init__(self, site: Site, limits: Limits, sink: OutputSink) -> None:
        self.site = site
        self.limits = limits
        self.applications: dict[tuple[str, str], Application] = {}
        self._sink = sink
        #: Answers an error with a child request where the site wants that; set by the server.
        self.error_page: ErrorPage | None = None
        self.drains: set[asyncio.Task[None]] = set()
        self.running: dict[WorkerProcess, float] = {}

    # -- processes -------------------------------------------------------------------------------------------------

    def application(self, processor: str, path: str) -> Application:
        """The pool for a scriptProcessor and the application of a URL path. Raises ProgramMissing."""
        place = self.site.application(path)
        key = processor.lower(), place.url
        found = self.applications.get(key)
        if found is None:
            program = find_program(processor, self.site, place)
            found = Application(lambda: self.launch(program, place), self.limits, self._sink)
            self.applications[key] = found
        return found

    def launch(self, program: Program, place: SiteApplication) -> Launch:
        """How to start a process of ``program`` for an application of the site."""
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        environment.update(APP_POOL_ID=place.place.application_pool, PYTHONIOENCODING="utf-8")
        if not program.is_wfastcgi:
            return Launch(guarded((program.path, *program.arguments)), environment, str(place.path))
        if program.version is not None and program.version < OLDEST:
            raise StartFailed(f"{program.path} is Python {program.version[0]}.{program.version[1]}; the worker needs "
                              f"{OLDEST[0]}.{OLDEST[1]} or newer")
        pairs = path_pairs(self.site)
        for windows, local in pairs:
            if windows == "D:\\home\\LogFiles" and any(
                    "logfiles" in value.lower() for value, _ in self.site.app_settings(place).values()):
                Path(local).mkdir(parents=True, exist_ok=True)
        environment["FCGIEMU_FLUP"] = _flup_folder()
        mark = secrets.token_hex(8)
        environment["FCGIEMU_WORKER"] = json.dumps({"map": pairs, "strict": self.site.settings.strict, "mark": mark})
        main = str(Path(__file__).parent.parent / "worker" / "main.py")
        return Launch((program.path, main), environment, str(place.path), mark=mark)

    def restart(self, changed: Path) -> int:
        """Let the next requests run new code where a file below an application's folder has changed.

        Returns how many pools had code to forget.
        """
        urls = {place.url for place in self.site.layout.applications if changed.is_relative_to(place.path)}
        pools = [pool for (_, url), pool in self.applications.items() if url in urls]
        before = sum(pool.restarts for pool in pools)
        for pool in pools:
            pool.restart()
        return sum(pool.restarts for pool in pools) - before

    def forget_programs(self) -> None:
        """Configuration has changed: pools that are not in use look for their program again at the next request."""
        for key, application in list(self.applications.items()):
            if application.is_unused:
                self.applications.pop(key)

    def tick(self, now: float) -> None:
        """Once a second: enforce timeouts."""
        for worker, started in list(self.running.items()):
            connection = worker.connection
            if now - connection.last_activity > self.limits.activity_timeout:
                connection.fail(TimedOut("activityTimeout", self.limits.activity_timeout))
            elif now - started > self.limits.request_timeout:
                connection.fail(TimedOut("requestTimeout", self.limits.request_timeout))
        for application in self.applications.values():
            application.reap_idle(now)

    async def close(self) -> None:
        """End all processes."""
        for task in list(self.drains):
            task.cancel()
        await asyncio.gather(*(application.close() for application in self.applications.values()))

    # -- one request -----------------------------------------------------------------------------------------------

    async def call(self, exchange: Exchange, decision: Decision, action: CallFastCgi) -> None:
        """Pass the request to a process and its answer to the client."""
        assert decision.request is not None
        spool = None
        if decision.request.body_length is None and exchange.has_body():
            spool, decision = await collected(exchange, decision)
        try:
            application = self.application(action.handler.script_processor, decision.path)
            worker = await application.acquire()
        except ProgramMissing as error:
            await self.fail(exchange, decision, Respond(500, 0, str(error), E_NOT_REGISTERED, hints=(error.hint,)))
            return
        except QueueFull:
            await self.fail(exchange, decision, Respond(
                503, 4, f"The FastCGI queue is full: {self.limits.queue_length} requests wait already."))
            return
        except StartFailed as error:
            await self.fail(exchange, decision, Respond(
                500, 0, f"The FastCGI process could not be started: {error}", 0x80070002,
                hints=(f"scriptProcessor is {action.handler.script_processor}.", "Map it to a local program with --map.")))
            return
        request = decision.request
        assert request is not None
        worker.begin(f"{request.method} {request.target.path}")
        with spool or contextlib.nullcontext():
            await FastCgiCall(self, exchange, decision, action, application, worker, spool).run()

    async def fail(self, exchange: Exchange, decision: Decision, action: Respond) -> None:
        assert decision.request is not None
        failed = replace(decision, action=replace(action, notification="ExecuteRequestHandler"), module="FastCgiModule")
        if self.error_page is not None and await self.error_page(exchange, failed, action.status, action.substatus, False):
            return
        await exchange.respond(sending.own_response(failed, decision.request.is_local), action.substatus)


def _flup_folder() -> str:
    """Where flup lies, so that workers can load it by path."""
    spec = importlib.util.find_spec("flup")
    assert spec is not None and spec.submodule_search_locations
    return list(spec.submodule_search_locations)[0]


