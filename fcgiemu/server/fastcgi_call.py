"""One request through a FastCGI process: what is sent, how the answer is followed, and what goes
wrong with it.

A call is in one state, and ``ALLOWED`` says which may follow:

    QUEUED      it has no process yet: the client may leave the queue.
    ASKED       a process has the request; its answer is awaited, up to responseBufferLimit bytes of
                it. Anything may still become the response: the answer, an error page, a 500.
    STREAMING   the head has left: what comes is passed on, and what goes wrong can only cut the
                response short.
    DRAINING    the client has gone: the process may finish its answer, which nobody reads, within a
                time, so that it can be used again.
    ENDED       the process has been given back or ended. Nothing happens any more.

The request's body is complete before a call exists, and the client's pace cannot hold the process:
what the client does not read goes to the exchange's spool. Only a spool that is full makes the
process wait, in which time its timeouts do not run (``waits_for_client``).

A call is answered in one of two ways. Without a task: the call itself stands in the queue (see
Pool.ask), and looks at the response when that is whole, as most are (``_arrived``). With
one: ``run``, or ``finish`` where the first way found that there is more to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from ..decision import CallFastCgi, Decision, Respond
from ..fastcgi import cgi, records
from ..fastcgi.cgi import MAX_HEADER_BLOCK, BadHeaders, Head, HeadReader
from ..fastcgi.connection import ConnectionClosed, FastCgiConnection, WroteStderr
from ..fastcgi.pool import EXIT_PATIENCE, Pool
from ..fastcgi.process import StartFailed, WorkerProcess
from ..http.response import Response
from ..modules import custom_error, rewrite_outbound, sending
from ..pages import secret_masking
from ..site import Site
from . import failure_page, fastcgi_failures, long_searches, response_heads
from .exchange import PORTION, ClientGone, Exchange
from .fastcgi_failures import CallFailure, TimedOut
from .save_counter import SaveCounter
from .server_interface import ServerInterface
from .spool import Spool

#: Methods that do no harm when they are asked twice (RFC 9110, 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
#: Bytes of an error page that are looked at for a cause.
SHORT_PAGE = 1000
#: Seconds that a process may take to finish a response whose client has gone.
DRAIN_SECONDS = 5.0
#: Seconds in which a wfastcgi.py that could not initialise itself has ended.
SELF_END_SECONDS = 0.25
#: A body up to this size goes out together with the parameters.
INLINE_BODY = 1 << 16


class Pools(Protocol):
    """The FastCGI applications of a site, as a call sees them; see FastCgiPools."""

    server: ServerInterface
    site: Site
    editor: str
    saves: SaveCounter | None

    def later(self, work: Coroutine[Any, Any, None]) -> None: ...
    def likely(self, worker: WorkerProcess, decision: Decision, text: str) -> list[str]: ...
    def show(self, worker: WorkerProcess, decision: Decision, text: str) -> None: ...
    async def fail(self, exchange: Exchange, decision: Decision, action: Respond) -> None: ...
    async def refuse(
        self, exchange: Exchange, decision: Decision, action: CallFastCgi, error: StartFailed
    ) -> None: ...


class ClosedByClient(Exception):
    """The client went away while the application worked."""


class CallState(enum.Enum):
    """How far a call is; ALLOWED says what may follow."""

    QUEUED = "queued"
    ASKED = "asked"
    STREAMING = "streaming"
    DRAINING = "draining"
    ENDED = "ended"

    __hash__ = object.__hash__  # as ProcessState


_S = CallState
ALLOWED: Mapping[CallState, frozenset[CallState]] = {
    _S.QUEUED: frozenset({_S.ASKED, _S.ENDED}),
    _S.ASKED: frozenset({_S.ASKED, _S.STREAMING, _S.DRAINING, _S.ENDED}),  # asked again
    _S.STREAMING: frozenset({_S.DRAINING, _S.ENDED}),
    _S.DRAINING: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


class FastCgiCall:
    """One request on one process, whose PARAMS stream is ``params``, and its body ``spool``."""

    worker: WorkerProcess
    connection: FastCgiConnection
    reader: HeadReader
    state = CallState.QUEUED
    #: What passes a large body on.
    upload: asyncio.Task[None] | None = None
    #: The application's error that a child request answers for.
    answered_by_page = 0

    def __init__(
        self,
        pools: Pools,
        exchange: Exchange,
        decision: Decision,
        action: CallFastCgi,
        *,
        application: Pool,
        params: bytes,
        spool: Spool | None = None,
    ) -> None:
        self.pools = pools
        self.exchange = exchange
        self.decision = decision
        self.action = action
        self.application = application
        self.params = params
        self.spool = spool
        self.limit = action.handler.response_buffer_limit

    # -- without a task ----------------------------------------------------------------------------

    def done(self) -> bool:
        """Whether the place in the queue has been given up."""
        return self.state is not _S.QUEUED

    def set_result(self, worker: WorkerProcess) -> None:
        """Its turn has come."""
        self._begin(worker)
        self.connection.expect(min(self.limit, MAX_HEADER_BLOCK), self._arrived)

    def set_exception(self, failure: StartFailed) -> None:
        """There is no process."""
        self.exchange.when_lost = None
        self._to(_S.ENDED)
        self._go_on(self.pools.refuse(self.exchange, self.decision, self.action, failure))

    def cancel(self) -> None:
        """The queue has been given up, as the server ends."""
        self.exchange.when_lost = None
        self._to(_S.ENDED)
        self.exchange.protocol.close()

    def leave(self) -> None:
        """The client has gone while the call stood in the queue."""
        self._to(_S.ENDED)
        self.application.leave(self)
        self.exchange.when_lost = None
        self.pools.server.ended(self.exchange, self.decision, gone=True)

    def _arrived(self) -> None:
        """The response is whole, large, or broken. Where it needs no more than another head, the
        client gets it at once.
        """
        exchange = self.exchange
        parts = (
            cgi.split(self.connection.look())
            if self.connection.is_whole and exchange.is_simple
            else None
        )
        head = self._head(*parts) if parts is not None else None
        if parts is None or head is None:
            self._go_on(self.finish())
            return
        exchange.when_lost = None
        self._to(_S.ENDED)
        # before the client has its response: the next request need not wait for that
        self.application.release(self.worker)
        exchange.send_whole(head, parts[1])
        self.pools.server.ended(exchange, self.decision)

    def _head(self, block: bytes, body: bytes) -> response_heads.KnownHead | None:
        if len(body) > self.limit or len(block) > MAX_HEADER_BLOCK:
            return None
        assert self.decision.effective is not None
        try:
            return response_heads.find(
                self.decision.effective, block, len(body), self.exchange.keep_alive
            )
        except BadHeaders:
            return None

    def _go_on(self, acting: Coroutine[Any, Any, None]) -> None:
        self.pools.server.go_on(self.exchange, self.decision, acting)

    # -- with one ----------------------------------------------------------------------------------

    async def run(self, worker: WorkerProcess) -> None:
        """Send the request, and pass the answer on."""
        self._begin(worker)
        await self.finish()

    def _begin(self, worker: WorkerProcess) -> None:
        self._to(_S.ASKED)
        self.worker = worker
        self.connection = worker.connection
        request = self.decision.request
        assert request is not None
        worker.begin(request)
        if self.exchange.capture is not None:
            self.exchange.capture.taken(worker.pid)
        self.exchange.when_lost = self._client_lost
        self.connection.stderr_interrupts = (
            self.application.limits.stderr_mode == "TerminateProcess"
        )
        body = self.spool
        if body is None or body.waiting <= INLINE_BODY:
            data = b"" if body is None else body.read(INLINE_BODY)
            while body is not None and body.waiting:
                data += body.read(INLINE_BODY)
            self.connection.send(self.params, data)
        else:
            self.connection.send(self.params, None)
            self.upload = asyncio.ensure_future(self._upload(body))

    @property
    def is_uploaded(self) -> bool:
        """Whether the process has been sent all of the body."""
        return self.upload is None or self.upload.done() and not self.upload.cancelled()

    def _to(self, state: CallState) -> None:
        assert state in ALLOWED[self.state], f"{self.state} -> {state}"
        self.state = state

    async def finish(self) -> None:
        """Pass the answer on."""
        self.reader = HeadReader()
        try:
            try:
                response = await self._answer()
            except WroteStderr:
                response = await self._stderr()
        except (ClosedByClient, ClientGone):
            self._leave_to_drain()
            return
        except records.ProtocolError as error:
            await self._fail(fastcgi_failures.protocol_broken(error))
            return
        except (ConnectionClosed, BadHeaders, TimedOut, OSError) as error:
            if isinstance(error, ConnectionClosed) and await self._asked_again():
                await self.finish()
            else:
                await self._failed_by(error)
            return
        except BaseException:
            self.connection.abort()
            self._give_up()
            raise
        finally:
            self.exchange.when_lost = None
            uploaded = self.is_uploaded
            if self.upload is not None:
                self.upload.cancel()
        streamed = self.state is _S.STREAMING
        if self.worker.launch.watches and self.connection.stderr:
            self.pools.later(self._give_back_late(uploaded))
        else:
            # before the client has all of its response: the next request need not wait for that
            self._give_back(uploaded)
        if response is not None:
            await self.exchange.respond(response)
        elif streamed and not self.exchange.was_cut:
            await self.exchange.write(b"", more=False)
        elif self.answered_by_page:
            await self.pools.server.error_page(
                self.exchange, self.decision, self.answered_by_page, 0, False
            )

    def _give_back(self, uploaded: bool) -> None:
        """The process is free, unless it has said that it ends, as ours does after a failed
        initialisation, or has
        answered before it had all of the body."""
        self._to(_S.ENDED)
        ends = self.worker.launch.mark != "" and self.connection.status[0] != 0
        if self.connection.error is None and not ends and uploaded:
            self.application.release(self.worker)
        else:
            self.application.discard(self.worker)

    async def _asked_again(self) -> bool:
        """Ask once more, over a new connection, where the process has most likely closed the last
        one before it was asked,
        although it should keep it: nothing has come of it, and asking twice does no harm."""
        if (
            not self.worker.may_close
            or self.connection.requests_sent < 2
            or self.connection.has_received
        ):
            return False
        if (
            self.exchange.has_body
            or self.exchange.method not in SAFE_METHODS
            or not await self.worker.reconnect()
        ):
            return False
        self._begin(self.worker)
        return True

    async def _give_back_late(self, uploaded: bool) -> None:
        """wfastcgi.py ends after a failed initialisation, and says so only by ending."""
        await self.worker.wait_exit(SELF_END_SECONDS)
        self._give_back(uploaded)

    def _client_lost(self) -> None:
        self.connection.interrupt(ClosedByClient())

    # -- request -----------------------------------------------------------------------------------

    async def _upload(self, body: Spool) -> None:
        """STDIN as the process takes it; the response is followed meanwhile."""
        while part := body.read(PORTION):
            await self.connection.send_body(part)
        self.connection.end_body()

    # -- response ----------------------------------------------------------------------------------

    async def _answer(self) -> Response | None:
        """The response where it is all here; None where it has been sent already, or an error page
        answers instead.
        """
        connection = self.connection
        await connection.wait(min(self.limit, MAX_HEADER_BLOCK))
        body = self.reader.feed(connection.take())
        while not connection.ended and (self.reader.head is None or 0 < self.limit >= len(body)):
            await connection.wait(0 if self.reader.head is None else self.limit - len(body))
            body += self.reader.feed(connection.take())
        if (
            self._has_failed
            and connection.stderr_after - (connection.received - len(body)) <= self.limit
        ):
            return await self._stderr()
        if connection.ended and len(body) <= self.limit:
            self._check_protocol_status()
            return await self._complete(self.reader.finish(), body)
        return await self._stream(body)  # it has left the buffer: an error on STDERR comes too late

    def _check_protocol_status(self) -> None:
        status = self.connection.status[1]
        if status:
            raise records.ProtocolError(
                f"the application refused the request (protocol status {status})"
            )

    @property
    def _has_failed(self) -> bool:
        """Whether there is something on STDERR that counts."""
        return (
            bool(self.connection.stderr)
            and self.application.limits.stderr_mode != "IgnoreAndReturn200"
        )

    async def _complete(self, head: Head, body: bytes) -> Response | None:
        if head.status == 400:
            self.pools.likely(self.worker, self.decision, body[:SHORT_PAGE].decode("latin-1"))
        if head.status >= 400 and self._has_error_page(head.status, bool(body)):
            self.answered_by_page = head.status
            return None
        response = await long_searches.sent(
            self.decision, Response(head.status, head.reason, list(head.headers), body)
        )
        if not response.header("content-length") and head.status not in (204, 304):
            response.headers.append(("Content-Length", str(len(response.body))))
        return response

    def _has_error_page(self, status: int, has_entity: bool) -> bool:
        """Whether a child request answers for an error; it runs when the process is free again."""
        return (
            custom_error.execute_url(
                self.decision, status, 0, has_entity, self.decision.request.is_local
            )
            is not None
        )

    async def _stream(self, body: bytes) -> Response | None:
        head = self.reader.head
        assert head is not None
        headers = sending.handler_headers(self.decision, head.status, head.headers)
        sender = await long_searches.rewritten(
            partial(rewrite_outbound.sender, self.decision, head.status, headers)
        )
        if sender is not None and sender.wants_body:
            parts = [body]
            while not self.connection.ended:
                await self.connection.wait(0)
                parts.append(self.connection.take())
            return (
                await self._stderr()
                if self._has_failed
                else await self._complete(head, b"".join(parts))
            )
        if sender is not None:
            headers = await long_searches.rewritten(sender.headers)
            error = sender.error()
            if error is not None:
                self.connection.abort()
                return sending.failed(self.decision, error)
        self._to(_S.STREAMING)
        await self.exchange.start(head.status, head.reason, headers)
        if body:
            await self._pass_on(body)
        while not self.connection.ended or self.connection.buffered:
            await self.connection.wait(0)
            data = self.connection.take()
            if data:
                await self._pass_on(data)
            if self.exchange.gone:
                raise ClosedByClient
        if self._has_failed:
            return await self._stderr()
        self._check_protocol_status()
        return None

    async def _pass_on(self, data: bytes) -> None:
        """Give a part of the body to the client or its spool; wait where that is full, which the
        application's timeouts are not about.
        """
        self.exchange.pass_on(data)
        self.connection.waits_for_client += 1
        try:
            await self.exchange.room()
        finally:
            self.connection.waits_for_client -= 1

    async def _stderr(self) -> Response | None:
        """What stderrMode makes of a response that came with STDERR; one that has begun can only be
        cut short.
        """
        connection = self.connection
        mode = self.application.limits.stderr_mode
        if mode == "TerminateProcess":
            self.worker.kill()
            await self.worker.wait_exit(EXIT_PATIENCE)
        while mode != "TerminateProcess" and not connection.ended:
            await connection.wait(0)
            connection.take()
        text = secret_masking.text(fastcgi_failures.text_of(connection.stderr))
        self.pools.show(self.worker, self.decision, text)
        likely = self.pools.likely(self.worker, self.decision, text)
        folder = self.pools.site.application(self.decision.path).path
        self.exchange.remark = self.exchange.remark or failure_page.in_one_line(text, folder)
        if self.exchange.started:
            self.exchange.cut("the application wrote to STDERR")
            return None
        detailed = self.decision.effective.view(custom_error.error_pages).is_detailed(
            self.decision.request.is_local
        )
        if mode != "ReturnStdErrIn500" or not detailed:
            await self._respond(fastcgi_failures.wrote_stderr(mode, text))
            return None
        if not self._wants_page():
            return fastcgi_failures.stderr_as_text(self.decision, text)
        saves = self.pools.saves
        is_get = self.decision.request.method == "GET"
        reload = saves.now if saves is not None and is_get else None
        return await fastcgi_failures.stderr_as_page(
            self.decision, text, likely, folder, editor=self.pools.editor, reload=reload
        )

    def _wants_page(self) -> bool:
        """Whether a page says more to this client than IIS's text."""
        accept = self.decision.request.fields.get("accept", "")
        return not self.pools.site.settings.strict and failure_page.accepts_html(accept)

    async def _respond(self, action: Respond) -> None:
        await self.pools.fail(self.exchange, self.decision, action)

    # -- failures ----------------------------------------------------------------------------------

    async def _failed_by(self, error: Exception) -> None:
        if isinstance(error, TimedOut):
            await self._fail(fastcgi_failures.timed_out(error))
        elif isinstance(error, BadHeaders):
            await self._fail(fastcgi_failures.bad_headers(error))
        else:  # the connection broke: the process has ended, or is made to
            code = await self.worker.wait_exit(EXIT_PATIENCE)
            processor = self.action.handler.script_processor
            await self._fail(fastcgi_failures.exited(processor, code, self.worker.launch.watches))

    async def _fail(self, failure: CallFailure) -> None:
        self._to(_S.ENDED)
        self.worker.kill()
        await self.worker.wait_exit(EXIT_PATIENCE)
        self.application.failed(self.worker)
        stderr = fastcgi_failures.text_of(self.connection.stderr)
        self.pools.show(self.worker, self.decision, stderr)
        if self.exchange.started:
            self.exchange.cut(failure.message)
            return
        printed = "\n".join(filter(None, (self.worker.last_output(), stderr)))
        likely = self.pools.likely(self.worker, self.decision, printed)
        with contextlib.suppress(ClientGone):
            await self._respond(failure.as_error(likely, printed))

    def _leave_to_drain(self) -> None:
        """The client has gone. A response in progress may end within a time; an upload cut short
        ends the process.
        """
        if not self.is_uploaded:
            self._give_up()
            return
        self._to(_S.DRAINING)
        self.pools.later(self._drain())

    async def _drain(self) -> None:
        try:
            self.connection.resume_after_interrupt()
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.connection.ended:
                    await self.connection.wait(0)
                    self.connection.take()
            self._give_back(True)
        except (TimeoutError, ConnectionClosed, TimedOut, WroteStderr, records.ProtocolError):
            self._give_up()
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        if self.state is _S.ENDED:
            return
        self._to(_S.ENDED)
        self.worker.kill()
        self.application.discard(self.worker)
