"""A request becomes a decision, the decision an action, the action a response and a log line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, assert_never

from ..app_service.front_end import affinity_cookie
from ..config.tree import Effective
from ..decision import (
    Abort,
    CallAspNetCore,
    CallFastCgi,
    CallHttpPlatform,
    CallIisnode,
    Decision,
    ListDirectory,
    Outcome,
    Proxy,
    Redirect,
    Refused,
    Respond,
    ServeFile,
)
from ..http.request import Request
from ..http.response import Response
from ..http.url import UrlRefused
from ..modules import (
    compression,
    custom_error,
    dynamic_ip_restriction,
    http_cache,
    protocol_support,
    request_filtering,
    sending,
)
from ..modules.application_initialization import WARMING_UP
from ..modules.pipeline import decide_error_page, decide_refused
from ..rewrite.long_searches import Postponed, briefly
from ..site import Site
from . import iisnode_settings, long_searches, sign_in, static_file, websocket
from .application_request_routing import Forwarder
from .date_header import DateHeader
from .decision_cache import decide, holds
from .exchange import ClientGone, EntityTooLarge, Exchange
from .failed_requests_tracing import Recorder
from .fastcgi_pools import FastCgiPools
from .local_clients import trusted_names
from .log_entry import LogEntry, reason_and_remark
from .output_cache import OutputCache
from .process_handlers.registry import ProcessHandlers
from .process_output import Output
from .protocol import ClientConnection
from .remembered_decision import RememberedDecision
from .request_building import RequestHeads
from .request_capture import CAPTURED, Capture
from .save_counter import SaveCounter
from .spool import SpoolBudget
from .warm_up import WarmUp
from .web_farm import WebFarms
from .web_limits import timers

_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who is told of every request that has ended."""

    def ended(self, exchange: Exchange, entry: LogEntry) -> None: ...

    def again(
        self, connection: ClientConnection, kept: RememberedDecision, entry: LogEntry, begun: float
    ) -> None: ...


