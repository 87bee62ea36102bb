"""A request asked once more, over a connection of its own: it takes the way of every other one."""

from __future__ import annotations

import asyncio
import http.client
import re
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from ..server.request_capture import CAPTURED
from . import views
from .explaining import BadQuestion
from .recent_requests import Seen

#: Seconds that an answer may take.
PATIENCE = 120.0
#: Bytes of an answer that are read; the site's server keeps its beginning.
MAX_ANSWER = 1 << 24
#: Seconds for the request to appear in the list after its answer.
SHOWN_SECONDS = 2.0
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}")
#: What belongs to a connection and not to a request.
_LEFT_OUT = frozenset({"connection", "content-length", "transfer-encoding", "expect", "upgrade"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """A request to be sent; ``origin`` is the number of the one that it repeats, 0 = none."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    origin: int


def question(given: Mapping[str, Any], seen: Seen | None) -> ReplayRequest:
    """What is to be sent: ``seen`` with what ``given`` changes. Raises BadQuestion."""
    method = given.get("method", seen.entry.method if seen else "GET")
    url = given.get("url")
    if url is None or seen is not None and url == views.summary(seen)["url"]:
        url = seen.target if seen is not None else "/"
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise BadQuestion("method is a word such as GET.")
    if not isinstance(url, str) or not url.startswith("/"):
        raise BadQuestion("url is a path of this site, for example /blog/1?page=2.")
    target = quote(url, safe="".join(map(chr, range(33, 127))), errors="replace")
    return ReplayRequest(
        method=method,
        target=target,
        headers=_headers(given.get("headers"), seen),
        body=_body(given.get("body"), seen),
        origin=seen.number if seen is not None else 0,
    )


def _headers(given: object, seen: Seen | None) -> tuple[tuple[str, str], ...]:
    """The headers to send. A masked value of the first request stands for what it masks."""
    known = views.request_headers(seen) if seen is not None else []
    if given is None:
        pairs = known
    elif isinstance(given, list) and all(_is_pair(pair) for pair in given):
        hidden = {
            (name, shown): value
            for (name, value), (_, shown) in zip(known, views.masked(known), strict=True)
        }
        pairs = [
            (name, hidden.get((name, value), value))
            for name, value in cast(list[tuple[str, str]], given)
        ]
    else:
        raise BadQuestion('headers is a list such as [["Accept", "text/html"]].')
    for name, value in pairs:
        if not _METHOD.fullmatch(name) or re.search(r"[\r\n\0]", value):
            raise BadQuestion(f"The header {name!r} cannot be sent.")
    return tuple(pair for pair in pairs if pair[0].lower() not in _LEFT_OUT)


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)
    )


def _body(given: object, seen: Seen | None) -> bytes:
    if isinstance(given, str):
        return given.encode()
    if given is not None:
        raise BadQuestion("body is a text.")
    capture = seen.capture if seen is not None else None
    if capture is None:
        return b""
    if capture.request_bytes > CAPTURED:
        raise BadQuestion(f"Only the first {CAPTURED} bytes of the body are kept: give a body.")
    return bytes(capture.request_body)


class Replayer:
    """Sends questions to the site at ``port``; the address that a client has says which of the
    requests that end are its own.
    """

    def __init__(self, host: str, is_tls: bool) -> None:
        any_of = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        self._host = any_of.get(host, host)
        self._tls = is_tls
        self.port = 0
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="replay")
        #: The client's port -> the number of the request that is repeated, and who waits.
        self._waiting: dict[int, tuple[int, asyncio.Future[int]]] = {}

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def origin_of(self, client_port: int) -> int:
        """The request that a client of ours repeats, 0 where it is not one."""
        waiting = self._waiting.get(client_port)
        return waiting[0] if waiting is not None else 0

    def ended(self, client_port: int, number: int) -> None:
        """A request has ended and has a number."""
        waiting = self._waiting.get(client_port)
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(number)

    async def send(self, asked: ReplayRequest) -> dict[str, object]:
        """Send a request. Returns the status (None = no answer) and its number in the list."""
        loop = asyncio.get_running_loop()
        shown: asyncio.Future[int] = loop.create_future()
        connection = self._connection()
        try:
            await loop.run_in_executor(self._threads, connection.connect)
            port = connection.sock.getsockname()[1]
            self._waiting[port] = (asked.origin, shown)
            try:
                status = await loop.run_in_executor(self._threads, _exchange, connection, asked)
                number = await asyncio.wait_for(shown, SHOWN_SECONDS)
            except TimeoutError:
                number = 0
            finally:
                self._waiting.pop(port, None)
        except OSError as error:
            raise BadQuestion(f"The site cannot be reached: {error}.") from error
        finally:
            connection.close()
        return {"status": status, "number": number or None}

    def _connection(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self.port, timeout=PATIENCE)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is this process
        return http.client.HTTPSConnection(self._host, self.port, timeout=PATIENCE, context=context)


def _exchange(connection: http.client.HTTPConnection, asked: ReplayRequest) -> int | None:
    """Send a request and read its answer; in a thread."""
    has_host = any(name.lower() == "host" for name, _ in asked.headers)
    connection.putrequest(asked.method, asked.target, skip_host=has_host, skip_accept_encoding=True)
    for name, value in asked.headers:
        connection.putheader(name, value.encode("latin-1", "replace"))
    if asked.body or asked.method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(asked.body)))
    try:
        connection.endheaders(asked.body or None)
        response = connection.getresponse()
        left = MAX_ANSWER
        while left > 0 and (part := response.read(min(left, 1 << 16))):
            left -= len(part)
    except (http.client.HTTPException, ConnectionError):
        return None  # AbortRequest answers nothing
    return response.status
