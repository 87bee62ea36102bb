"""Acting on CallIisnode: the policy of iisnode for the processes of a script, one request to one of
them, and what is said where it does not answer.
"""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from ... import posix
from ...decision import CallIisnode, Decision
from ...http.response import Header
from ...modules import iisnode_failures as failures
from ...modules.iisnode import MAX_PROCESSES, IisNode, compiled
from ...modules.iisnode_failures import NodeFailure
from ...programs.iisnode import PORT_VARIABLE, command_line, folder
from ...programs.interpreters import ProgramMissing
from ...site import Site
from ...socket_folder import SocketFolder
from .. import long_searches
from ..application_request_routing import Forwarder
from ..exchange import ClientGone, Exchange
from ..process_output import Output
from . import node_answer, node_request
from .address import Address, UnixSocket
from .base import ProcessHandler
from .node_connection import Broken, ConnectionPool, NodeConnection, NodeHead
from .recycle_signal import VARIABLE, RecycleSignal
from .supervised_process import E_TIMEOUT, CommandLine, ProcessStartFailed, SupervisedProcess
from .supervisor import Policy, Readiness, Supervisor

_STICKY = "iisnode.session.cookie"
#: Beside watchedFiles: what a process has loaded when it runs, which IIS does not look at.
_LOADED = re.compile(r"(?i)\.(?:[cm]?js|node)$|^package\.json$")


