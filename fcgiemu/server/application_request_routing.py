"""Application Request Routing: a request forwarded to another host, streamed both ways, with the
headers ARR adds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from ..decision import CallWebServer, Decision, Proxy, Respond
from ..http.response import Header, Response, reason_phrase
from ..http.url import encode_path
from ..modules import application_request_routing, custom_error, rewrite_outbound, sending
from ..rewrite.compiler import inbound
from . import long_searches
from .exchange import PORTION, Exchange
from .forwarded_request import HOP_BY_HOP, encode_query, named, request_headers
from .server_interface import ServerInterface
from .spool import Spool
from .web_farm import WebFarms

if TYPE_CHECKING:
    import httpx

#: Requests that may be in progress at one upstream; others wait.  # our own: IIS has no such limit
UPSTREAM_REQUESTS = 512
#: Connections to one upstream that are kept for the next request.  # our own
KEPT_CONNECTIONS = 20
#: Bytes that are collected at most, whatever minResponseBuffer says.  # our own
MAX_BUFFER = 1 << 24
#: Bytes that the headers of a process's answer may have (seen in code).
MAX_RESPONSE_HEAD = 1 << 16
#: WinHTTP's codes: nobody listens, the connection broke, nothing came in time, the name is not
#: known, TLS failed, the answer is not HTTP, its headers are too long (the last two are inferred).
E_CANNOT_CONNECT = 0x80072EFD
E_CONNECTION_ERROR = 0x80072EFE
E_WINHTTP_TIMEOUT = 0x80072EE2
E_NAME_NOT_RESOLVED = 0x80072EE7
E_SECURE_FAILURE = 0x80072F8F
E_INVALID_RESPONSE = 0x80072F78
E_HEADERS_TOO_LONG = 0x80072F96


class Backend(NamedTuple):
    """Who is asked, in the words of an error page, and the attribute that limits its time."""

    name: str
    attribute: str
    #: Bytes of its answer that are collected before the first ones leave.
    buffer: int = 0
    #: Bytes that the headers of its answer may have.
    max_head: int = MAX_RESPONSE_HEAD

    def too_late(self, decision: Decision, seconds: float) -> tuple[str, str]:
        """What to say where nothing came in time: what was waited for, and what to change."""
        request = decision.request
        return (
            f"{self.name} did not answer {request.method} {request.target.raw} within"
            f" {seconds:g} seconds ({self.attribute}): no part of the answer has come.",
            f"Let the answer begin earlier, or raise {self.attribute}.",
        )


def backend_of(action: Proxy) -> Backend:
    """Who is asked for an action."""
    if not action.farm:
        name = f"The server that the request is forwarded to, {urlsplit(action.url).netloc},"
        return Backend(name, "timeout of <proxy>")
    name = f"The server {action.server} of the web farm '{action.farm}'"
    return Backend(name, "timeout of the farm's <protocol>")


class Upstream:
    """One server that requests are forwarded to: its HTTP client, and who may use it now. No
    upstream's slowness is another one's.
    """

    def __init__(self) -> None:
        import httpx

        #: No redirects of its own, no proxies of the environment, no decoding of bodies.
        self.client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=KEPT_CONNECTIONS, max_connections=None),
        )
        self.free = asyncio.Semaphore(UPSTREAM_REQUESTS)
        self.waiting = 0


class Forwarder:
    """The upstreams of a site, each made when the first request is forwarded to it. ``say`` prints
    a line.
    """

    #: The server and its farms, which it sets here.
    server: ServerInterface
    farms: WebFarms
    #: What other servers are told of connections over TLS.
    tls = ""

    def __init__(
        self,
        say: Callable[[str], None] = lambda text: None,
        server_map: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._upstreams: dict[str, Upstream] = {}
        self._server_map = {server.lower(): local for server, local in server_map}
        self._say = say
        self._said_extensions = self._said_buffer = False

    def connect(self, url: str) -> str:
        """The URL by which another server is found from this machine: --map-server."""
        if not self._server_map:
            return url
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        name = authority.lower()
        local = self._server_map.get(name) or self._server_map.get(name.rpartition(":")[0])
        return f"{scheme}://{local or authority}{slash}{path}"

    async def close(self) -> None:
        for upstream in self._upstreams.values():
            await upstream.client.aclose()

    @contextlib.asynccontextmanager
    async def _upstream(self, url: str) -> AsyncIterator[httpx.AsyncClient]:
        """The client for a URL's host, when there is a place at that."""
        scheme, _, rest = url.partition("://")
        name = f"{scheme}://{rest.partition('/')[0]}"
        upstream = self._upstreams.get(name)
        if upstream is None:
            upstream = self._upstreams[name] = Upstream()
        if upstream.free.locked():
            if not upstream.waiting:
                self._say(
                    f"requests wait for {name}: {UPSTREAM_REQUESTS} are in progress there already"
                )
            upstream.waiting += 1
            try:
                await upstream.free.acquire()
            finally:
                upstream.waiting -= 1
        else:
            await upstream.free.acquire()
        try:
            yield upstream.client
        finally:
            upstream.free.release()

    async def forward(self, exchange: Exchange, decision: Decision, action: Proxy) -> None:
        """Send the request to ``action.url``, or to a server of its farm, and the answer to the
        client; 502.3 where there is none.
        """
        routed = await self.routed(exchange, decision, action)
        if routed is None:
            return
        decision = replace(decision, action=routed)
        settings = application_request_routing.forwarding(decision.effective, routed)
        try:
            await self.send(
                exchange,
                decision,
                self.connect(target(decision, address(routed))),
                request_headers(decision, routed, self.tls),
                timeout=settings.timeout,
                backend=backend_of(routed)._replace(
                    buffer=settings.buffer, max_head=settings.max_head
                ),
            )
        finally:
            self.answered(decision, routed, exchange)

    async def routed(self, exchange: Exchange, decision: Decision, action: Proxy) -> Proxy | None:
        """The action as it is carried out, which the exchange keeps: with its GUID, and with the
        server of its farm. None where there is none: that has been answered.
        """
        if action.farm:
            found = self.farms.route(decision, action)
            if isinstance(found, Respond):
                await self.server.fail(exchange, decision, found)
                return None
            action = found
        exchange.routed = replace(action, log_id=str(uuid.uuid4()))
        return exchange.routed

    def without_extensions(self, headers: list[Header]) -> list[Header]:
        """The headers without a client's offer of WebSocket extensions, which is said once."""
        kept = [pair for pair in headers if pair[0].lower() != "sec-websocket-extensions"]
        if len(kept) < len(headers) and not self._said_extensions:
            self._said_extensions = True
            self._say(
                "ARR knows no WebSocket extensions: the client's offer is left out here; on the"
                " server a rule has to set HTTP_SEC_WEBSOCKET_EXTENSIONS to nothing"
            )
        return kept

    def answered(self, decision: Decision, action: Proxy, exchange: Exchange) -> None:
        """A forwarded request has ended: its farm counts failures."""
        if action.farm and not exchange.gone:
            self.farms.answered(decision, action, exchange.status)

    async def post(self, url: str, headers: Mapping[str, str]) -> int:
        """Send a request of our own without a body; the status of its answer, 0 where there is
        none.
        """
        import httpx

        async with self._upstream(url) as client:
            try:
                return (await client.post(url, headers=dict(headers), timeout=None)).status_code
            except httpx.HTTPError:
                return 0

    async def send(
        self,
        exchange: Exchange,
        decision: Decision,
        url: str,
        headers: list[Header],
        *,
        timeout: float,
        backend: Backend,
    ) -> None:
        """Send the request to a server or to a process of the site, which gets ``timeout`` seconds
        to answer; 0 = any number.  # inferred: as WinHTTP takes it
        """
        import httpx

        body = await exchange.whole_body() if exchange.has_body else None
        if exchange.has_body:
            headers = [pair for pair in headers if pair[0].lower() != "content-length"]
            headers.append(("Content-Length", str(body.received if body is not None else 0)))
        async with self._upstream(url) as client:
            try:
                answer = await client.send(
                    _request(client, decision, url, headers, timeout=timeout, body=body),
                    stream=True,
                )
            except httpx.TimeoutException:
                message, hint = backend.too_late(decision, timeout)
                await self.fail(exchange, decision, message, E_WINHTTP_TIMEOUT, hint)
                return
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                message = f"{backend.name} does not answer: {error}"
                await self.fail(exchange, decision, message, code_of(error))
                return
            try:
                if _head_length(answer) > backend.max_head:
                    message = f"{backend.name} answers with more than {_size(backend)} of headers"
                    await self.fail(exchange, decision, message, E_HEADERS_TOO_LONG)
                else:
                    await self._answer(exchange, decision, answer, backend.buffer)
            except httpx.HTTPError as error:  # cut short in the middle
                if exchange.started:
                    exchange.cut(f"the answer of {url} broke off")
                else:
                    message = f"{backend.name} does not answer: {error}"
                    await self.fail(exchange, decision, message, E_CONNECTION_ERROR)
            finally:
                await answer.aclose()
        if exchange.started and not exchange.was_cut:
            await exchange.sent()

    async def _answer(
        self,
        exchange: Exchange,
        decision: Decision,
        answer: httpx.Response,
        buffer: int,
    ) -> None:
        headers = response_headers(decision, answer)
        reason = answer.reason_phrase or reason_phrase(answer.status_code)
        if await self._replaced(exchange, decision, Response(answer.status_code, reason, headers)):
            return
        decorated = sending.handler_headers(decision, answer.status_code, headers)
        sender = await long_searches.rewritten(
            lambda: rewrite_outbound.sender(decision, answer.status_code, decorated)
        )
        parts = answer.aiter_raw()
        if sender is not None and sender.wants_body:
            body = b"".join([part async for part in parts])
            response = Response(answer.status_code, reason, headers, body)
            await exchange.respond(await long_searches.sent(decision, response))
            return
        if buffer and isinstance(decision.action, Proxy):
            self._say_buffer(decision.action.url, headers, buffer)
        begun = bytearray()
        async for part in parts:
            begun += part
            if len(begun) > min(buffer, MAX_BUFFER):
                break
        if sender is not None:
            decorated = await long_searches.rewritten(sender.headers)
        await exchange.start(answer.status_code, reason, decorated)
        await exchange.pass_on_all(begun, parts)

    def _say_buffer(self, url: str, headers: list[Header], buffer: int) -> None:
        """Say once that a stream of events waits for the buffer of ARR."""
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if not self._said_buffer and kind.lower().startswith("text/event-stream"):
            self._said_buffer = True
            self._say(
                f"{url} answers with events, of which ARR passes none on before {buffer // 1024} KB"
                ' are there: write <proxy enabled="true" minResponseBuffer="0"> in the host'
                " configuration"
            )

    async def _replaced(self, exchange: Exchange, decision: Decision, response: Response) -> bool:
        """Whether an error of a process of the site got the page of <httpErrors>, which takes its
        body's place unread.
        """
        if response.status < 400 or not isinstance(decision.action, CallWebServer):
            return False
        begun = replace(response, body=b"" if response.header("content-length") == "0" else b"-")
        if not custom_error.answers(decision, begun, decision.request.is_local):
            return False
        if not await self.server.error_page(
            exchange, decision, response.status, 0, bool(begun.body)
        ):
            await exchange.respond(await long_searches.sent(decision, response))
        return True

    async def fail(
        self,
        exchange: Exchange,
        decision: Decision,
        message: str,
        hresult: int,
        hint: str = "",
        *,
        substatus: int = 3,
    ) -> None:
        """Answer 502.3: who was asked does not answer, or not with HTTP; 502.5 where it does not
        upgrade.
        """
        action = Respond(
            502,
            substatus,
            message,
            hresult,
            notification="ExecuteRequestHandler",
            hints=(hint,) if hint else (),
        )
        await self.server.fail(exchange, decision, action)


