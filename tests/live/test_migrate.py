"""The two configurations of docs/migrate.md: the same expectations and the same answers."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.testing import Client
from fcgiemu.testing.expectations import judge, parse

from ..sites import write
from .server import LiveServer

PAGE = (Path(__file__).parents[2] / "docs" / "migrate.md").read_text("utf-8")
BEFORE, AFTER = re.findall(r"```xml\n(.*?)```", PAGE, re.DOTALL)
EXPECTED = [line.strip() for line in re.findall(r"^    (/.* -> .*)$", PAGE, re.MULTILINE)]
APP = """
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return ["{} {} {} {}".format(os.environ["GREETING"], environ["REQUEST_METHOD"], environ["PATH_INFO"], len(body)).encode()]
"""
(SERVE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_both_answer_alike(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    pytest.importorskip("waitress")
    assert len(EXPECTED) == 2
    answers = []
    for name, config in (("before", BEFORE), ("after", AFTER)):
        site = write(
            tmp_path / name,
            {"web.config": config, "app.py": APP, "serve.py": SERVE, "static/site.css": "css"},
        )
        assert [
            result.differences for result in judge(Client(site).open, parse(EXPECTED, name))
        ] == [
            [],
            [],
        ]
        server = serve(site, "--python", sys.prefix)
        answers.append(
            [
                (answer.status, answer.text)
                for answer in (
                    server.get("/static/site.css"),
                    server.get("/a/b"),
                    server.request("POST", "/form", b"body"),
                    server.get("/static/none.css"),
                )
            ]
        )
    assert [status for status, _ in answers[0]] == [200, 200, 200, 404]
    assert answers[0][:3] == answers[1][:3] and answers[1][3][0] == 404