class Iisnode(ProcessHandler):
    """The processes of every script of iisnode, by the script and what counts for it."""

    def __init__(self, site: Site, forwarder: Forwarder, output: Output) -> None:
        super().__init__(site, forwarder, output)
        self._pools: dict[SupervisedProcess, ConnectionPool] = {}
        self._sockets: SocketFolder | None = None
        self._signals: dict[str, RecycleSignal] = {}
        self._sessions = 0
        self._told: set[str] = set()

    # -- processes ---------------------------------------------------------------------------------

    def supervisor(self, decision: Decision) -> Supervisor:
        action = _action(decision)
        key = (action.script, action.settings)
        found = self._supervisors.get(key)
        if found is None:
            self._say_processes(action)
            found = self._supervisors[key] = Supervisor(
                _policy(self.site, action, self._socket),
                partial(self._launch, action),
                folder(self.site, action),
                self.output,
            )
        return found

    def _say_processes(self, action: CallIisnode) -> None:
        """That not all are started that nodeProcessCountPerApplication asks for."""
        name = "nodeProcessCountPerApplication"
        wanted = dict(action.settings)[name].value
        if isinstance(wanted, int) and wanted > MAX_PROCESSES:
            self.output(0, "", f"{name} is {wanted}: {MAX_PROCESSES} are started here")

    def _launch(self, action: CallIisnode, address: Address) -> CommandLine:
        application = self.site.application(action.script)
        words, environment = command_line(self.site, application, action, address.value)
        if (signal := self._signals.get(action.script)) is not None:
            environment[VARIABLE] = signal.path
        return words, environment

    def _socket(self) -> Address:
        """A name for a named pipe: a file in a private folder, which the process makes."""
        return UnixSocket(self._pipe())

    def _pipe(self) -> str:
        if posix.IS_WINDOWS:
            raise ProcessStartFailed("on Windows fcgiemu has no named pipes for iisnode")
        if self._sockets is None:
            self._sockets = SocketFolder()
        return self._sockets.name()

    async def _listen_for_signal(self, action: CallIisnode) -> None:
        """With recycleSignalEnabled: an application may ask for new processes."""
        if not compiled(action.settings).recycle_signal:
            return
        signal = self._signals.get(action.script)
        if signal is None:
            again = partial(self._recycle, action.script)
            signal = self._signals[action.script] = RecycleSignal(self._pipe(), again)
        await signal.listen()

    def _recycle(self, script: str) -> None:
        """The next request for a script starts new processes."""
        self.output(0, "", f"{script} asks for new processes (recycleSignalEnabled)")
        self._recycled = asyncio.gather(
            *(
                supervisor.restart()
                for key, supervisor in self._supervisors.items()
                if isinstance(key, tuple) and key[0] == script
            )
        )

    def reloads_on(self, changed: Path) -> bool:
        """Whether a process may have loaded a file that IIS does not watch."""
        return self.running and _LOADED.search(changed.name) is not None

    def restart(self) -> Awaitable[object]:
        self._close_pools()
        return super().restart()

    async def close(self) -> None:
        self._close_pools()
        for signal in self._signals.values():
            signal.close()
        await super().close()
        if self._sockets is not None:
            self._sockets.close()

    def _close_pools(self) -> None:
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    # -- requests ----------------------------------------------------------------------------------

    async def call(self, exchange: Exchange, decision: Decision) -> None:
        action = _action(decision)
        settings = compiled(action.settings)
        slot, extra = self._session(decision, settings)
        await self._listen_for_signal(action)
        try:
            process = await self.supervisor(decision).process(slot)
        except (ProcessStartFailed, ProgramMissing) as error:
            await self.fail(exchange, decision, error)
            return
        if process.requests >= settings.requests_per_process:
            await self._answer_failure(exchange, decision, _too_many(settings))
            return
        self._say_upgrade(decision)
        with process.in_use():
            await self._ask(exchange, decision, process, extra)

    def _session(self, decision: Decision, settings: IisNode) -> tuple[int | None, list[Header]]:
        """With nodeProcessStickySessions the slot that a client's cookie names, and the cookie for
        one that has none.
        """
        if not settings.sticky:
            return None, []
        match = re.search(
            rf"(?:^|;)\s*{re.escape(_STICKY)}=(\d{{1,9}})",
            decision.request.fields.get("cookie", ""),
        )
        if match:
            return int(match[1]) % settings.processes, []
        self._sessions += 1
        return self._sessions % settings.processes, [("Set-Cookie", f"{_STICKY}={self._sessions}")]

    async def _ask(
        self,
        exchange: Exchange,
        decision: Decision,
        process: SupervisedProcess,
        extra: list[Header],
    ) -> None:
        settings = compiled(_action(decision).settings)
        try:
            connection, head = await self._asked(exchange, decision, process)
            pool = self._pool(process, settings)
            if head.status == 101:
                await node_answer.tunnel(exchange, connection, head)
                return
            try:
                await node_answer.pass_on(
                    *(exchange, decision, _action(decision), self.forwarder.server),
                    connection=connection,
                    head=head,
                    extra=extra,
                )
            except BaseException:
                connection.close()
                raise
            pool.give_back(connection, head.keeps)
        except Broken as error:
            if exchange.gone:  # which has cut the connection
                raise ClientGone from error
            if exchange.started:
                exchange.cut(f"500.{error.substatus}: {error}")
                return
            if error.hresult == failures.E_BROKEN_PIPE:
                await process.last_words()
            await self._answer_failure(exchange, decision, _broken(error, process))
            return
        finally:
            exchange.tell_when_lost(None)
        if exchange.started and not exchange.was_cut:
            await exchange.sent()

    async def _asked(
        self, exchange: Exchange, decision: Decision, process: SupervisedProcess
    ) -> tuple[NodeConnection, NodeHead]:
        """Send the request, and wait for the beginning of the answer. A connection that has waited
        and turns out to be closed is replaced once. Raises Broken, ClientGone.
        """
        action = _action(decision)
        settings = compiled(action.settings)
        body = await exchange.whole_body() if exchange.has_body else None
        chunked = exchange.has_body and decision.request.body_length is None
        length = body.received if body is not None else decision.request.body_length
        try:
            head = node_request.head(decision, action, length, chunked)
        except ValueError as error:
            raise Broken(failures.HEAD_NOT_SENT, failures.E_INVALID_DATA, str(error)) from error
        if len(head) > settings.max_head:
            raise Broken(
                failures.HEAD_TOO_LARGE,
                failures.E_NOT_ENOUGH_QUOTA,
                "the head of the request is longer than maxRequestBufferSize",
            )
        pool = self._pool(process, settings)
        for fresh in (False, True):
            connection = await _connected(pool, fresh)
            exchange.tell_when_lost(connection.close)
            try:
                answer = await connection.ask(head, body, chunked)
            except Broken as error:
                connection.close()
                if connection.fresh or error.substatus != failures.HEAD_NOT_SENT:
                    raise
                continue
            return connection, answer
        raise AssertionError("a fresh connection answers or raises")

    def _pool(self, process: SupervisedProcess, settings: IisNode) -> ConnectionPool:
        pool = self._pools.get(process)
        if pool is None:
            for other in [other for other in self._pools if not other.alive]:
                self._pools.pop(other).close()
            pool = self._pools[process] = ConnectionPool(
                process, settings.kept_connections, settings.kept_seconds, settings.max_head
            )
        return pool

    def _say_upgrade(self, decision: Decision) -> None:
        """Why Node does not see a request to upgrade, once each."""
        if not node_request.asks_for_upgrade(decision) or node_request.upgrades(decision):
            return
        connection = decision.request.fields.get("connection", "")
        words = (
            'a request to upgrade goes to IIS\'s own WebSocket module: <webSocket enabled="false"'
            " /> leaves it to Node"
        )
        if connection.strip().lower() != "upgrade":
            words = (
                f"a request to upgrade with 'Connection: {connection}' (as Firefox sends it) loses"
                " that header in iisnode: the application does not see it"
            )
        if words not in self._told:
            self._told.add(words)
            self.output(0, "", words)

    # -- failures ----------------------------------------------------------------------------------

    async def fail(
        self, exchange: Exchange, decision: Decision, error: ProcessStartFailed | ProgramMissing
    ) -> None:
        """Answer for a process that did not come up."""
        if isinstance(error, ProgramMissing):
            failure = NodeFailure(
                substatus=failures.NOT_DISPATCHED,
                message=str(error),
                hresult=failures.E_FILE_NOT_FOUND,
                known=True,
                had_process=False,
                hints=(error.hint,),
            )
        else:
            silent = error.hresult == E_TIMEOUT
            failure = NodeFailure(
                substatus=failures.NOT_CONNECTED if silent else failures.ENDED,
                message=f"The process of iisnode did not come up: {error}.",
                hresult=failures.E_FILE_NOT_FOUND,
                output=error.output,
            )
        await self._answer_failure(exchange, decision, failure)

    async def _answer_failure(
        self, exchange: Exchange, decision: Decision, failure: NodeFailure
    ) -> None:
        """The page of devErrorsEnabled, with the status 200; else the status, by <httpErrors>. The
        log has the true status either way.
        """
        settings = compiled(_action(decision).settings)
        if settings.dev_errors and failure.shows_page:
            exchange.remark = f"developer error {failure.name}: {failure.message}"
            page = failure.as_page(settings.logging)
            await exchange.respond(await long_searches.sent(decision, page))
            return
        await self.forwarder.server.fail(exchange, decision, failure.as_error())