def address(action: Proxy) -> str:
    """The URL of the server that is asked."""
    if not action.farm:
        return action.url
    scheme, _, rest = action.url.partition("://")
    end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    return f"{scheme}://{action.server}{rest[end:]}"


def code_of(error: BaseException) -> int:
    """WinHTTP's code for why a server has not answered."""
    import httpx

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return E_NAME_NOT_RESOLVED
        if isinstance(cause, ssl.SSLError):
            return E_SECURE_FAILURE
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return E_INVALID_RESPONSE
    if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.ProtocolError)):
        return E_CONNECTION_ERROR
    return E_CANNOT_CONNECT


def _request(
    client: httpx.AsyncClient,
    decision: Decision,
    url: str,
    headers: list[Header],
    *,
    timeout: float,
    body: Spool | None,
) -> httpx.Request:
    """The request as it goes out: its target is exactly that of ``url``, which a library would
    change here and there.
    """
    _, _, rest = url.partition("://")
    path = "/" + rest.partition("/")[2]
    request = client.build_request(
        decision.request.method,
        url,
        timeout=timeout or None,
        headers=[(name.encode(), value.encode("latin-1", "replace")) for name, value in headers],
        content=_parts(body) if body is not None else None,
        extensions={"target": path.encode("ascii")},
    )
    given = {name.lower() for name, _ in headers}
    for name in ("accept", "accept-encoding", "user-agent", "connection"):
        if name not in given:
            request.headers.pop(name, None)
    return request


