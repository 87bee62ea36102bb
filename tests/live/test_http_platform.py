"""httpPlatform: real processes started by the first request, supervised, proxied to, WebSockets
included.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.sync.client import connect

from ..sites import web_config, write
from .server import LiveServer

WSGI = """
import os, sys
from wsgiref.simple_server import make_server, WSGIRequestHandler

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/die":
        print("going down", flush=True)
        os._exit(9)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    start_response("418 Short and Stout" if path == "/teapot" else "200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    names = ("HTTP_HOST", "HTTP_X_FORWARDED_FOR", "PATH_INFO", "QUERY_STRING", "REQUEST_METHOD")
    lines = [name + "=" + environ.get(name, "") for name in names] + [os.environ.get("MY_SETTING", ""), " ".join(sys.argv[1:])]
    return ["\\n".join(lines).encode(), b"\\n", environ["wsgi.input"].read(length)]

print("ready", flush=True)
make_server("127.0.0.1", int(os.environ["HTTP_PLATFORM_PORT"]), application, handler_class=Quiet).serve_forever()
"""
ECHO = """
import os
from websockets.sync.server import serve

def echo(connection):
    for message in connection:
        connection.send(connection.request.path + " " + message if isinstance(message, str) else message)

with serve(echo, "127.0.0.1", int(os.environ["PORT"]), subprotocols=["chat"]) as server:
    server.serve_forever()
"""


def config(
    arguments: str,
    attributes: str = "",
    variables: str = "",
    path: str = sys.executable,
    inner: str = "",
) -> str:
    return web_config(
        '<handlers><add name="platform" path="*" verb="*" modules="httpPlatformHandler" resourceType="Unspecified" /></handlers>'
        f'<httpPlatform processPath="{path}" arguments="{arguments}" {attributes}><environmentVariables>{variables}'
        f"</environmentVariables></httpPlatform>{inner}"
    )


def test_requests_reach_the_process(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(
        tmp_path,
        {
            "app.py": WSGI,
            "web.config": config(
                r"D:\home\site\wwwroot\app.py --port %HTTP_PLATFORM_PORT% &quot;two words&quot;",
                'stdoutLogEnabled="true" stdoutLogFile=".\\logs\\out"',
                '<environmentVariable name="MY_SETTING" value="D:\\home\\site\\wwwroot\\data" />',
            ),
        },
    )
    server = serve(tmp_path)
    answer = server.request("POST", "/a%20b?x=1", b"body", {"X-Forwarded-For": "203.0.113.9"})
    assert (answer.status, answer.reason) == (200, "OK")
    lines = answer.text.splitlines()
    assert lines[0] == f"HTTP_HOST=127.0.0.1:{server.port}" and lines[1].startswith(
        "HTTP_X_FORWARDED_FOR=203.0.113.9, 127.0.0.1:"
    )
    assert lines[2:5] == ["PATH_INFO=/a b", "QUERY_STRING=x=1", "REQUEST_METHOD=POST"]
    assert (
        lines[5] == str(tmp_path / "data")
        and lines[6].endswith(" two words")
        and lines[-1] == "body"
    )
    assert server.get("/teapot").status == 418
    server.wait_for(r"\[\d+\] ready")
    logs = list((tmp_path / "logs").glob("out_*.log"))
    assert len(logs) == 1 and logs[0].read_text() == "ready\n"
    assert re.fullmatch(rf"out_{server.process.pid}_20\d+\.log", logs[0].name)


PROBE = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Probe(BaseHTTPRequestHandler):
    server_version, sys_version = "Probe/1.0", ""
    def do_GET(self):
        status = int(self.path[1:4]) if self.path[1:4].isdigit() else 200
        if self.path.endswith("nobody"):
            self.send_response_only(status)
        else:
            self.send_response(status)
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        variables = {name: value for name, value in os.environ.items() if name.startswith("HTTP_PLATFORM_")}
        body = json.dumps({"target": self.path, "headers": headers, "env": variables, "argv": sys.argv[1:], "pid": os.getpid()}).encode()
        body = b"" if self.path.endswith("nobody") else body
        self.send_header("Location", "http://127.0.0.1:%s/next" % os.environ["HTTP_PLATFORM_PORT"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

HTTPServer(("127.0.0.1", int(os.environ["HTTP_PLATFORM_PORT"])), Probe).serve_forever()
"""


def test_what_a_process_is_asked_and_what_comes_of_its_answer(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    custom = "<httpProtocol><customHeaders><add name='X-Ours' value='1' /></customHeaders></httpProtocol>"
    write(tmp_path, {"app.py": PROBE, "web.config": config("app.py", inner=custom)})
    server = serve(tmp_path)
    answer = server.request("GET", "/a%2Fb%41?q=%2F", headers={"X-Forwarded-Proto": "https"})
    seen = json.loads(answer.text)
    assert seen["target"] == "/a/bA?q=%2F"
    headers = dict(seen["headers"])
    assert (headers["connection"], headers["x-forwarded-proto"]) == ("Keep-Alive", "https, http")
    location = f"http://127.0.0.1:{seen['env']['HTTP_PLATFORM_PORT']}/next"
    assert answer.headers["location"] == location
    assert (answer.headers["server"], answer.headers["x-ours"]) == ("Probe/1.0", "1")
    assert "server" not in server.get("/nobody").headers


def test_the_environment_of_a_process(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    variables = "".join(
        f'<environmentVariable name="{name}" value="{value}" />'
        for name, value in (
            ("HTTP_PLATFORM_GREETING", "on %HTTP_PLATFORM_PORT%, %HTTP_PLATFORM_DEBUG_PORT%"),
            ("Http_Platform_Port", "1"),
        )
    )
    arguments = "app.py --port %HTTP_PLATFORM_PORT% %HTTP_PLATFORM_DEBUG_PORT%"
    write(tmp_path, {"app.py": PROBE, "web.config": config(arguments, variables=variables)})
    seen = json.loads(serve(tmp_path).get("/").text)
    port, debug = (seen["env"][f"HTTP_PLATFORM_{name}"] for name in ("PORT", "DEBUG_PORT"))
    assert port != debug and seen["argv"] == ["--port", port, debug]
    assert seen["env"] == {
        "HTTP_PLATFORM_APPL_PATH": "/",
        "HTTP_PLATFORM_PORT": port,
        "HTTP_PLATFORM_DEBUG_PORT": debug,
        "HTTP_PLATFORM_GREETING": f"on {port}, {debug}",
    }


def test_processes_start_when_their_turn_comes(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(
        tmp_path, {"app.py": PROBE, "web.config": config("app.py", 'processesPerApplication="3"')}
    )
    server = serve(tmp_path)
    pids = [json.loads(server.get("/").text)["pid"] for _ in range(6)]
    assert len(set(pids[:3])) == 3 and pids[:3] == pids[3:]


def test_starts_are_tried_until_rapid_fails_are_used_up(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    fails = (
        "open('starts', 'a').write('x'); print('nothing works', flush=True); raise SystemExit(3)"
    )
    write(tmp_path, {"app.py": fails, "web.config": config("app.py")})
    server = serve(tmp_path, "--no-reload")
    for _ in range(2):
        answer = server.get("/")
        assert answer.status == 502 and "0x8007053d" in answer.text
        assert "10 failures within a minute" in answer.text and "nothing works" in answer.text
        assert (tmp_path / "starts").read_text() == "x" * 10


def test_the_end_of_a_ready_process_is_a_failure(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": WSGI, "web.config": config("app.py", 'rapidFailsPerMinute="1"')})
    server = serve(tmp_path)
    assert server.get("/").status == 200
    died = server.get("/die")
    assert died.status == 502 and "0x80072efe" in died.text
    server.wait_for(r"ended with exit code 9: failure 1 of 1 within a minute")
    server.wait_for(r"going down")
    answer = server.get("/")
    assert answer.status == 502 and "0x8007053d" in answer.text and "going down" in answer.text


def test_the_section_counts_at_the_root_of_the_application(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    files = {
        "app.py": PROBE,
        "web.config": config("app.py"),
        "sub/web.config": web_config('<httpPlatform processPath="nothing" arguments="none.py" />'),
    }
    server = serve(write(tmp_path, files))
    first, second = (json.loads(server.get(path).text) for path in ("/", "/sub/x"))
    assert first["pid"] == second["pid"] and second["target"] == "/sub/x"


@pytest.mark.parametrize(
    ("errors", "path", "body"),
    [
        ("", "/404", '{"target"'),
        ("", "/404nobody", ""),
        ('existingResponse="Replace"', "/404", "our page"),
        ('existingResponse="Replace"', "/404nobody", "our page"),
        ('existingResponse="PassThrough"', "/404", '{"target"'),
    ],
)
@pytest.mark.parametrize("outbound", [False, True])
def test_the_errors_of_a_process_pass(
    tmp_path: Path,
    serve: Callable[..., LiveServer],
    errors: str,
    path: str,
    body: str,
    outbound: bool,
) -> None:
    inner = (
        f'<httpErrors errorMode="Custom" {errors}><remove statusCode="404" />'
        '<error statusCode="404" path="404.txt" /></httpErrors>'
    )
    if outbound:
        inner += (
            '<rewrite><outboundRules><rule name="r"><match pattern="nothing" />'
            '<action type="Rewrite" value="x" /></rule></outboundRules></rewrite>'
        )
    files = {
        "app.py": PROBE,
        "404.txt": "our page",
        "web.config": config("app.py", inner=inner),
    }
    answer = serve(write(tmp_path, files)).get(path)
    assert answer.status == 404 and answer.text.startswith(body) and bool(answer.text) == bool(body)


def test_a_process_that_ends_is_replaced_and_reload_restarts_it(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": WSGI, "web.config": config("app.py")})
    server = serve(tmp_path)
    first = server.get("/").headers["x-pid"]
    assert server.get("/").headers["x-pid"] == first
    assert server.get("/die").status == 502
    server.wait_for("ended with exit code 9")  # until then a request may still be for that process
    second = server.get("/").headers["x-pid"]
    assert second != first
    write(tmp_path, {"other.py": ""})
    server.wait_for("other.py changed: workers restart")
    third = server.get("/").headers["x-pid"]
    server.stop()
    assert third != second
    for pid in (first, second, third):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_files_of_recycle_on_file_change(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    recycle = '<recycleOnFileChange><file path=".\\data\\settings.json" /></recycleOnFileChange>'
    write(
        tmp_path,
        {
            "app.py": WSGI,
            "data/settings.json": "{}",
            "web.config": config("app.py").replace("</httpPlatform>", recycle + "</httpPlatform>"),
        },
    )
    server = serve(tmp_path)
    first = server.get("/").headers["x-pid"]
    write(tmp_path, {"data/settings.json": "[]"})
    server.wait_for("data/settings.json changed: workers restart")
    assert server.get("/").headers["x-pid"] != first


@pytest.mark.parametrize(
    ("arguments", "path", "text"),
    [
        ("-c &quot;import sys; sys.exit('cannot start')&quot;", sys.executable, "cannot start"),
        ("-c &quot;import time; time.sleep(60)&quot;", sys.executable, "did not listen on port"),
        ("x", "C:\\nowhere\\strange.exe", "no program here"),
        ("x", "", "of httpPlatform failed to start: &lt;httpPlatform&gt; has no processPath"),
    ],
)
def test_failures_are_502_3(
    tmp_path: Path, arguments: str, path: str, text: str, serve: Callable[..., LiveServer]
) -> None:
    write(
        tmp_path,
        {"web.config": config(arguments, 'startupTimeLimit="1" startupRetryCount="1"', path=path)},
    )
    answer = serve(tmp_path).get("/")
    assert answer.status == 502 and "502.3" in answer.text and text in answer.text


def test_headers_of_an_answer_have_a_limit(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    app = WSGI.replace(
        '("X-Pid", ', '("X-Long", "x" * int("0" + environ["QUERY_STRING"])), ("X-Pid", '
    )
    server = serve(write(tmp_path, {"app.py": app, "web.config": config("app.py")}))
    assert server.get("/?60000").status == 200
    answer = server.get("/?66000")
    assert answer.status == 502 and "more than 64 KiB of headers" in answer.text


def test_a_request_in_progress_outlives_a_save(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    wait = """
    if path == "/wait":
        print("waits", flush=True)
        while not os.path.exists("release"):
            time.sleep(0.02)
    length = int"""
    app = "import time" + WSGI.replace("\n    length = int", wait, 1)
    server = serve(write(tmp_path, {"app.py": app, "web.config": config("app.py")}))
    first = server.get("/").headers["x-pid"]
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/wait")
    server.wait_for(r"\] waits")
    write(tmp_path, {"other.py": ""})
    server.wait_for("other.py changed: workers restart")
    assert server.get("/").headers["x-pid"] != first
    write(tmp_path, {"release": ""})
    assert connection.getresponse().getheader("x-pid") == first
    connection.close()


def test_a_save_lifts_the_block_of_rapid_fails(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(
        write(tmp_path, {"app.py": "raise SystemExit(3)", "web.config": config("app.py")})
    )
    assert "rapidFailsPerMinute is used up" in server.get("/").text
    write(tmp_path, {"app.py": WSGI})
    server.wait_for("app.py changed: workers restart")
    assert server.get("/").status == 200


def test_websockets_pass(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    write(
        tmp_path,
        {
            "app.py": ECHO,
            "web.config": config(
                "app.py",
                variables='<environmentVariable name="PORT" value="%HTTP_PLATFORM_PORT%" />',
            ),
        },
    )
    server = serve(tmp_path)
    with connect(
        f"ws://127.0.0.1:{server.port}/chat?room=1", subprotocols=["chat"], proxy=None
    ) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "chat"
        socket.send("hello")
        assert socket.recv(10) == "/chat?room=1 hello"
        socket.send(b"\x00\xff" * 70000)
        assert socket.recv(10) == b"\x00\xff" * 70000


REFUSING = PROBE.replace(
    "        status = int(",
    """        if "upgrade" in self.headers:
            self.send_response(401, "Not You")
            if self.path == "/length":
                self.send_header("Content-Length", "2")
            self.send_header("WWW-Authenticate", "Own")
            self.end_headers()
            self.wfile.write(b"no")
            return
        status = int(""",
)


def upgrade(server: LiveServer, path: str) -> bytes:
    return server.raw(
        f"GET {path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "X-Forwarded-For: 203.0.113.9\r\n\r\n".encode()
        + b"GET /after HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize("path", ["/length", "/close"])
def test_a_refusal_to_upgrade_is_passed_on(
    tmp_path: Path, serve: Callable[..., LiveServer], path: str
) -> None:
    write(tmp_path, {"app.py": REFUSING, "web.config": config("app.py")})
    raw = upgrade(serve(tmp_path), path)
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 Not You\r\n") and rest.startswith(b"noHTTP/1.1 200 ")
    assert b"\r\nWWW-Authenticate: Own" in head and b"\r\nContent-Length: 2" in head
    assert head.count(b"\r\nDate: ") == 1 and b"\r\nServer: Probe/1.0" in head


def test_a_process_that_does_not_come_up_is_502_3_for_websockets_too(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"app.py": "raise SystemExit(3)", "web.config": config("app.py")})
    server = serve(tmp_path)
    assert upgrade(server, "/").startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    server.wait_for(r"502\.3 GET / -> .* rapidFailsPerMinute is used up")


def test_without_the_feature_a_request_to_upgrade_is_one_like_any_other(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    off = '<webSocket enabled="false" />'
    write(tmp_path, {"app.py": REFUSING, "web.config": config("app.py", inner=off)})
    raw = upgrade(serve(tmp_path), "/plain")
    assert raw.startswith(b"HTTP/1.1 200 OK") and b'"target": "/plain"' in raw
    headers = dict(json.loads(raw.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")[0])["headers"])
    assert headers["connection"] == "Keep-Alive" and "upgrade" not in headers
    assert headers["host"] == "www.example.com"
    assert re.fullmatch(r"203\.0\.113\.9, 127\.0\.0\.1:\d+", headers["x-forwarded-for"])


def test_a_websocket_that_nothing_answers_is_refused(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(write(tmp_path, {"web.config": web_config()}))
    with pytest.raises(Exception, match="403|rejected"):
        connect(f"ws://127.0.0.1:{server.port}/", proxy=None)


def test_node(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    write(
        tmp_path,
        {
            "server.js": "require('http').createServer((q, a) => a.end('node ' + q.url)).listen(process.env.PORT, '127.0.0.1')",
            "web.config": config(
                "server.js",
                path="node.exe",
                variables='<environmentVariable name="PORT" value="%HTTP_PLATFORM_PORT%" />',
            ),
        },
    )
    assert serve(tmp_path).get("/x?y").text == "node /x?y"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("none.py", r"likely cause: there is no none\.py in the site\. Correct the arguments"),
        ("app.py %HTTP_PLATFORMPORT%", r"likely cause: %HTTP_PLATFORMPORT% is not a variable"),
        ("needs.py", r"likely cause: flask-of-the-site is in requirements\.txt"),
    ],
)
def test_the_console_names_why_a_process_does_not_start(
    tmp_path: Path, serve: Callable[..., LiveServer], arguments: str, words: str
) -> None:
    files = {
        "app.py": WSGI.replace('os.environ["HTTP_PLATFORM_PORT"]', "sys.argv[1]"),
        "needs.py": "import flask_of_the_site\n",
        "requirements.txt": "flask-of-the-site\n",
        "web.config": config(arguments, 'startupRetryCount="1" startupTimeLimit="10"'),
    }
    server = serve(write(tmp_path, files))
    answer = server.get("/")
    assert answer.status == 502 and "Start it by hand: cd " in answer.text
    server.wait_for(words)
    server.wait_for(r"502\.3 .*The process of httpPlatform, .*, failed to start: it ended with")


@pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="which ports a process listens on is told by Linux"
)
def test_a_process_that_listens_elsewhere(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    elsewhere = WSGI.replace('int(os.environ["HTTP_PLATFORM_PORT"])', "0")
    write(tmp_path, {"app.py": elsewhere, "web.config": config("app.py", 'startupTimeLimit="2"')})
    server = serve(tmp_path)
    assert server.get("/").status == 502
    server.wait_for(
        r"likely cause: The process listens on port \d+, and IIS gives it another one each time"
    )
