"""The ASGI application: a request becomes a decision, the decision an action, the action a response
and a log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..app_service.front_end import affinity_cookie
from ..decision import (
    Abort,
    CallFastCgi,
    CallHttpPlatform,
    Decision,
    ListDirectory,
    Outcome,
    Proxy,
    Redirect,
    Refused,
    Respond,
    ServeFile,
)
from ..http.url import UrlRefused
from ..modules import compression, custom_error, protocol_support, sending
from ..modules.pipeline import decide_error_page
from ..site import Site
from . import static, websocket
from .decisions import decide
from .exchange import ClientGone, Exchange, Message, Receive, Send
from .fastcgi import FastCgi
from .forward import Forwarder
from .http_platform import HttpPlatforms
from .output import Output
from .protocol import IisProtocol

KEEP_ALIVE_SECONDS = 120  # http.sys's connectionTimeout

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LogEntry:
    """A request as it ended, at ``when`` (seconds since 1970). ``seconds`` from its first byte to
    the last of its response.
    """

    method: str
    url: str
    outcome: Outcome
    status: int
    substatus: int
    when: float
    seconds: float
    bytes_sent: int
    client_gone: bool
    #: Why the response is an error of FastCGI, or was cut short.
    remark: str = ""


class Server:
    """Serves one site. Start and stop come through ASGI's lifespan."""

    def __init__(
        self,
        site: Site,
        fastcgi: FastCgi,
        log: Callable[[LogEntry], None],
        output: Output = lambda *_: None,
        on_start: Callable[[], None] = lambda: None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self.site = site
        self.fastcgi = fastcgi
        fastcgi.front = self
        self.forwarder = Forwarder()
        self.platforms = HttpPlatforms(site, self.forwarder, output)
        self._log = log
        self._on_start = on_start
        self._on_stop = on_stop
        #: The connections that exist, set by whoever runs the server.
        self.connections: Collection[object] = ()
        self._ticker: asyncio.Task[None] | None = None
        self._ended = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """What uvicorn asks over ASGI; requests come to ``begin``."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await websocket.relay(scope, receive, send, self.site, self.platforms)

    def takes_websocket(self, exchange: Exchange) -> bool:
        """Whether a request for a WebSocket goes to a process of <httpPlatform>; nothing else here
        can answer one.
        """
        try:
            return isinstance(self.site.decide(exchange.request()).action, CallHttpPlatform)
        except UrlRefused:
            return False

    def begin(self, exchange: Exchange) -> None:
        """Begin to answer a request; ``ended`` follows."""
        exchange.begun = time.perf_counter()
        try:
            decision = self._decide(exchange)
            action = decision.action
            if not (
                isinstance(action, CallFastCgi) and self.fastcgi.begin(exchange, decision, action)
            ):
                self.go_on(exchange, decision, self.act(exchange, decision))
        except UrlRefused as error:
            refused = Refused.of(error)
            self.go_on(exchange, refused, exchange.respond(sending.refusal(refused)))
        except Exception as error:
            exchange.protocol.run(exchange, self._defect(exchange, error))

    def go_on(
        self, exchange: Exchange, outcome: Outcome, acting: Coroutine[Any, Any, None]
    ) -> None:
        """Answer a request by a task; a server that has ended drops it, as uvicorn does with those
        that have one.
        """
        if self._ended:
            acting.close()
            exchange.protocol.transport.abort()
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
        except Exception as error:
            await self._defect(exchange, error)
        self.ended(exchange, outcome, gone)

    async def _defect(self, exchange: Exchange, error: Exception) -> None:
        _log.error(
            "a defect of fcgiemu itself; the request was %s %s",
            exchange.method,
            exchange.target.decode("latin-1"),
            exc_info=error,
        )
        await exchange.broken()

    def ended(self, exchange: Exchange, outcome: Outcome, gone: bool = False) -> None:
        """Log how a request went. ``gone`` = its client did not wait for the answer."""
        substatus, url = exchange.substatus, exchange.target.decode("latin-1")
        if isinstance(outcome, Decision):
            if not substatus and isinstance(outcome.action, Respond):
                substatus = outcome.action.substatus
            if outcome.rewrite.log_rewritten:
                url = outcome.path + ("?" + outcome.query if outcome.query else "")
        self._log(
            LogEntry(
                exchange.method,
                url,
                outcome,
                exchange.status,
                substatus,
                time.time(),
                time.perf_counter() - exchange.begun,
                exchange.bytes_sent,
                (gone or exchange.gone) and not exchange.was_cut,
                exchange.remark,
            )
        )

    def _decide(self, exchange: Exchange) -> Decision:
        settings = self.site.settings
        if settings.azure:
            request = self.site.arriving(exchange.request(), str(uuid.uuid4()))
            exchange.cookie = affinity_cookie(self.site.azure_name, request)
            decision = self.site.decide(request)
        else:
            decision = decide(self.site, exchange)
        if not decision.effective.view(protocol_support.keeps_alive):
            exchange.keep_alive = False
        if settings.compression:
            exchange.compress = partial(compression.dynamic, decision)
        return decision

    async def act(self, exchange: Exchange, decision: Decision) -> None:
        """Do what was decided."""
        action = decision.action
        if isinstance(action, CallFastCgi):
            await self.fastcgi.call(exchange, decision, action)
        elif isinstance(action, ServeFile):
            await static.serve_file(exchange, decision, action)
        elif isinstance(action, (Redirect, Respond)):
            if isinstance(action, Respond) and await self.error_page(
                exchange, decision, action.status, action.substatus, has_entity=False
            ):
                return
            response = sending.own_response(decision, decision.request.is_local)
            await exchange.respond(response, exchange.substatus)
        elif isinstance(action, ListDirectory):
            await static.list_directory(exchange, decision, action)
        elif isinstance(action, Abort):
            exchange.reset()
        elif isinstance(action, CallHttpPlatform):
            await self.platforms.call(exchange, decision)
        elif isinstance(action, Proxy):
            await self.forwarder.forward(exchange, decision, action)

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
        await self.act(exchange, decide_error_page(decision, url, status))
        return True

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            try:
                message = await receive()
            except asyncio.CancelledError:  # asked to end twice: at once
                return
            if message["type"] == "lifespan.startup":
                self._ticker = asyncio.ensure_future(self._tick())
                self._on_start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._ticker is not None:
                    self._ticker.cancel()
                self._ended = True
                self._on_stop()
                await self.platforms.close()
                await self.forwarder.close()
                await self.fastcgi.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(1)
                now = loop.time()
                self.fastcgi.tick(now)
                for connection in list(self.connections):
                    if isinstance(connection, IisProtocol):
                        connection.close_if_idle(now, KEEP_ALIVE_SECONDS)