def _head_length(answer: httpx.Response) -> int:
    """The bytes of the headers of an answer, as lines."""
    return sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)


def _size(backend: Backend) -> str:
    limit = backend.max_head
    return f"{limit} bytes" if limit % 1024 else f"{limit // 1024} KiB"


async def _parts(body: Spool) -> AsyncIterator[bytes]:
    while part := body.read(PORTION):
        yield part


def target(decision: Decision, url: str) -> str:
    """The URL to ask. The substituted text is encoded again unless useOriginalURLEncoding is
    false, an attribute of URL Rewrite 2.1.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, rest = rest.partition("/")
    path, mark, query = rest.partition("?")
    if decision.effective.view(inbound).use_original_url_encoding:
        encoded = encode_path(path)
    else:
        encoded = quote(path, safe="/%:@&=+$,;!~*'()|[]-_.", errors="replace")
    return f"{scheme}://{authority}/{encoded}{mark}{encode_query(query)}"


def response_headers(decision: Decision, answer: httpx.Response) -> list[Header]:
    """The answer's end-to-end headers, as ARR passes them on."""
    dropped = HOP_BY_HOP | named(answer.headers.get("connection", ""))
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in answer.headers.raw
        if name.decode("latin-1").lower() not in dropped
    ]
    if not isinstance(decision.action, Proxy):
        return headers
    return application_request_routing.front_headers(decision, headers)
