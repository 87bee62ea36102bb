"""HttpPlatformHandlerV2: the program of <httpPlatform> under the rules of its fork of
AspNetCoreModule.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcgiemu.programs.module_variables import PORTS
from fcgiemu.programs.ports import free_port

from ..sites import write
from .server import LiveServer, all_end
from .test_http_platform import PROBE, config

Serve = Callable[..., LiveServer]
V2 = ("--module", "HttpPlatformHandlerV2")


def probe(server: LiveServer, target: str = "/", **headers: str) -> dict[str, Any]:
    answer = server.request("GET", target, headers=headers)
    assert answer.status == 200, answer.text
    seen: dict[str, Any] = json.loads(answer.body)
    return seen


def test_what_a_process_is_told_and_asked(tmp_path: Path, serve: Serve) -> None:
    attributes = 'requestTimeout="00:00:30" stdoutLogEnabled="true" stdoutLogFile=".\\logs\\out"'
    settings = (
        '<handlerSettings><handlerSetting name="debugLevel" value="FILE" /></handlerSettings>'
    )
    told = config("app.py %HTTP_PLATFORM_PORT% %HTTP_PLATFORM_DEBUG_PORT%", attributes)
    write(
        tmp_path,
        {
            "app.py": "print('ready', flush=True)\n" + PROBE,
            "web.config": told.replace("</httpPlatform>", settings + "</httpPlatform>"),
        },
    )
    server = serve(tmp_path, *V2)
    seen = probe(server, "/a%3Fb?x=1", **{"MS-ASPNETCORE-TOKEN": "forged", "Ms-AspNetCore-X": "1"})
    variables, headers = seen["env"], dict(seen["headers"])
    assert seen["target"] == "/a%3Fb?x=1"
    assert seen["argv"] == [variables["HTTP_PLATFORM_PORT"], "%HTTP_PLATFORM_DEBUG_PORT%"]
    assert headers["ms-aspnetcore-token"] == variables["HTTP_PLATFORM_TOKEN"] != "forged"
    assert "ms-aspnetcore-x" not in headers
    assert variables | {"HTTP_PLATFORM_PORT": "", "HTTP_PLATFORM_TOKEN": ""} == {
        "HTTP_PLATFORM_PORT": "",
        "HTTP_PLATFORM_TOKEN": "",
        "HTTP_PLATFORM_APPL_PATH": "/",
        "HTTP_PLATFORM_IIS_APPLICATION_ID": "/LM/W3SVC/1/ROOT",
        "HTTP_PLATFORM_IIS_APPLICATION_VIRTUAL_PATH": "/",
        "HTTP_PLATFORM_IIS_APP_CONFIG_PATH": "MACHINE/WEBROOT/APPHOST/Default Web Site",
        "HTTP_PLATFORM_IIS_APP_POOL_CONFIG_FILE": (
            "C:\\inetpub\\temp\\apppools\\DefaultAppPool\\DefaultAppPool.config"
        ),
        "HTTP_PLATFORM_IIS_APP_POOL_ID": "DefaultAppPool",
        "HTTP_PLATFORM_IIS_HTTPAUTH": "anonymous;",
        "HTTP_PLATFORM_IIS_PHYSICAL_PATH": f"{tmp_path}/",
        "HTTP_PLATFORM_IIS_SITE_ID": "1",
        "HTTP_PLATFORM_IIS_SITE_NAME": "Default Web Site",
        "HTTP_PLATFORM_IIS_VERSION": "10.0",
        "HTTP_PLATFORM_IIS_WEBSOCKETS_SUPPORTED": "true",
    }
    server.wait_for(r"\[\d+\] ready")
    (log,) = (tmp_path / "logs").iterdir()
    assert re.fullmatch(rf"out_20\d{{12}}_{server.process.pid}\.log", log.name)


def test_a_fixed_port_and_a_token_of_the_sites_own(tmp_path: Path, serve: Serve) -> None:
    port = next(port for port in iter(free_port, 0) if port in PORTS)
    named = f'<environmentVariable name="HTTP_PLATFORM_PORT" value="{port}" />'
    named += '<environmentVariable name="http_platform_token" value="secret" />'
    write(tmp_path, {"app.py": PROBE, "web.config": config("app.py", variables=named)})
    seen = probe(serve(tmp_path, *V2))
    assert seen["env"]["HTTP_PLATFORM_PORT"] == str(port)
    assert dict(seen["headers"])["ms-aspnetcore-token"] == "secret"


@pytest.mark.parametrize("port", ["80", "50000", "x"])
def test_a_port_that_the_module_does_not_take(tmp_path: Path, serve: Serve, port: str) -> None:
    named = f'<environmentVariable name="HTTP_PLATFORM_PORT" value="{port}" />'
    write(tmp_path, {"app.py": PROBE, "web.config": config("app.py", variables=named)})
    answer = serve(tmp_path, *V2).get("/")
    assert answer.status == 502 and "takes 1025 to 48000" in answer.text


def test_one_request_starts_twice_and_gets_502_5(tmp_path: Path, serve: Serve) -> None:
    broken = "open('starts', 'a').write('x'); raise SystemExit('broken')"
    write(tmp_path, {"app.py": broken, "web.config": config("app.py")})
    server = serve(tmp_path, *V2)
    answer = server.get("/")
    assert answer.status == 502 and "HTTP Error 502.5" in answer.text and "broken" in answer.text
    assert (tmp_path / "starts").read_text() == "xx"


def test_app_offline(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, {"app.py": PROBE, "web.config": config("app.py")})
    server = serve(tmp_path, *V2)
    with all_end(str(probe(server)["pid"])):
        (tmp_path / "app_offline.htm").write_text("closed")
        server.wait_for("app_offline.htm is there")
    answer = server.get("/")
    assert (answer.status, answer.text) == (503, "closed")
    (tmp_path / "app_offline.htm").unlink()
    assert probe(server)["target"] == "/"


STREAM = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Stream(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"first")
        self.wfile.flush()
        self.connection.recv(1)  # until the client goes

HTTPServer(("127.0.0.1", int(os.environ["HTTP_PLATFORM_PORT"])), Stream).serve_forever()
"""


def test_answers_are_not_collected(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, {"app.py": STREAM, "web.config": config("app.py")})
    server = serve(tmp_path, *V2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        seen = b""
        while b"first" not in seen:
            seen += client.recv(65536)
