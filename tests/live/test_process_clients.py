"""Clients that stop in the middle, and come by IPv6, in front of each module that has processes; and
two sites that want the same port.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.programs.module_variables import PORTS
from fcgiemu.programs.ports import free_port

from ..node import needs_node, node_config
from ..sites import web_config, write
from .server import LiveServer, eventually

Serve = Callable[..., LiveServer]

APP = """
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Application(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        open("got-a-body", "w").close()
        self.do_GET()
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path != "/endless":
            self.wfile.write(json.dumps({"for": self.headers["X-Forwarded-For"]}).encode())
            return
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            open("gone", "w").close()
    def log_message(self, *args):
        pass

port = os.environ.get("HTTP_PLATFORM_PORT") or os.environ["ASPNETCORE_PORT"]
ThreadingHTTPServer(("127.0.0.1", int(port)), Application).serve_forever()
"""
SCRIPT = """
const fs = require('fs');
require('http').createServer((request, response) => {
  request.on('end', () => { if (request.method === 'POST') fs.writeFileSync('got-a-body', ''); });
  request.resume();
  if (request.url !== '/server.js/endless') {
    return response.end(JSON.stringify({for: request.headers['x-forwarded-for']}));
  }
  const more = () => { while (response.write('x'.repeat(65536))); };
  response.on('drain', more);
  response.on('close', () => fs.writeFileSync('gone', ''));
  more();
}).listen(process.env.PORT);
"""


def running(module: str, section: str, inner: str = "") -> str:
    handler = f'<add name="p" path="*" verb="*" modules="{module}" resourceType="Unspecified" />'
    return web_config(
        f"<handlers>{handler}</handlers>"
        f'<{section} processPath="{sys.executable}" arguments="app.py">{inner}</{section}>'
    )


PLATFORM = {"app.py": APP, "web.config": running("httpPlatformHandler", "httpPlatform")}
ASP_NET_CORE = {"app.py": APP, "web.config": running("AspNetCoreModuleV2", "aspNetCore")}
NODE = {"server.js": SCRIPT, "web.config": node_config('enableXFF="true" flushResponse="true"')}
MODULES = [
    pytest.param(PLATFORM, "", id="httpPlatform"),
    pytest.param(ASP_NET_CORE, "", id="aspNetCore"),
    pytest.param(NODE, "/server.js", id="iisnode", marks=needs_node),
]


@pytest.mark.parametrize(("files", "root"), MODULES)
def test_a_client_that_does_not_read_holds_nobody_up(
    tmp_path: Path, serve: Serve, files: dict[str, str], root: str
) -> None:
    server = serve(write(tmp_path, files))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(f"GET {root}/endless HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        assert server.get(f"{root}/other").status == 200
        assert not (tmp_path / "gone").exists()
    assert eventually((tmp_path / "gone").exists)  # the process is told that its client has gone


@pytest.mark.parametrize(("files", "root"), MODULES)
def test_half_a_body_does_not_reach_a_process(
    tmp_path: Path, serve: Serve, files: dict[str, str], root: str
) -> None:
    server = serve(write(tmp_path, files))
    head = f"POST {root}/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(head + b"12345")
        assert server.get(f"{root}/other").status == 200
    assert server.get(f"{root}/other").status == 200
    assert not (tmp_path / "got-a-body").exists()
    assert server.request("POST", f"{root}/", b"whole").status == 200
    assert eventually((tmp_path / "got-a-body").exists)  # Node answers before it has read all


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")
@pytest.mark.parametrize(("files", "root"), MODULES)
def test_a_client_that_comes_by_ipv6(
    tmp_path: Path, serve: Serve, files: dict[str, str], root: str
) -> None:
    server = serve(write(tmp_path, files), "--host", "::1")
    with socket.create_connection(("::1", server.port), timeout=60) as client:
        own = client.getsockname()[1]
        client.sendall(
            f"GET {root}/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    seen = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])["for"]
    assert seen == ("::1" if root else f"[::1]:{own}")  # iisnode writes no port


def test_two_sites_that_want_one_port(tmp_path: Path, serve: Serve) -> None:
    port = next(port for port in iter(free_port, 0) if port in PORTS)
    fixed = f'<environmentVariables><environmentVariable name="ASPNETCORE_PORT" value="{port}" />'
    fixed += "</environmentVariables>"
    config = running("AspNetCoreModuleV2", "aspNetCore", fixed)
    servers = [
        serve(write(tmp_path / name, {"app.py": APP, "web.config": config})) for name in "ab"
    ]
    assert servers[0].get("/").status == 200
    answer = servers[1].get("/")
    assert answer.status == 502 and "failed to start" in answer.text
    assert servers[0].get("/").status == 200
    assert json.loads(servers[0].get("/").text)["for"].startswith("127.0.0.1:")
