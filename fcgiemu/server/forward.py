"""Application Request Routing: a request forwarded to another host, streamed both ways, with the
headers ARR adds.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ..decision import Decision, Proxy, Respond
from ..http.response import Header, Response, reason_phrase
from ..http.url import encode_path
from ..modules import application_request_routing, outbound, sending
from ..rewrite.compiler import inbound
from ..rewrite.state import original_url
from .exchange import ClientGone, Exchange

if TYPE_CHECKING:
    import httpx

#: Headers that concern one connection (RFC 9110, 7.6.1).
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
    }
)
#: ARR's proxy timeout by default, in seconds.
TIMEOUT = 120.0


class Forwarder:
    """Holds one HTTP client, made when the first request is forwarded."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def client(self) -> httpx.AsyncClient:
        """The client: no redirects of its own, no proxies of the environment, no decoding of
        bodies.
        """
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False)
        return self._client

    async def forward(self, exchange: Exchange, decision: Decision, action: Proxy) -> None:
        """Send the request to ``action.url`` and its answer to the client; 502.3 where there is
        none.
        """
        await self._send(
            exchange, decision, target(decision, action.url), request_headers(decision, action.url)
        )

    async def forward_local(
        self, exchange: Exchange, decision: Decision, url: str, timeout: float
    ) -> None:
        """Send the request to a process of the site, which gets the client's own Host and
        ``timeout`` seconds to answer.
        """
        headers = [
            pair for pair in _client_headers(decision) if pair[0].lower() != "x-forwarded-for"
        ]
        headers += [("Host", decision.request.authority), _forwarded_for(decision)]
        await self._send(exchange, decision, url, headers, timeout)

    async def _send(
        self,
        exchange: Exchange,
        decision: Decision,
        url: str,
        headers: list[Header],
        timeout: float = TIMEOUT,
    ) -> None:
        import httpx

        client = self.client()
        request = client.build_request(
            decision.request.method,
            url,
            timeout=timeout,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
            content=_body(exchange) if exchange.has_body else None,
        )
        for name in ("accept", "accept-encoding", "user-agent", "connection"):
            if name not in decision.request.fields:
                request.headers.pop(name, None)
        try:
            answer = await client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            await self._fail(exchange, decision, error)
            return
        try:
            await self._answer(exchange, decision, url, answer)
        except httpx.HTTPError as error:  # cut short in the middle
            if exchange.started:
                exchange.cut(f"the answer of {url} broke off")
            else:
                await self._fail(exchange, decision, error)
        finally:
            await answer.aclose()

    async def _answer(
        self, exchange: Exchange, decision: Decision, url: str, answer: httpx.Response
    ) -> None:
        headers = response_headers(decision, answer)
        reason = answer.reason_phrase or reason_phrase(answer.status_code)
        decorated = sending.decorate(headers, decision.effective)
        sender = outbound.sender(decision, answer.status_code, decorated)
        if sender is not None and sender.wants_body:
            body = b"".join([part async for part in answer.aiter_raw()])
            await exchange.respond(
                sending.send(decision, Response(answer.status_code, reason, headers, body))
            )
            return
        await exchange.start(
            answer.status_code, reason, sender.headers() if sender is not None else decorated
        )
        async for part in answer.aiter_raw():
            if exchange.gone:
                raise ClientGone
            await exchange.write(part)
        await exchange.write(b"", more=False)

    async def _fail(self, exchange: Exchange, decision: Decision, error: Exception) -> None:
        action = Respond(
            502,
            3,
            f"The server that the request is forwarded to does not answer: {error}",
            0x80072EFD,
            notification="ExecuteRequestHandler",
        )
        await exchange.respond(
            sending.own_response(replace(decision, action=action), decision.request.is_local), 3
        )


async def _body(exchange: Exchange) -> AsyncIterator[bytes]:
    async for part in exchange.received():
        yield part


def target(decision: Decision, url: str) -> str:
    """The URL to ask. The substituted text is encoded again unless useOriginalURLEncoding is false
    (2.1).
    """
    scheme, _, rest = url.partition("://")
    authority, slash, rest = rest.partition("/")
    path, mark, query = rest.partition("?")
    if decision.effective.view(inbound).use_original_url_encoding:
        encoded = encode_path(path)
    else:
        encoded = quote(path, safe="/%:@&=+$,;!~*'()|[]-_.")
    return f"{scheme}://{authority}/{encoded}{mark}{quote(query, safe='%/?:@&=+$,;!~*()|[]-_.')}"


def request_headers(decision: Decision, url: str) -> list[Header]:
    """The client's headers with the ones rules set, the target's Host, and what ARR adds."""
    request, rewrite = decision.request, decision.rewrite
    replaced = ("x-forwarded-for", "max-forwards", "x-original-url")
    headers = [pair for pair in _client_headers(decision) if pair[0].lower() not in replaced]
    host = rewrite.assigned.get("HTTP_HOST") or urlsplit(url).netloc
    return [
        *headers,
        ("Host", host),
        ("Max-Forwards", "10"),
        ("X-Original-URL", original_url(request)),
        _forwarded_for(decision),
        ("X-ARR-LOG-ID", str(uuid.uuid4())),
    ]


def _client_headers(decision: Decision) -> list[Header]:
    """The client's end-to-end headers with the values that rules set."""
    request, rewrite = decision.request, decision.rewrite
    assigned = {
        name[5:].replace("_", "-").lower(): value
        for name, value in rewrite.assigned.items()
        if name.startswith("HTTP_")
    }
    headers = [
        (name, value)
        for name, value in request.headers
        if name.lower() not in _HOP_BY_HOP | {"host", "proxy"} and name.lower() not in assigned
    ]
    headers += [(name, value) for name, value in assigned.items() if value and name != "host"]
    return headers


def _forwarded_for(decision: Decision) -> Header:
    request = decision.request
    client = f"{request.remote_addr}:{request.remote_port}"
    present = request.fields.get("x-forwarded-for")
    return "X-Forwarded-For", f"{present}, {client}" if present else client


def response_headers(decision: Decision, answer: httpx.Response) -> list[Header]:
    """The answer's end-to-end headers, as ARR passes them on."""
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in answer.headers.raw
        if name.decode("latin-1").lower() not in _HOP_BY_HOP
    ]
    if not isinstance(decision.action, Proxy):
        return headers
    return application_request_routing.front_headers(decision, headers)
