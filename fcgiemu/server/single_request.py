"""One request through the whole chain: ``explain --run``, and tests that hold explain against it.

A server of its own, on a port that nobody else knows, which ends with the answer. Programs that it
has started end with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..http.request import make_request
from ..http.response import Header
from ..programs.fastcgi_launch import PoolOptions
from ..site import Site
from .app import Server
from .fastcgi_pools import FastCgiPools
from .log_entry import LogEntry
from .process_output import Output
from .protocol import ClientConnection

#: Bytes of a response's body that are kept.
MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAnswer:
    """What a client got; ``status`` is 0 where the connection was reset. ``remark`` is what the
    server's log says of it, which a client does not see.
    """

    status: int
    substatus: int
    reason: str
    headers: list[Header]
    body: bytes
    remark: str = ""


def ask(
    site: Site,
    url: str,
    method: str = "GET",
    headers: Iterable[Header] = (),
    *,
    https: bool = False,
    client: str = "127.0.0.1",
    output: Output = lambda *_: None,
) -> ClientAnswer:
    """Ask a site over a real connection. ``client`` is the loopback address to ask from; ``output``
    gets what programs print. Raises UrlRefused for a URL that cannot be sent.
    """
    request = make_request(url, method, headers, https=https)
    lines = [f"{method} {request.target.raw} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if method in ("POST", "PUT", "PATCH") and "content-length" not in request.fields:
        lines.append("Content-Length: 0")
    data = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return asyncio.run(
        _ask(site, request.scheme, data, is_head=method == "HEAD", client=client, output=output)
    )


async def _ask(
    site: Site, scheme: str, data: bytes, *, is_head: bool, client: str, output: Output
) -> ClientAnswer:
    log: list[LogEntry] = []
    loop = asyncio.get_running_loop()
    pools = FastCgiPools(site, PoolOptions(), _lines(output))
    server = Server(site, pools, log.append, output)
    listening = await loop.create_server(
        lambda: ClientConnection(server, scheme, loop), "127.0.0.1", 0
    )
    server.start()
    try:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(client, 0))
        writer.write(data)
        try:
            status, reason, headers = await _head(reader)
            body = b"" if is_head or status in (204, 304) else await _body(reader, headers)
        except (ConnectionResetError, asyncio.IncompleteReadError):
            status, reason, headers, body = 0, "", [], b""
        writer.close()
    finally:
        listening.close()
        await server.close()
    return ClientAnswer(
        status=status,
        substatus=log[0].substatus if log else 0,
        reason=reason,
        headers=headers,
        body=body,
        remark=log[0].remark if log else "",
    )


def _lines(output: Output) -> Callable[..., None]:
    return lambda worker, label, text: output(worker.pid, label, text)


async def _head(reader: asyncio.StreamReader) -> tuple[int, str, list[Header]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    _, status, reason = (*lines[0].split(" ", 2), "")[:3]
    headers = [
        (name, value) for name, _, value in (line.partition(": ") for line in lines[1:] if line)
    ]
    return int(status), reason, headers


async def _body(reader: asyncio.StreamReader, headers: list[Header]) -> bytes:
    fields = {name.lower(): value for name, value in headers}
    if "content-length" in fields:
        return await reader.readexactly(min(int(fields["content-length"]), MAX_BODY))
    if fields.get("transfer-encoding") != "chunked":
        return await reader.read(MAX_BODY)
    body = b""
    while len(body) < MAX_BODY and (size := int(await reader.readline(), 16)):
        body += await reader.readexactly(size)
        await reader.readline()
    return body
