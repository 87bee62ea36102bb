"""Browsers of this machine get a page about an application that failed; all others IIS's text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..sites import write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    print("printed for", environ["PATH_INFO"])
    raise KeyError(environ["PATH_INFO"])
"""
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


def test_who_gets_the_page(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    server = serve(tmp_path, "--editor", "vscode")
    assert server.get("/first").headers["content-type"] == "text/plain; charset=utf-8"
    page = server.get("/second", BROWSER)
    assert (page.status, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "<h1>KeyError: &#39;/second&#39;</h1>" in page.text
    assert "printed for /second" in page.text
    assert "/first" not in page.text
    assert f"vscode://file{tmp_path}/app.py:4" in page.text
    assert page.headers["server"] == "Microsoft-IIS/10.0"
    assert "text/plain" in server.get("/x", {"Accept": "*/*"}).headers["content-type"]


def test_strict_is_as_iis(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    server = serve(tmp_path, "--strict")
    assert "text/plain" in server.get("/", BROWSER).headers["content-type"]


def test_an_unknown_editor(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(
        tmp_path, {"fcgiemu.toml": "editor = 'vscode'\n", "app.py": APP, "web.config": wsgi_site()}
    )
    assert "vscode://file/" in serve(tmp_path).get("/", BROWSER).text
