"""<fastCgi><application> of a host configuration, Microsoft's file as worker, and a debugger."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fcgiemu import Settings, Site
from fcgiemu.programs.fastcgi_launch import PoolOptions
from fcgiemu.programs.installed_pythons import installed
from fcgiemu.server.fastcgi_pools import FastCgiPools

from ..sites import PROCESSOR, python_handler, web_config, write, wsgi_site
from .server import LiveServer

APP = """
import os, sys, time, atexit

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/complain":
        sys.stderr.write("a complaint")
        start_response("200 OK", [("Content-Type", "text/plain")])
        raise ValueError("on purpose")
    if path == "/die":
        os._exit(9)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %s" % (os.getpid(), os.environ.get("FROM_HOST", ""))).encode()]
"""
FULL_PATH, ARGUMENTS = PROCESSOR.split("|")
genuine = pytest.mark.skipif(
    importlib.util.find_spec("wfastcgi") is None,
    reason="wfastcgi is not installed: pip install -e .[wfastcgi]",
)


def host(attributes: str, inner: str = "", arguments: str = ARGUMENTS) -> str:
    return (
        f'<configuration><system.webServer><fastCgi><application fullPath="{FULL_PATH}" arguments="{arguments}" {attributes}>'
        f"{inner}</application></fastCgi></system.webServer></configuration>"
    )


def start(
    tmp_path: Path, serve: Callable[..., LiveServer], text: str, *options: str, app: str = APP
) -> LiveServer:
    write(tmp_path, {"host.config": text, "site/app.py": app, "site/web.config": wsgi_site()})
    return serve(tmp_path / "site", "--host-config", str(tmp_path / "host.config"), *options)


def test_requests_per_instance_and_environment(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    variables = (
        '<environmentVariables><environmentVariable name="FROM_HOST" value="C:\\inetpub\\wwwroot\\data" />'
        "</environmentVariables>"
    )
    server = start(
        tmp_path, serve, host('instanceMaxRequests="3" maxInstances="1" protocol="Tcp"', variables)
    )
    server.wait_for("workers +at most 1, restarted when files change, recycled after 3 requests")
    answers = [server.get("/").text.split() for _ in range(9)]
    assert {value for _, value in answers} == {str(tmp_path / "site" / "data")}
    pids = [pid for pid, _ in answers]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("mode", "status", "text"),
    [
        ("ReturnStdErrIn500", 500, "Error occurred:"),
        ("ReturnGeneric500", 500, "stderrMode ReturnGeneric500"),
        ("IgnoreAndReturn200", 500, ""),
        ("TerminateProcess", 500, "stderrMode TerminateProcess"),
    ],
)
def test_stderr_modes(
    tmp_path: Path, serve: Callable[..., LiveServer], mode: str, status: int, text: str
) -> None:
    server = start(tmp_path, serve, host(f'stderrMode="{mode}" maxInstances="1"'))
    before = server.get("/").text
    answer = server.get("/complain")
    assert answer.status == status and text in answer.text
    assert (server.get("/").text == before) is (mode != "TerminateProcess")


def test_strict_pool(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = start(tmp_path, serve, host('rapidFailsPerMinute="2"'), "--strict-pool")
    server.wait_for("recycled after 200 requests")
    for _ in range(2):
        assert "exited unexpectedly" in server.get("/die").text
    assert "rapidFailsPerMinute" in server.get("/").text


def test_strict_pool_wants_registered_programs(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = start(
        tmp_path, serve, host("", arguments="D:\\elsewhere\\wfastcgi.py"), "--strict-pool"
    )
    text = server.get("/").text
    assert (
        "Python scriptProcessor could not be found in &lt;fastCGI&gt; application configuration"
        in text
    )
    assert "0x80070585" in text and "D:\\elsewhere\\wfastcgi.py" in text


def test_monitor_changes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        {
            "python34/php.ini": "",
            "host.config": host('monitorChangesTo="php.ini"').replace(
                "</fastCgi>",
                host('monitorChangesTo="php.ini"', arguments=f"-u {ARGUMENTS}")
                .partition("<fastCgi>")[2]
                .partition("</system")[0],
            ),
            "site/web.config": wsgi_site(),
        },
    )
    settings = Settings(
        host_config=tmp_path / "host.config",
        path_map=(("D:\\Python34", str(tmp_path / "python34")),),
    )
    pools = FastCgiPools(Site(tmp_path / "site", settings), PoolOptions(), lambda *_: None)

    async def main() -> list[str]:
        restarts: list[str] = []
        for name in (PROCESSOR, PROCESSOR.replace("|", "|-u ")):  # two that watch the same file
            monkeypatch.setattr(
                pools.application(name, "/"), "restart", partial(restarts.append, name)
            )
        pools.tick(1.0)
        os.utime(tmp_path / "python34" / "php.ini", (1, 1))
        pools.tick(2.0)
        pools.tick(3.0)
        return restarts

    assert asyncio.run(main()) == [PROCESSOR, PROCESSOR.replace("|", "|-u ")]


@genuine
@pytest.mark.parametrize("version", [(2, 7), (3, 6), (3, 13)], ids=["2.7", "3.6", "3.13"])
def test_the_genuine_file(
    tmp_path: Path, serve: Callable[..., LiveServer], version: tuple[int, int]
) -> None:
    python = installed(version)
    if python is None:
        pytest.skip(f"Python {version[0]}.{version[1]} is not installed here")
    handler = python_handler().replace(PROCESSOR, f"{python}|wfastcgi.py")
    write(
        tmp_path,
        {
            "app.py": APP,
            "web.config": web_config(
                handler,
                {
                    "WSGI_HANDLER": "app.application",
                    "FROM_HOST": "web.config",
                    "WSGI_LOG": "D:\\home\\LogFiles\\wfastcgi.log",
                },
            ),
        },
    )
    server = serve(tmp_path, "--worker", "wfastcgi", "--workers", "1")
    pid, value = server.get("/").text.split()
    assert value == "web.config" and server.get("/").text.split()[0] == pid
    failed = server.get("/complain")
    assert (
        failed.status == 500
        and failed.text.startswith("Error occurred:")
        and "ValueError: on purpose" in failed.text
    )
    write(tmp_path, {"app.py": APP.replace('"%d %s"', '"%d new %s"')})
    server.wait_for("app.py changed: workers restart")
    assert server.get("/").text.split()[1] == "new"
    assert (
        "exiting because app.py has changed"
        in (tmp_path / ".fcgiemu" / "LogFiles" / "wfastcgi.log").read_text()
    )
    died = server.get("/die").text
    assert "exited unexpectedly" in died and "exit code 9" in died


@genuine
def test_a_silent_death_is_named(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    silent = "def application(environ, start_response):\n    return []\n"
    server = serve(
        write(tmp_path, {"app.py": silent, "web.config": wsgi_site()}), "--worker", "wfastcgi"
    )
    answer = server.get("/")
    assert (
        answer.status == 500
        and "exited unexpectedly" in answer.text
        and "start_response is never called" in answer.text
    )


@genuine
def test_a_failed_initialisation_is_told_every_time(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(
        write(tmp_path, {"app.py": "import no_such_module", "web.config": wsgi_site()}),
        "--worker",
        "wfastcgi",
    )
    assert [
        "Error occurred while reading WSGI handler" in server.get("/").text for _ in range(6)
    ] == [True] * 6


def test_a_client_that_leaves_the_queue_gives_its_place_up(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    slow = APP.replace(
        '    if path == "/die":',
        '    open("served", "a").write(path + " ")\n    if path == "/slow":\n'
        '        time.sleep(3)\n    if path == "/die":',
    )
    server = start(tmp_path, serve, host('maxInstances="1" queueLength="1"'), app=slow)
    server.get("/")
    running = threading.Thread(target=lambda: server.get("/slow"))
    running.start()
    while "/slow" not in (tmp_path / "site" / "served").read_text():
        pass  # the process is busy from here on
    with server.connect() as leaving:
        leaving.sendall(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
    while (status := server.get("/next").status) == 503 and running.is_alive():
        pass  # until the server has seen that the client left
    running.join(10)
    assert status == 200
    assert (tmp_path / "site" / "served").read_text().split() == ["/", "/slow", "/next"]


@pytest.mark.parametrize(
    ("application", "substatus"), [('activityTimeout="5"', "0x8007000d"), ("", "0x800700b7")]
)
def test_a_bad_section_fails_where_it_is_used(
    tmp_path: Path, application: str, substatus: str
) -> None:
    twice = (
        host(application)
        if application
        else host("").replace(
            "</application>",
            "</application>"
            + (f'<application fullPath="{FULL_PATH.upper()}" arguments="{ARGUMENTS}" />'),
        )
    )
    write(
        tmp_path,
        {
            "host.config": twice,
            "site/web.config": web_config(python_handler("*.py")),
            "site/a.txt": "",
        },
    )
    site = Site(tmp_path / "site", Settings(host_config=tmp_path / "host.config"))
    assert site.explain("/a.txt")["outcome"]["status"] == 200
    outcome = site.explain("/a.py")["outcome"]
    assert (outcome["substatus"], outcome["hresult"]) == (19, substatus)


class Editor:
    """As much of an editor as attaches, stops at a breakpoint and goes on: the Debug Adapter
    Protocol over a socket.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._stream = self._socket.makefile("rb")
        self._sent = 0

    def ask(self, command: str, **arguments: Any) -> None:
        self._sent += 1
        body = json.dumps(
            {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        ).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def wait_for(self, name: str) -> dict[str, Any]:
        """The next event or response of that name."""
        while True:
            length = 0
            while (line := self._stream.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            message: dict[str, Any] = json.loads(self._stream.read(length))
            if name in (message.get("event"), message.get("command")):
                return message

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


def attached(port: int) -> Editor:
    """An editor at the point where it would set its breakpoints."""
    editor = Editor(port)
    editor.ask("initialize", adapterID="fcgiemu", clientID="test")
    editor.wait_for("initialize")
    editor.ask("attach", justMyCode=False)
    editor.wait_for("initialized")
    return editor


def test_a_debugger_stops_a_request_and_the_clock_with_it(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    pytest.importorskip("debugpy", reason="debugpy is not installed: pip install -e .[test]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    server = serve(site, "--debugpy", str(port))
    server.wait_for("at most 1, restarted when files change, never recycled by count, no timeouts")
    server.wait_for(f"Debugger listening on 127.0.0.1:{port}")
    assert server.get("/").status == 200
    editor = attached(port)
    line = 1 + next(number for number, text in enumerate(APP.splitlines()) if "return" in text)
    editor.ask(
        "setBreakpoints", source={"path": str(site / "app.py")}, breakpoints=[{"line": line}]
    )
    editor.wait_for("setBreakpoints")
    editor.ask("configurationDone")
    editor.wait_for("configurationDone")
    server.wait_for("a debugger is attached: no timeouts and no recycling")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.get, "/")
        thread = editor.wait_for("stopped")["body"]["threadId"]
        assert not answer.done()
        editor.ask("continue", threadId=thread)
        assert answer.result(10).status == 200
    seen = server.line_count
    write(tmp_path, {"app.py": APP + "\n"})
    editor.wait_for("terminated")
    editor.close()
    server.wait_for(f"Debugger listening on 127.0.0.1:{port}", seen)
    editor = attached(port)
    editor.ask("configurationDone")
    server.wait_for("a debugger is attached", seen)
    editor.ask("disconnect")
    editor.wait_for("disconnect")
    editor.close()
    server.wait_for("the debugger has left: timeouts and recycling are on again", seen)
    assert server.get("/").status == 200
