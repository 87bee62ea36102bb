"""``explain`` and ``serve`` say the same: every golden case and the URLs of the samples are asked
both, and status, substatus, headers and body are compared.

The server runs in this process, over real sockets; its client comes from 127.0.0.2, so that it gets
what remote clients get. What a program answers is not known to ``explain`` and not compared.
DIFFERENCES are those that have a reason.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from fcgiemu.programs.launching import PoolOptions
from fcgiemu.server.app import LogEntry, Server
from fcgiemu.server.fastcgi import FastCgi
from fcgiemu.server.protocol import Connection
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..cases import golden
from ..sites import write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is Linux's only")

SAMPLES = Path(__file__).parents[2] / "samples"
#: Outcomes that another program answers.
PROGRAMS = {"fastcgi", "httpPlatform", "proxy"}
#: Headers that HTTP.sys adds, or that tell the moment.
_OWN = {"date", "connection", "transfer-encoding"}
#: Cases that differ, and why.
DIFFERENCES: dict[str, str] = {}

Answer = tuple[int, dict[str, str], bytes]


def cases() -> Iterator[tuple[str, golden.Case]]:
    for path in sorted(golden.FOLDER.glob("rewrite/*.txt")):
        for case in golden.read(path):
            if not case.skip and case.response is None and not case.variables:
                yield f"{path.stem}:{case.name}", case


def request(case: golden.Case) -> tuple[str, bytes]:
    """Scheme and bytes of a case's request."""
    url = urlsplit(case.url)
    target = case.url
    host = "localhost"
    if url.scheme:
        host = url.netloc
        target = case.url.partition("://")[2][len(url.netloc) :] or "/"
    headers = {"Host": host, **case.headers}
    if case.method in ("POST", "PUT", "PATCH"):
        headers.setdefault("Content-Length", "0")
    target = quote(target, safe="".join(map(chr, range(128))), errors="replace")
    lines = [f"{case.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return url.scheme or "http", ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def ask(site: Site, scheme: str, data: bytes) -> tuple[Answer | None, list[LogEntry]]:
    """What the server sends to a client elsewhere, None for a reset connection; and its log."""
    log: list[LogEntry] = []
    loop = asyncio.get_running_loop()
    pools = FastCgi(site, PoolOptions(), lambda *_: None)
    server = Server(site, pools, log.append)
    listening = await loop.create_server(lambda: Connection(server, scheme, loop), "127.0.0.1", 0)
    server.start()
    try:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.2", 0)
        )
        writer.write(data)
        try:
            answer = await _answer(reader, data.startswith(b"HEAD "))
        except (ConnectionResetError, asyncio.IncompleteReadError):
            answer = None
        writer.close()
    finally:
        listening.close()
        await server.close()
    return answer, log


async def _answer(reader: asyncio.StreamReader, is_head: bool) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers: dict[str, str] = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(": ")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length = int(headers.get("Content-Length", 0))
    body = await reader.readexactly(length) if length and not is_head and status != 304 else b""
    return status, headers, body


def compare(site: Site, explained: dict[str, Any], scheme: str, data: bytes) -> str:
    """What differs; "" where nothing does."""
    outcome = explained["outcome"]
    if outcome["kind"] in PROGRAMS or outcome.get("error_page", {}).get("status", 1) is None:
        return ""
    answer, log = asyncio.run(ask(site, scheme, data))
    if answer is None or outcome["kind"] == "abort":
        return "" if answer is None and outcome["kind"] == "abort" else f"{answer} {outcome}"
    status, headers, body = answer
    response = explained.get("response")
    wanted = response["status"] if response else outcome["status"]
    if status != wanted:
        return f"serve {status}, explain {wanted}"
    logged = log[0].substatus if log else 0
    if "error_page" not in outcome and logged != outcome["substatus"]:
        return f"serve .{logged}, explain .{outcome['substatus']}"
    if response is None:
        return ""
    sent = {name: value for name, value in headers.items() if name.lower() not in _OWN}
    said = {name: value for name, value in response["headers"].items() if name.lower() not in _OWN}
    if sent != said:
        return f"serve {sent}, explain {said}"
    if list(sent) != list(said):
        return f"serve sends {list(sent)}, explain says {list(said)}"
    text = body.decode("utf-8", "replace")
    return "" if text == response["body"] else f"serve {text!r}, explain {response['body']!r}"


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_golden_cases(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    folder = tmp_path / "site"
    folder.mkdir()
    write(folder, case.files)
    host = tmp_path / "applicationHost.config" if case.host else None
    if host is not None:
        host.write_text(case.host, "utf-8")
    providers = {
        provider: (lambda argument, table=table: table.get(argument, ""))
        for provider, table in case.providers.items()
    }
    site = Site(folder, Settings(strict=True, host_config=host, providers=providers))
    scheme, data = request(case)
    explained: Any = site.explain(
        case.url, case.method, case.headers, remote_addr="127.0.0.2", events=False
    )
    difference = compare(site, explained, scheme, data)
    if name in DIFFERENCES:
        assert difference, f"{name} does not differ any more"
    else:
        assert difference == "", json.dumps(explained["outcome"])


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
@pytest.mark.parametrize(
    "url",
    ["/static/site.css", "/web.config", "/bin/x", "/static", "/static/", "/a%2e%2e/..%2f", "/%zz"],
)
def test_the_samples(sample: str, url: str) -> None:
    site = Site(SAMPLES / sample)
    case = golden.Case("", 0, url=url)
    explained: Any = site.explain(url, remote_addr="127.0.0.2", events=False)
    assert compare(site, explained, *request(case)) == ""
