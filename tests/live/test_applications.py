"""Several applications in one site, each with its own folder, handlers, settings and workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..sites import python_handler, web_config, write
from .server import LiveServer

APP = """
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["|".join([{0!r}, str(os.getpid()), os.getcwd(), os.environ["APP_POOL_ID"], os.environ.get("MINE", ""),
                      environ["APPL_MD_PATH"], environ["PATH_INFO"]]).encode()]
"""
HOST = """<configuration><system.applicationHost><sites><site name="Both" id="3">
  <application path="/" applicationPool="RootPool"><virtualDirectory path="/" physicalPath="C:\\root" />
    <virtualDirectory path="/files" physicalPath="../files" /></application>
  <application path="/api" applicationPool="ApiPool"><virtualDirectory path="/" physicalPath="../api" /></application>
</site></sites></system.applicationHost></configuration>"""


def test_two_applications(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    api = web_config(
        "<handlers><clear />" + python_handler("*").removeprefix("<handlers>"),
        {"WSGI_HANDLER": "main.application", "MINE": "api"},
    )
    write(
        tmp_path,
        {
            "server/host.config": HOST,
            "files/a.txt": "a file",
            "root/web.config": web_config(
                python_handler("app"), {"WSGI_HANDLER": "main.application", "MINE": "root"}
            ),
            "root/main.py": APP.format("root"),
            "api/web.config": api,
            "api/main.py": APP.format("api"),
        },
    )
    server = serve(tmp_path / "root", "--host-config", str(tmp_path / "server" / "host.config"))
    assert server.get("/files/a.txt").text == "a file"
    root, called = server.get("/app/x").text.split("|"), server.get("/api/y").text.split("|")
    assert [root[0], *root[2:]] == [
        "root",
        str(tmp_path / "root"),
        "RootPool",
        "root",
        "/LM/W3SVC/3/ROOT",
        "/app/x",
    ]
    assert [called[0], *called[2:]] == [
        "api",
        str(tmp_path / "api"),
        "ApiPool",
        "api",
        "/LM/W3SVC/3/ROOT/api",
        "/api/y",
    ]
    write(tmp_path, {"api/main.py": APP.format("new")})
    server.wait_for("main.py changed: workers restart")
    assert server.get("/api/y").text.split("|")[0] == "new"
    assert (
        server.get("/app/x").text.split("|")[:2] == root[:2]
    )  # the other application's process goes on
