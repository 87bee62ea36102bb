"""Signed-in users with a server and an application."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import httpx

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


AUTH = """{
  "globalValidation": {"unauthenticatedClientAction": "RedirectToLoginPage"},
  "login": {"tokenStore": {"enabled": true}},
  "identityProviders": {"azureActiveDirectory": {"enabled": true}}
}"""


def test_a_client_signs_in_and_out(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    folder = site(tmp_path, "")
    (folder / "auth.json").write_text(AUTH)
    server = serve(folder / "site", "--easy-auth", str(folder / "auth.json"))
    browser = {"User-Agent": "Mozilla/5.0"}
    answer = server.get("/x?y=1", browser)
    login = answer.headers["location"]
    assert (answer.status, login.partition("?")[0]) == (302, "/.auth/login/aad")
    assert server.get("/x").status == 401
    page = server.get(login, browser).text
    assert "not a real sign-in" in page and 'value="/x?y=1"' in page
    token = page.partition('name="token" value="')[2].partition('"')[0]
    form = urlencode({"token": token, "person": "0", "post_login_redirect_uri": "/x?y=1"})
    headers = {**browser, "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/.auth/login/aad/callback", form, headers)
    sent = connection.getresponse()
    connection.close()
    assert (sent.status, sent.headers["Location"]) == (302, "/x?y=1")
    cookies = [text for text in sent.headers.get_all("Set-Cookie") or () if "Auth" in text]
    signed_in = {**browser, "Cookie": cookies[0].partition(";")[0]}
    for _ in range(2):
        assert server.get("/x", signed_in).text == "|ada@example.com||" + "|".join(
            ["ada@example.com"] * 2
        )
    assert "ada@example.com" in server.get("/.auth/me", signed_in).text
    answer = server.get("/.auth/logout", signed_in)
    assert (answer.status, answer.headers["location"]) == (302, "/.auth/logout/done")
    assert server.get("/.auth/me", browser).status == 401
    assert "requireHttps is off" in server.log()
    refreshed = httpx.get(f"http://127.0.0.1:{server.port}/.auth/refresh", headers=signed_in)
    assert refreshed.status_code == 200 and refreshed.cookies["AppServiceAuthSession"]
    given = server.request("POST", "/.auth/login/aad", b'{"access_token": "bob@example.com"}')
    token = json.loads(given.body)["authenticationToken"]
    assert server.get("/x", {"X-ZUMO-AUTH": token}).text.startswith("|bob@example.com|")
    assert server.request("POST", "/.auth/login/aad", b'{"access_token": "eve"}').status == 401
    long = server.request("POST", "/.auth/login/aad/callback", b"x" * 70000, headers)
    assert long.status == 400