def _action(decision: Decision) -> CallIisnode:
    assert isinstance(decision.action, CallIisnode)
    return decision.action


def _policy(site: Site, action: CallIisnode, address: Callable[[], Address]) -> Policy:
    """What <iisnode> says about the processes of a script."""
    settings = compiled(action.settings)
    return Policy(
        readiness=Readiness(
            address=address,
            variable=PORT_VARIABLE,
            seconds=settings.connection_tries * settings.connection_delay,
            attribute="maxNamedPipeConnectionRetry times namedPipeConnectionRetryDelay",
        ),
        processes=settings.processes,
        at_once=True,
        patience=settings.graceful_seconds,
        recycles_on=partial(is_watched, folder(site, action), settings.watched),
    )


def is_watched(folder: Path, watched: tuple[str, ...], changed: Path) -> bool:
    """Whether a file is one of watchedFiles: names with wildcards, in ``folder`` or in the folder
    that stands in front of a name. Nothing below these counts.
    """
    for entry in watched:
        below, _, name = entry.replace("\\", "/").rpartition("/")
        if changed.parent == Path(os.path.normpath(folder / below)) and fnmatch.fnmatchcase(
            changed.name.lower(), name.lower()
        ):
            return True
    return False


async def _connected(pool: ConnectionPool, fresh: bool) -> NodeConnection:
    try:
        return await pool.take(fresh)
    except OSError as error:
        raise Broken(
            failures.NOT_CONNECTED, failures.E_FILE_NOT_FOUND, f"it takes no connection: {error}"
        ) from error


def _too_many(settings: IisNode) -> NodeFailure:
    return NodeFailure(
        status=503,
        substatus=failures.TOO_MANY,
        message=(
            f"{settings.requests_per_process} requests are with the process already"
            " (maxConcurrentRequestsPerProcess of iisnode)."
        ),
    )


def _broken(error: Broken, process: SupervisedProcess) -> NodeFailure:
    return NodeFailure(
        substatus=error.substatus,
        message=f"The process of iisnode did not answer: {error}.",
        hresult=error.hresult,
        output="\n".join(process.error_lines),
    )
