"""A FastCGI program that is not Python: php-cgi behind the usual front-controller rule."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import write
from .server import LiveServer

CONFIG = r"""<configuration><system.webServer>
  <handlers>
    <add name="PHP" path="*.php" verb="*" modules="FastCgiModule" scriptProcessor="C:\PHP\php-cgi.exe" resourceType="File"/>
  </handlers>
  <rewrite><rules><rule name="front controller">
    <match url=".*"/>
    <conditions>
      <add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true"/>
      <add input="{REQUEST_FILENAME}" matchType="IsDirectory" negate="true"/>
    </conditions>
    <action type="Rewrite" url="index.php"/>
  </rule></rules></rewrite>
</system.webServer></configuration>"""
PROGRAM = """<?php
header("X-Uri: " . $_SERVER["REQUEST_URI"]);
header("X-Self: " . $_SERVER["PHP_SELF"] . " " . ($_SERVER["PATH_INFO"] ?? "none") . " " . $_SERVER["ORIG_PATH_INFO"]);
header("X-Pid: " . getmypid());
echo $_SERVER["SCRIPT_NAME"], " ", $_GET["a"] ?? "-", " ", file_get_contents("php://input");
"""


@pytest.mark.skipif(shutil.which("php-cgi") is None, reason="php-cgi is not installed")
def test_php_answers_through_the_rule_and_directly(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(
        write(tmp_path, {"web.config": CONFIG, "index.php": PROGRAM, "style.css": "css"})
    )
    answer = server.get("/hello/world?a=1")
    assert (answer.text, answer.headers["x-uri"]) == ("/index.php 1 ", "/hello/world?a=1")
    request = (
        b"POST /index.php HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    )
    assert server.raw(request).endswith(b"/index.php - body")
    assert server.get("/style.css").text == "css"
    assert server.get("/missing/../none.php").text.startswith("/index.php")
    assert server.get("/INDEX.PHP").text == "/INDEX.PHP - "  # PHP opens the file as it is on disk


@pytest.mark.skipif(shutil.which("php-cgi") is None, reason="php-cgi is not installed")
@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/index.php", "/index.php none /index.php"),
        ("/index.php/a/b", "/index.php/a/b /a/b /index.php/a/b"),
        ("/any/thing", "/index.php none /index.php"),
    ],
)
def test_php_sees_the_path_that_it_makes_of_the_one_of_iis_on_windows(
    tmp_path: Path, serve: Callable[..., LiveServer], target: str, seen: str
) -> None:
    config = CONFIG.replace('<match url=".*"/>', '<match url="^index\\.php" negate="true"/>')
    server = serve(write(tmp_path, {"web.config": config, "index.php": PROGRAM}))
    assert server.get(target).headers["x-self"] == seen


@pytest.mark.skipif(shutil.which("php-cgi") is None, reason="php-cgi is not installed")
@pytest.mark.parametrize(("given", "processes"), [("", 1), ("7", 3)])
def test_php_does_not_end_behind_the_server_s_back(
    tmp_path: Path,
    serve: Callable[..., LiveServer],
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    processes: int,
) -> None:
    """php-cgi ends by itself after PHP_FCGI_MAX_REQUESTS, else 500: its last request must be known
    to be the last.
    """
    monkeypatch.setenv("PHP_FCGI_MAX_REQUESTS", given) if given else monkeypatch.delenv(
        "PHP_FCGI_MAX_REQUESTS", raising=False
    )
    server = serve(write(tmp_path, {"web.config": CONFIG, "index.php": PROGRAM}), "--workers", "1")
    answers = [server.get("/index.php") for _ in range(21 if given else 510)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.headers["x-pid"] for answer in answers}) == processes


@pytest.mark.skipif(shutil.which("php-cgi") is None, reason="php-cgi is not installed")
@pytest.mark.parametrize("more", [[], ["--azure"], ["--azure", "--strict"]])
def test_php_of_the_server(
    tmp_path: Path, serve: Callable[..., LiveServer], more: list[str]
) -> None:
    server = serve(write(tmp_path, {"index.php": PROGRAM}), "--php", *more)
    assert [server.get(path).text for path in ("/index.php?a=1", "/")] == [
        "/index.php 1 ",
        "/index.php - ",
    ]
