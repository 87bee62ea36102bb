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
echo $_SERVER["SCRIPT_NAME"], " ", $_GET["a"] ?? "-", " ", file_get_contents("php://input");
"""


@pytest.mark.skipif(shutil.which("php-cgi") is None, reason="php-cgi is not installed")
def test_php_answers_through_the_rule_and_directly(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(write(tmp_path, {"web.config": CONFIG, "index.php": PROGRAM, "style.css": "css"}))
    answer = server.get("/hello/world?a=1")
    assert (answer.text, answer.headers["x-uri"]) == ("/index.php 1 ", "/hello/world?a=1")
    request = b"POST /index.php HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    assert server.raw(request).endswith(b"/index.php - body")
    assert server.get("/style.css").text == "css"
    assert server.get("/missing/../none.php").text.startswith("/index.php")
