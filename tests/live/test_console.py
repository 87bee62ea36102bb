"""What the console of ``serve`` says while it serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..sites import write, wsgi_site
from .server import LiveServer

APP = """
import os, time
def application(environ, start_response):
    start_response("200 OK", [])
    while environ["PATH_INFO"] == "/wait" and not os.path.exists("go"):
        time.sleep(0.02)
    return [b"done"]
"""


def test_a_long_request_is_named_while_it_waits(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site()}))
    with server.connect() as asked:
        asked.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        server.wait_for(r"  waiting     GET /wait: .* after [34] s")
        write(tmp_path, {"go": ""})
        while asked.recv(4096):
            pass
    server.wait_for(r"200 GET /wait -> FastCGI Python")


def test_quiet_and_verbose(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site()}), "--quiet")
    assert server.get("/").text == "done"
    assert server.get("/../%00").status == 400
    server.wait_for("400 GET")
    assert "handler     " not in server.log()
    assert "200 GET" not in server.log()
    server = serve(tmp_path, "--verbose")
    assert server.get("/").text == "done"
    server.wait_for("           handler 'Python'")