class Server:
    """Serves one site: what connections ask for comes to ``begin``. See Listener for the
    sockets.
    """

    def __init__(
        self,
        site: Site,
        fastcgi: FastCgiPools,
        log: Callable[[LogEntry], None],
        output: Output = lambda *_: None,
        local_hosts: tuple[str, ...] = (),
    ) -> None:
        self.site = site
        self.fastcgi = fastcgi
        fastcgi.server = self
        say = partial(output, 0, "")
        self.forwarder = Forwarder(say, site.settings.server_map)
        self.forwarder.server = self
        self.processes = ProcessHandlers(site, self.forwarder, output)
        self.forwarder.farms = self.farms = WebFarms(site, say, self.forwarder.connect)
        self.budget = SpoolBudget()
        self.timers = timers(site.tree.host)
        self.connections: set[ClientConnection] = set()
        self.request_heads = RequestHeads(trusted_names(site, local_hosts))
        self.date_header = DateHeader()
        self.output_cache = OutputCache()
        self.static_files = static_file.StaticFiles()
        #: Asks for initialization pages, with --app-init.
        self.warm_up: WarmUp | None = None
        #: Who has requests in progress, where <dynamicIpSecurity> limits that.
        self.clients = dynamic_ip_restriction.Clients()
        self._limits: dynamic_ip_restriction.RateLimits | None = None
        #: The generation of the configuration that ``_limits`` was read from.
        self._limits_read = -1
        self._log = log
        #: Whether the health checks of web farms are made.
        self.tests_farms = True
        #: Writes failed-request traces, where that is wanted.
        self.recorder: Recorder | None = None
        #: Tells pages of failures when to load again, where files are watched.
        self.saves: SaveCounter | None = None
        #: Watches the requests, where somebody wants to see them.
        self.observer: Observer | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._ended = False

    # -- start and end -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to keep time. To be called in the loop."""
        self._ticker = asyncio.ensure_future(self._tick())
        if self.tests_farms:
            self.farms.start()

    async def close(self) -> None:
        """Cut what is still in progress, and end all processes."""
        self._ended = True
        if self._ticker is not None:
            self._ticker.cancel()
        tasks = [task for connection in self.connections for task in connection.tasks]
        for task in tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.processes.close()
        await self.farms.close()
        await self.forwarder.close()
        await self.fastcgi.close()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(1)
                now = loop.time()
                self.fastcgi.tick(now)
                self.processes.tick()
                for connection in list(self.connections):
                    connection.tick(now)

    # -- requests ----------------------------------------------------------------------------------

    def begin(self, exchange: Exchange) -> None:
        """Begin to answer a request; ``ended`` follows."""
        exchange.begun = time.perf_counter()
        if self.saves is not None and exchange.target == self.saves.target:
            exchange.protocol.run(exchange, self.saves.answer(exchange))
            return
        if self.observer is not None:
            exchange.capture = _capture(exchange)
        try:
            decision = self._decide(exchange)
            action = decision.action
            if isinstance(action, CallFastCgi):
                cached = self._from_cache(exchange, decision)
                if cached is not None:
                    self.go_on(exchange, decision, cached)
                    return
                if self.fastcgi.begin(exchange, decision, action):
                    return
            elif isinstance(action, ServeFile):
                if static_file.serve_at_once(self.static_files, exchange, decision, action):
                    self.ended(exchange, decision)
                    return
            self.go_on(exchange, decision, self.act(exchange, decision))
        except UrlRefused as error:
            self.refuse(exchange, error)
        except Postponed as postponed:
            exchange.protocol.run(exchange, self._begin_later(exchange, postponed))
        except Exception as error:
            self._leave(exchange)
            exchange.protocol.run(exchange, self._internal_error(exchange, error))

    async def _begin_later(self, exchange: Exchange, postponed: Postponed) -> None:
        """Answer a request whose decision needs long searches: it is made again behind each."""
        searches: long_searches.Searches = {}
        exchange.searches = searches
        try:
            decision: Decision | None = None
            while decision is None:
                await long_searches.made(searches, postponed)
                try:
                    decision = self._decide(exchange)
                except Postponed as another:
                    postponed = another
        except Exception as error:
            self._leave(exchange)
            await self._internal_error(exchange, error)
            return
        is_program = isinstance(decision.action, CallFastCgi)
        cached = self._from_cache(exchange, decision) if is_program else None
        await self._act(exchange, decision, cached or self.act(exchange, decision))

    def answer_again(self, connection: ClientConnection, kept: RememberedDecision) -> bool:
        """Send a small file as it was sent before for the same bytes, if that still is the answer:
        the shortest way through the server.
        """
        begun = time.perf_counter()
        if connection.write_paused or self._ended or not holds(self.site, kept):
            return False
        if self._limits is not None or self.recorder is not None or self.warm_up is not None:
            return False  # who counts or records requests has to see each of them
        assert kept.ready is not None
        head, body = kept.ready
        connection.send_again(head.data, body)
        entry = LogEntry(
            method=kept.head.method,
            url=kept.head.target.decode("latin-1"),
            outcome=kept.decision,
            status=head.status,
            substatus=0,
            when=time.time(),
            seconds=time.perf_counter() - begun,
            bytes_sent=len(body),
            client_gone=False,
        )
        self._log(entry)
        if self.observer is not None:
            self.observer.again(connection, kept, entry, begun)
        return True

    def _from_cache(
        self, exchange: Exchange, decision: Decision
    ) -> Coroutine[Any, Any, None] | None:
        """What answers from the output cache; None where the answer is to be taken down for it."""
        if decision.effective.view(http_cache.caching) is None:
            return None
        profile = http_cache.profile_of(decision)
        if profile is not None:
            exchange.extra += tuple(http_cache.cache_control(profile))
        found = self.output_cache.find(decision, asyncio.get_running_loop().time())
        if isinstance(found, Response):
            return exchange.respond(found)
        exchange.recording = found
        return None

    def refuse(self, exchange: Exchange, error: UrlRefused) -> None:
        """Answer as http.sys does, without any configuration."""
        exchange.begun = exchange.begun or time.perf_counter()
        self.go_on(exchange, Refused.of(error), self._refuse(exchange, error))

    async def _refuse(self, exchange: Exchange, error: UrlRefused) -> None:
        exchange.reason, exchange.remark = reason_and_remark(error)
        if exchange.started:
            exchange.cut(error.text, exchange.reason)
            return
        exchange.extra, exchange.compress = (), None
        exchange.protocol.give_body_up()
        await exchange.respond(sending.refusal(Refused.of(error)))

    def timed_out(self, exchange: Exchange | None, reason: str, limit: str) -> None:
        """A connection has been closed by one of http.sys's timers, outside of an answer."""
        text = f"the connection was closed: the client exceeded {limit}"
        refused = Refused(0, reason, text)
        remark = f"{text} [{reason}]"
        self._log(
            LogEntry(
                method="-",
                url="-",
                outcome=refused,
                status=0,
                substatus=0,
                when=time.time(),
                seconds=0.0,
                bytes_sent=0,
                client_gone=False,
                remark=remark,
            )
        )

    def go_on(
        self, exchange: Exchange, outcome: Outcome, acting: Coroutine[Any, Any, None]
    ) -> None:
        """Answer a request by a task; a server that has ended drops it."""
        if self._ended:
            acting.close()
            exchange.protocol.abort()
            return
        exchange.protocol.run(exchange, self._act(exchange, outcome, acting))

    async def _act(
        self, exchange: Exchange, outcome: Outcome, acting: Coroutine[Any, Any, None]
    ) -> None:
        gone = False
        try:
            await acting
        except ClientGone:
            gone = True
        except UrlRefused as error:
            outcome = Refused.of(error)
            await self._refuse(exchange, error)
        except EntityTooLarge:
            assert isinstance(outcome, Decision)
            outcome = await self._too_large(exchange, outcome)
        except Exception as error:
            await self._internal_error(exchange, error)
        self.ended(exchange, outcome, gone)

    async def _too_large(self, exchange: Exchange, decision: Decision) -> Decision:
        """Answer a body that turns out to be longer than it may be."""
        action = request_filtering.too_large()
        exchange.remark = f"maxAllowedContentLength is {exchange.body_limit} bytes"
        failed = replace(decision, action=action, module="RequestFilteringModule")
        with contextlib.suppress(ClientGone):
            await self.act(exchange, failed)
        return failed

    async def _internal_error(self, exchange: Exchange, error: Exception) -> None:
        _log.error(
            "an internal error of fcgiemu; the request was %s %s",
            exchange.method,
            exchange.target.decode("latin-1"),
            exc_info=error,
        )
        with contextlib.suppress(ClientGone):
            await exchange.fail()

    def ended(self, exchange: Exchange, outcome: Outcome, gone: bool = False) -> None:
        """Log how a request went. ``gone`` = its client did not wait for the answer. What
        the end of the server has cut is told by that.
        """
        logged = self._leave(exchange)
        if exchange.recording is not None and not (gone or exchange.gone):
            self.output_cache.keep(exchange.recording)
        if self._ended:
            return
        substatus, url = exchange.substatus or logged, exchange.target.decode("latin-1")
        if isinstance(outcome, Decision):
            if exchange.routed is not None and isinstance(outcome.action, Proxy):
                outcome = replace(outcome, action=exchange.routed)
            if not substatus and isinstance(outcome.action, Respond):
                substatus = outcome.action.substatus
            if outcome.rewrite.log_rewritten:
                url = outcome.path + ("?" + outcome.query if outcome.query else "")
        if self.recorder is not None:
            self.recorder.ended(exchange, outcome, substatus)
        remark = f"{exchange.remark} [{exchange.reason}]" if exchange.reason else exchange.remark
        entry = LogEntry(
            method=exchange.method,
            url=url,
            outcome=outcome,
            status=exchange.status,
            substatus=substatus,
            when=time.time(),
            seconds=time.perf_counter() - exchange.begun,
            bytes_sent=exchange.bytes_sent,
            client_gone=(gone or exchange.gone) and not exchange.was_cut,
            remark=remark,
        )
        self._log(entry)
        if self.observer is not None:
            self.observer.ended(exchange, entry)

    def _refused(self, exchange: Exchange, request: Request | None = None) -> Decision | None:
        """The decision about a request that <dynamicIpSecurity> refuses; None for all others."""
        tree = self.site.tree
        if self._limits_read != tree.generation:
            self._limits_read = tree.generation
            self._limits = self.site.effective("/").view(dynamic_ip_restriction.limits)
        if self._limits is None:
            return None
        request = request or exchange.request()
        now = asyncio.get_running_loop().time()
        verdict = self.clients.enter(self.site.effective("/"), request, now)
        exchange.verdict = verdict
        if verdict is None or verdict.action is None:
            return None
        return decide_refused(self.site, request, verdict.action, dynamic_ip_restriction.MODULE)

    def _leave(self, exchange: Exchange) -> int:
        """A request that may have been counted is over. Returns the substatus that it would have
        had, where <dynamicIpSecurity> only logs.
        """
        verdict, exchange.verdict = exchange.verdict, None
        if verdict is None:
            return 0
        self.clients.leave(verdict)
        return verdict.substatus

    def _decide(self, exchange: Exchange) -> Decision:
        settings = self.site.settings
        request: Request | None = None
        if settings.azure or settings.identity is not None:
            request = self.site.as_received(exchange.request(), str(uuid.uuid4()))
        if settings.azure and request is not None:
            exchange.extra = (affinity_cookie(self.site.azure_name, request),)
        if self.warm_up is not None and self.warm_up.covers(exchange.protocol.client[1]):
            request = replace(request or exchange.request(), overrides=WARMING_UP)
        # one that comes again after a long search has been counted
        decision = self._refused(exchange, request) if exchange.verdict is None else None
        if decision is None:
            decision = (
                decide(self.site, exchange)
                if request is None
                else briefly(exchange.searches, partial(self.site.decide, request))
            )
        exchange.extra += decision.extra_headers
        if not decision.effective.view(protocol_support.keeps_alive):
            exchange.keep_alive = False
        if exchange.has_body:
            exchange.look_for_expect()
            exchange.body_limit = decision.effective.view(_content_limit)
        if settings.compression:
            exchange.compress = partial(compression.dynamic, decision)
        return decision

    async def act(self, exchange: Exchange, decision: Decision) -> None:
        """Do what was decided."""
        action = decision.action
        match action:
            case CallFastCgi():
                await self.fastcgi.call(exchange, decision, action)
            case ServeFile():
                failure = await static_file.serve_file(
                    self.static_files, exchange, decision, action
                )
                if failure is not None:
                    await self.fail(exchange, decision, failure)
            case Respond():
                await self._respond(exchange, decision, action)
            case Redirect():
                await self._send_own(exchange, decision)
            case ListDirectory():
                failure = await static_file.list_directory(exchange, decision, action)
                if failure is not None:
                    await self.fail(exchange, decision, failure)
            case Abort():
                exchange.reset()
            case CallHttpPlatform() | CallAspNetCore() | CallIisnode():
                await self.processes.call(exchange, decision, action)
            case Proxy():
                if websocket.is_asked_for(decision.request) and websocket.are_enabled(decision):
                    await websocket.relay_foreign(exchange, decision, action, self.forwarder)
                else:
                    await self.forwarder.forward(exchange, decision, action)
            case _:
                assert_never(action)

    async def _respond(self, exchange: Exchange, decision: Decision, action: Respond) -> None:
        """Answer as was decided, or with the page that a module or the site has for it."""
        if sign_in.covers(decision):
            await sign_in.answer(exchange, decision)
        elif iisnode_settings.covers(decision):
            await iisnode_settings.answer(exchange, decision)
        elif not await self.error_page(
            exchange, decision, action.status, action.substatus, has_entity=False
        ):
            await self._send_own(exchange, decision, action.substatus)

    async def _send_own(self, exchange: Exchange, decision: Decision, substatus: int = 0) -> None:
        """Send a response that IIS makes itself."""
        response = await long_searches.own(decision)
        if self.saves is not None and decision.request.method == "GET":
            self.saves.follow(response)
        await exchange.respond(response, response.substatus or exchange.substatus or substatus)

    async def fail(self, exchange: Exchange, decision: Decision, error: Respond) -> None:
        """Answer with an error that IIS makes while a decision is acted on: by <httpErrors>, as one
        that was decided. The log says why.
        """
        exchange.remark = exchange.remark or error.message
        await self.act(exchange, replace(decision, action=error))

    async def error_page(
        self, exchange: Exchange, decision: Decision, status: int, substatus: int, has_entity: bool
    ) -> bool:
        """Answer an error with the child request that <httpErrors> names; False where it names
        none.
        """
        url = custom_error.execute_url(
            decision, status, substatus, has_entity, decision.request.is_local
        )
        if url is None:
            return False
        exchange.substatus = substatus
        exchange.has_body = False  # it was for the request that has failed
        page = await long_searches.decided(partial(decide_error_page, decision, url, status))
        await self.act(exchange, page)
        return True


def _capture(exchange: Exchange) -> Capture:
    """What takes a request down from here on, with what has arrived of its body."""
    capture = Capture()
    if exchange.collected is not None:
        capture.asked(exchange.collected.beginning(CAPTURED + 1))
    return capture


def _content_limit(effective: Effective) -> int:
    """The bytes that a body may have. A view: see Effective.view."""
    return effective.view(request_filtering.request_filter).max_content_length
