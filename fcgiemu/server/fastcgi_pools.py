"""Acting on CallFastCgi: the FastCGI applications of a site, by scriptProcessor, and what is
answered where a pool gives no process: its queue is full, or none starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Coroutine
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, assert_never, get_args

from .. import catalogue
from ..applications import Application
from ..decision import E_FILE_NOT_FOUND, CallFastCgi, Decision, Respond
from ..diagnosis.causes import causes, in_words
from ..fastcgi.connection import ConnectionClosed
from ..fastcgi.pool import Pool, QueueFull, TooManyFails
from ..fastcgi.process import Launch, OutputSink, StartFailed, WorkerProcess
from ..fastcgi.records import ProtocolError
from ..modules import fastcgi, handlers
from ..modules.fastcgi_variables import ParamsTemplate, encode_params
from ..programs.fastcgi_launch import Launcher, NotRegistered, PoolOptions
from ..programs.interpreters import ProgramMissing, find_program
from ..reload import restart_pattern, restarts
from ..site import Site
from .exchange import ClientGone, Exchange
from .fastcgi_call import FastCgiCall
from .fastcgi_failures import TimedOut
from .save_counter import SaveCounter
from .server_interface import ServerInterface

#: Characters of STDERR that are shown in the console.
MAX_PRINTED = 1 << 14
E_NOT_REGISTERED = 0x80070585
#: Why a request gets no process.
Refusal = ProtocolError | ProgramMissing | NotRegistered | QueueFull | TooManyFails | StartFailed
_REFUSALS: tuple[type[Refusal], ...] = get_args(Refusal)


class FastCgiPools:
    """Every FastCGI application of a site."""

    #: The server, which sets itself here.
    server: ServerInterface

    def __init__(self, site: Site, options: PoolOptions, sink: OutputSink) -> None:
        self.site = site
        self.launcher = Launcher(site, options)
        self.applications: dict[tuple[str, str], Pool] = {}
        #: Files that restart workers here and not on IIS: see reload.also_pattern.
        self.also: re.Pattern[str] | None = None
        #: What tells pages of failures to load again; None = nothing does.
        self.saves: SaveCounter | None = None
        #: How links of error pages open an editor; "" = there are none: see failure_page.editor.
        self.editor = ""
        #: The same, by scriptProcessor as it is written.
        self._of_text: dict[tuple[str, str], Pool] = {}
        self._sink = sink
        #: What goes on after the client has its answer.
        self._late: set[asyncio.Task[None]] = set()
        #: The time stamp of each pool's monitorChangesTo.
        self._monitored: dict[Pool, int | None] = {}

    # -- processes ---------------------------------------------------------------------------------

    def application(self, processor: str, path: str) -> Pool:
        """The pool for a scriptProcessor and the application of a URL path. Raises ProgramMissing
        and NotRegistered.
        """
        application = self.site.application(path)
        found = self._of_text.get((processor, application.url))
        if found is not None:
            return found
        key = processor.lower(), application.url
        found = self.applications.get(key)
        if found is None:
            limits = self.launcher.limits(processor, application)
            find_program(
                processor, self.site, application
            )  # refuses now; asked again at each start: env may change

            def launch() -> Launch:
                return self.launcher.launch(
                    find_program(processor, self.site, application), application, limits
                )

            found = Pool(launch, limits, self._sink, standby=self.launcher.stands_by)
            self.applications[key] = found
            if limits.monitor_changes_to:
                self._monitored[found] = _stamp(limits.monitor_changes_to)
        self._of_text[processor, application.url] = found
        return found

    def warm_up(self) -> None:
        """Start a process for every Python handler, so that a debugger can attach before the first
        request.
        """
        for application in self.site.layout.applications:
            for handler, _ in (
                self.site.effective(application.url or "/").view(handlers.table).entries
            ):
                if "FastCgiModule" in handler.modules:
                    with contextlib.suppress(ProgramMissing, NotRegistered):
                        self.application(handler.script_processor, application.url or "/").warm_up()

    def changed(self, path: Path) -> int:
        """A file has changed: tell the processes of the applications it belongs to, or let their
        next requests run new code.

        Returns how many pools had code to forget.
        """
        forgot = 0
        for application in self.site.layout.applications:
            if path.is_relative_to(application.path):
                relative = path.relative_to(application.path).as_posix()
                stale = self.restarts_on(application, relative)
                for pool in [
                    pool for (_, url), pool in self.applications.items() if url == application.url
                ]:
                    before = pool.restarts
                    pool.file_changed(relative)
                    if stale:
                        pool.restart()
                    forgot += pool.restarts - before
        return forgot

    def restarts_on(self, application: Application, relative: str) -> bool:
        """Whether a file of an application restarts its workers: by WSGI_RESTART_FILE_REGEX, or
        because of ``also``.
        """
        if self.also is not None and self.also.match(relative):
            return True
        return self._by_setting(application, relative)

    def restarts_any(self, path: Path) -> bool:
        """Whether a file restarts the workers of any application."""
        return any(
            self.restarts_on(application, path.relative_to(application.path).as_posix())
            for application in self.site.layout.applications
            if path.is_relative_to(application.path)
        )

    def as_on_iis(self, path: Path) -> bool:
        """Whether a file restarts the workers of an application on IIS as well."""
        return any(
            self._by_setting(application, path.relative_to(application.path).as_posix())
            for application in self.site.layout.applications
            if path.is_relative_to(application.path)
        )

    def _by_setting(self, application: Application, relative: str) -> bool:
        """Whether an application's WSGI_RESTART_FILE_REGEX, or where that cannot be used the
        default, matches a file of it.
        """
        setting = self.site.app_settings(application).get("WSGI_RESTART_FILE_REGEX")
        try:
            return restarts(relative, restart_pattern(setting[0] if setting else None))
        except re.error:
            return restarts(relative, restart_pattern(None))

    def restart(self) -> None:
        """Let every next request run new code."""
        for pool in self.applications.values():
            pool.restart()

    def forget_programs(self) -> None:
        """Configuration has changed: pools that are not in use look for their program again at the
        next request.
        """
        for key, application in list(self.applications.items()):
            application.forget_standby()
            if application.is_unused:
                self._monitored.pop(self.applications.pop(key), None)
        self._of_text.clear()

    def tick(self, now: float) -> None:
        """Once a second: enforce timeouts."""
        for application in self.applications.values():
            for worker in application.working:
                overdue = worker.overdue(application.limits, now)
                if overdue is not None:
                    worker.connection.fail(TimedOut(*overdue))
                elif worker.is_outlived(now):
                    worker.connection.fail(ConnectionClosed("the process has ended"))
            application.reap_idle(now)
            self._monitor(application)

    def _monitor(self, pool: Pool) -> None:
        """Recycle a pool whose monitorChangesTo has changed."""
        if pool in self._monitored:
            stamp = _stamp(pool.limits.monitor_changes_to)
            if self._monitored[pool] != stamp:
                self._monitored[pool] = stamp
                pool.forget_standby()
                pool.restart()

    async def close(self) -> None:
        """End all processes."""
        for task in list(self._late):
            task.cancel()
        await asyncio.gather(*(application.close() for application in self.applications.values()))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Let ``work`` on a process go on behind the client's back."""
        task = asyncio.ensure_future(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    # -- one request -------------------------------------------------------------------------------

    def begin(self, exchange: Exchange, decision: Decision, action: CallFastCgi) -> bool:
        """Begin a request whose body, if it has one, is all here: nothing waits for its answer,
        which comes by itself.

        False where there is more to it; ``call`` says what.
        """
        if not exchange.body_complete or exchange.has_body and decision.request.body_length is None:
            return False
        try:
            application = self.application(action.handler.script_processor, decision.path)
            params = _params(exchange, decision, action)
            call = FastCgiCall(
                self,
                exchange,
                decision,
                action,
                application=application,
                params=params,
                spool=exchange.collected,
            )
            if not application.ask(call):
                exchange.when_lost = call.leave
        except _REFUSALS:
            return False
        return True

    async def call(self, exchange: Exchange, decision: Decision, action: CallFastCgi) -> None:
        """Pass the request to a process and its answer to the client. Its body comes first."""
        body = await exchange.whole_body() if exchange.has_body else None
        if decision.request.body_length is None and exchange.has_body:
            request = replace(decision.request, body_length=body.received if body else 0)
            decision = replace(decision, request=request)
        try:
            application = self.application(action.handler.script_processor, decision.path)
            # before a process is free: it need not wait for that
            params = _params(exchange, decision, action)
            worker = await application.acquire(exchange.tell_when_lost)
        except asyncio.CancelledError:
            if exchange.gone:
                raise ClientGone from None
            raise
        except _REFUSALS as error:
            await self.refuse(exchange, decision, action, error)
            return
        call = FastCgiCall(
            self,
            exchange,
            decision,
            action,
            application=application,
            params=params,
            spool=body,
        )
        await call.run(worker)

    async def refuse(
        self, exchange: Exchange, decision: Decision, action: CallFastCgi, error: Refusal
    ) -> None:
        """Answer a request that no process gets."""
        await self.fail(exchange, decision, self._refusal(decision, action, error))

    def _refusal(self, decision: Decision, action: CallFastCgi, error: Refusal) -> Respond:
        processor = action.handler.script_processor
        match error:
            case ProgramMissing():
                return Respond(500, 0, str(error), E_NOT_REGISTERED, hints=(error.hint,))
            case NotRegistered():
                message = (
                    f"{action.handler.name} scriptProcessor could not be found in <fastCGI>"
                    " application configuration"
                )
                return Respond(500, 0, message, E_NOT_REGISTERED, hints=(self._nearest(processor),))
            case StartFailed():
                message = (
                    f"An unknown FastCGI error occurred: the process could not be started, {error}"
                )
                hint = f"scriptProcessor is {processor}."
                return Respond(500, 0, message, E_FILE_NOT_FOUND, hints=(hint,))
            case ProtocolError():
                message = f"The request cannot be sent to a FastCGI process: {error}"
                return Respond(500, 0, message)
            case QueueFull():
                length = self.application(processor, decision.path).limits.queue_length
                message = (
                    f"The FastCGI queue is full: {length} requests wait already (queueLength)."
                )
                return Respond(503, 4, message)
            case TooManyFails():
                fails = self.application(processor, decision.path).limits.rapid_fails_per_minute
                message = (
                    f"{fails} FastCGI processes have ended unexpectedly within a minute"
                    " (rapidFailsPerMinute): none is started until the minute is over."
                )
                return Respond(500, 0, message, hints=(catalogue.hint("error-rapid-fails"),))
            case _:
                assert_never(error)

    def _nearest(self, processor: str) -> str:
        """What to write where a scriptProcessor is not registered."""
        known = [
            f"{item.text('fullPath')}|{item.text('arguments')}".rstrip("|")
            for item in self.site.effective("/").view(fastcgi.registered).values()
        ]
        near = get_close_matches(processor, known, 1, 0)
        return f"{near[0]} is registered." if near else "Nothing is registered under <fastCgi>."

    def likely(self, worker: WorkerProcess, decision: Decision, text: str) -> list[str]:
        """The likely causes of an error text, which the console gets as well."""
        application = self.site.application(decision.path)
        program = None
        if isinstance(decision.action, CallFastCgi):
            processor = decision.action.handler.script_processor
            with contextlib.suppress(ProgramMissing):
                program = find_program(processor, self.site, application)
        found = [in_words(cause) for cause in causes(text, application, program)]
        for words in found:
            self._sink(worker, decision.request.label, f"likely cause: {words}")
        return found

    def show(self, worker: WorkerProcess, decision: Decision, text: str) -> None:
        """The end of what came on STDERR, for the console, wherever else it goes, under the name of
        its own request; wfastcgi's empty headings are left out.
        """
        for line in text[-MAX_PRINTED:].splitlines():
            if line.strip() not in ("", "StdOut:", "StdErr:"):
                self._sink(worker, decision.request.label, line)

    async def fail(self, exchange: Exchange, decision: Decision, action: Respond) -> None:
        """Answer with an error of the module; the log says why as well."""
        failed = replace(decision, module="FastCgiModule")
        error = replace(action, notification="ExecuteRequestHandler")
        await self.server.fail(exchange, failed, error)


def _params(exchange: Exchange, decision: Decision, action: CallFastCgi) -> bytes:
    """The encoded parameters; those of a repeated request are kept with it."""
    kept = exchange.kept
    if kept is None or kept.decision is not decision:
        return encode_params(decision, action)
    if kept.params is None:
        if kept.template is None and kept.any_query:
            kept.template = ParamsTemplate.of(decision, action)
        template = kept.template
        encode = encode_params if template is None else template.encode
        kept.params = encode(decision, action)
    return kept.params


def _stamp(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
