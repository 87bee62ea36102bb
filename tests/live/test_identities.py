"""Signed-in users with a server and an application."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from ..sites import python_handler, web_config, write
from .server import LiveServer

APP = """
NAMES = ("AUTH_TYPE", "AUTH_USER", "AUTH_PASSWORD", "LOGON_USER", "REMOTE_USER")
def application(environ, start_response):
    status = "401 Unauthorized" if environ["PATH_INFO"] == "/own" else "200 OK"
    start_response(status, [("Content-Type", "text/plain")])
    return ["|".join(environ[name] for name in NAMES).encode()]
"""
METHODS = (
    "<security><authentication>"
    '<anonymousAuthentication enabled="false" /><basicAuthentication enabled="true" />'
    '<windowsAuthentication enabled="true" /></authentication></security>'
)
AS = ("--as", "CONTOSO\\ada", "--role", "A")


def site(folder: Path, inner: str) -> Path:
    config = web_config(python_handler() + inner, {"WSGI_HANDLER": "app.application"})
    return write(folder, {"site/app.py": APP, "site/web.config": config, "users": "bob:secret:A\n"})


def test_the_application_finds_the_user(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    folder = site(tmp_path, METHODS)
    server = serve(
        folder / "site", *AS, "--basic-users", str(folder / "users"), "--log-format", "text"
    )
    ada = "Negotiate|CONTOSO\\ada||CONTOSO\\ada|CONTOSO\\ada"
    for _ in range(2):
        assert server.get("/x").text == ada
    assert server.get("/x", {"X-Fcgiemu-As": "X\\eve"}).text.startswith("Negotiate|X\\eve|")
    assert server.get("/x", {"X-Fcgiemu-As": "*"}).status == 400
    good = {"Authorization": "Basic " + b64encode(b"bob:secret").decode()}
    assert server.get("/x", good).text == "Basic|bob|secret|bob|bob"
    bad = {"Authorization": "Basic " + b64encode(b"bob:no").decode()}
    assert server.get("/x", bad).status == 401
    assert "no" not in [line.strip() for line in server.log().splitlines()]


def test_a_401_has_one_field_for_each_way(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(site(tmp_path, METHODS) / "site")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for _ in range(2):
        connection.request("GET", "/x")
        answer = connection.getresponse()
        assert answer.status == 401
        fields = answer.headers.get_all("WWW-Authenticate")
        assert fields == ['Basic realm="127.0.0.1"', "Negotiate", "NTLM"]
        assert b"--as" in answer.read()
    connection.close()


def test_an_application_of_its_own_is_challenged_only_where_something_is_enabled(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    enabled = METHODS.replace('"false"', '"true"')
    server = serve(site(tmp_path, enabled) / "site", *AS)
    answer = server.get("/own")
    assert answer.status == 401 and answer.headers["www-authenticate"] == "NTLM"
    assert server.get("/x").text == "||||"
