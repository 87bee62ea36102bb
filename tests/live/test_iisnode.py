"""iisnode with a real Node: what an application gets, how its processes are kept, what is said
where it does not answer, and its log files.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from fcgiemu.diagnosis.doctor import examine
from fcgiemu.site import Site

from ..node import ALL, ECHO, needs_node, node_config
from ..sites import write
from .server import LiveServer, all_end, eventually

pytestmark = needs_node
Serve = Callable[..., LiveServer]


def seen(server: LiveServer, *asked: Any, **more: Any) -> dict[str, Any]:
    answer = server.request(*asked, **more)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = json.loads(answer.text)
    return found


def test_what_an_application_gets(tmp_path: Path, serve: Serve) -> None:
    settings = '<add key="one" value="1" /><add key="empty" value="" /><add key="" value="no" />'
    config = node_config('node_env="production"', ALL, settings)
    server = serve(write(tmp_path, {"server.js": ECHO, "web.config": config}))
    got = seen(server, "POST", "/a/b%20c?x=%2F", b"body", {"Connection": "close", "X-Own": "1"})
    assert (got["url"], got["method"], got["body"]) == ("/a/b%20c?x=%2F", "POST", "body")
    headers, env = got["headers"], got["env"]
    assert headers["connection"] == "keep-alive" and headers["x-own"] == "1"
    assert headers["x-original-url"] == "/a/b%20c?x=%2F" and "x-forwarded-for" not in headers
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert env["PORT"] == env["port"] and "/pipe/" in env["PORT"] and not env["PORT"].isdigit()
    assert (env["one"], env["empty"], env["NODE_ENV"]) == ("1", "", "production")
    assert env["IISNODE_VERSION"] == "0.2.27" and env["IISNODE_LOGGINGENABLED"] == "1"
    assert env["NODE_PENDING_PIPE_INSTANCES"] == "5000" and "HTTP_PLATFORM_PORT" not in env
    assert [Path(word).name for word in got["argv"]] == ["node", "server.js"]
    assert (got["cwd"], got["main"], got["parent"]) == (str(tmp_path), False, True)


def test_headers_that_iisnode_adds(tmp_path: Path, serve: Serve) -> None:
    attributes = 'enableXFF="true" promoteServerVars="REMOTE_ADDR,AUTH_USER,NOTHING,REQUEST_METHOD"'
    config = node_config(attributes)
    server = serve(write(tmp_path, {"server.js": ECHO, "web.config": config}))
    sent = {"X-Forwarded-For": "203.0.113.9", "x-iisnode-own": "kept", "Accept": "x/y"}
    got = seen(server, "GET", "/server.js/x", headers=sent)
    headers = got["headers"]
    assert headers["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http" and headers["x-iisnode-own"] == "kept"
    assert (headers["x-iisnode-remote_addr"], headers["x-iisnode-auth_user"]) == ("127.0.0.1", "")
    assert "x-iisnode-nothing" not in headers and got["url"] == "/server.js/x"
    names = got["raw"]
    assert names.index("Connection") < names.index("Accept") < names.index("Host")
    assert names.index("X-iisnode-REQUEST_METHOD") < names.index("X-iisnode-REMOTE_ADDR")
    again = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    headers = seen(server, "GET", "/server.js", headers=again)["headers"]
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "https")


def test_a_value_with_a_line_end_is_one_header(tmp_path: Path, serve: Serve) -> None:
    rewrite = (
        '<rewrite><rules><rule name="r"><match url="(.*)" /><serverVariables>'
        '<set name="HTTP_X_PART" value="{C:1}" /></serverVariables><conditions>'
        '<add input="{UrlDecode:{QUERY_STRING}}" pattern="v=(.*)" /></conditions>'
        '<action type="Rewrite" url="server.js" /></rule></rules><allowedServerVariables>'
        '<add name="HTTP_X_PART" /></allowedServerVariables></rewrite>'
    )
    server = serve(write(tmp_path, {"server.js": ECHO, "web.config": node_config("", rewrite)}))
    headers = seen(server, "GET", "/a?v=1%0d%0aX-Forged:2")["headers"]
    assert "x-forged" not in headers and headers["x-part"].startswith("1")


def test_a_url_that_no_rule_rewrites_is_not_encoded_again(tmp_path: Path, serve: Serve) -> None:
    server = serve(write(tmp_path, {"server.js": ECHO, "web.config": node_config()}))
    assert seen(server, "GET", "/server.js/a%2Fb?q=%2F")["url"] == "/server.js/a/b?q=%2F"
    assert server.get("/server.js/a%20b").status == 400  # Node's word about the blank
    own = {"X-Original-URL": "/else"}
    assert seen(server, "GET", "/server.js", headers=own)["url"] == "/else"


def test_chunked_bodies_and_streams(tmp_path: Path, serve: Serve) -> None:
    script = """
    require('http').createServer(function (request, response) {
        response.write(request.headers['transfer-encoding'] || 'none');
        request.pipe(response);
    }).listen(process.env.PORT);
    """
    server = serve(write(tmp_path, {"server.js": script, "web.config": node_config()}))
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    parts = iter([b"x" * 70000, b"end"])
    connection.request("POST", "/server.js", body=parts, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.read() == b"chunked" + b"x" * 70000 + b"end"
    connection.request("POST", "/server.js", body=b"y" * 500000)
    assert connection.getresponse().read() == b"none" + b"y" * 500000
    connection.request("HEAD", "/server.js")
    assert connection.getresponse().read() == b""
    connection.close()


def test_flush_response(tmp_path: Path, serve: Serve) -> None:
    script = """
    let release;
    require('http').createServer(function (request, response) {
        if (request.url.endsWith('go')) { release.end('second'); response.end(); return; }
        response.write('first'); release = response;
    }).listen(process.env.PORT);
    """
    config = node_config('flushResponse="true"')
    server = serve(write(tmp_path, {"server.js": script, "web.config": config}))
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/server.js")
    answer = connection.getresponse()
    assert answer.read(5) == b"first"
    server.get("/server.js/go")
    assert answer.read() == b"second"
    connection.close()


def test_processes_answer_in_turns(tmp_path: Path, serve: Serve) -> None:
    files = {
        "server.js": ECHO,
        "web.config": node_config('nodeProcessCountPerApplication="2"'),
        "iisnode.yml": "nodeProcessCountPerApplication: 3 # three\r\nnoSuchKey: x\r\n",
    }
    server = serve(write(tmp_path, files))
    got = [seen(server, "GET", "/server.js") for _ in range(4)]
    assert [one["count"] for one in got] == [1, 1, 1, 2]
    pids = [one["pid"] for one in got]
    assert len(set(pids)) == 3 and pids[0] == pids[3]
    with all_end(" ".join(map(str, set(pids)))):
        server.stop()
    assert not list(Path(got[0]["env"]["PORT"]).parent.parent.glob("*"))


def test_sticky_sessions(tmp_path: Path, serve: Serve) -> None:
    attributes = 'nodeProcessCountPerApplication="2" nodeProcessStickySessions="true"'
    server = serve(write(tmp_path, {"server.js": ECHO, "web.config": node_config(attributes)}))
    first = server.get("/server.js")
    cookie = first.headers["set-cookie"]
    assert re.fullmatch(r"iisnode\.session\.cookie=\d+", cookie)
    pid = json.loads(first.text)["pid"]
    for _ in range(3):
        assert seen(server, "GET", "/server.js", headers={"Cookie": cookie})["pid"] == pid


def test_an_ended_process_is_replaced(tmp_path: Path, serve: Serve) -> None:
    script = """
    require('http').createServer(function (request, response) {
        if (request.url.endsWith('die')) { console.error('going down'); process.exit(3); }
        response.end(String(process.pid));
    }).listen(process.env.PORT);
    """
    server = serve(write(tmp_path, {"server.js": script, "web.config": node_config()}))
    first = server.get("/server.js").text
    died = server.get("/server.js/die")
    assert died.status == 200 and died.headers["content-type"] == "text/html"
    assert "HTTP subStatus: 1013" in died.text and "going down" in died.text
    assert "HRESULT: 0x6d" in died.text
    server.wait_for(r"500\.1013")
    assert server.get("/server.js").text not in ("", first)


@pytest.mark.parametrize(
    ("script", "substatus", "words"),
    [
        ("console.error('cannot start'); process.exit(1);", 1002, "cannot start"),
        ("throw new Error('thrown');", 1002, "Error: thrown"),
        ("require('http').createServer().listen(Number(process.env.PORT));", 1002, "PORT"),
        ("setInterval(function () {}, 1000);", 1001, "within 0.2 seconds"),
    ],
)
def test_an_application_that_does_not_listen(
    tmp_path: Path, serve: Serve, script: str, substatus: int, words: str
) -> None:
    tries = 'maxNamedPipeConnectionRetry="2" namedPipeConnectionRetryDelay="100"'
    if substatus == 1002:
        tries = ""
    files = {
        "server.js": script,
        "web.config": node_config(tries or 'loggingEnabled="true"'),
        "off/server.js": script,
        "off/web.config": f"<configuration><system.webServer><iisnode {tries} devErrorsEnabled"
        '="false" /></system.webServer></configuration>',
    }
    server = serve(write(tmp_path, files))
    page = server.get("http://www.example.org/server.js")
    assert page.status == 200 and page.headers["cache-control"] == "no-cache"
    assert f"HTTP subStatus: {substatus}" in page.text and words in page.text
    server.wait_for(rf"500\.{substatus}")
    assert server.get("/off/server.js").status == 500
    server.wait_for(rf"500\.{substatus} GET /off/server\.js")


def test_a_program_that_is_not_there(tmp_path: Path, serve: Serve) -> None:
    files = {
        "server.js": ECHO,
        "web.config": node_config('nodeProcessCommandLine="idontexist.exe"'),
        "iisnode.yml": "",
        "off/server.js": ECHO,
        "off/iisnode.yml": "devErrorsEnabled: false",
    }
    server = serve(write(tmp_path, files))
    page = server.get("http://www.example.org/server.js")
    assert page.status == 200 and "nodeProcessCommandLine" in page.text
    answer = server.get("http://www.example.org/off/server.js")
    assert answer.status == 500 and "nodeProcessCommandLine" not in answer.text
    server.wait_for(r"500\.1000 GET \S+/off/server\.js")


def test_no_node_at_all(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path / "empty"), "NVM_DIR": str(tmp_path / "empty")}
    files = {"server.js": ECHO, "web.config": node_config("", ALL), "a/server.js": ""}
    with LiveServer(write(tmp_path / "site", files), environment=nowhere) as server:
        server.wait_for("error.*there is no such program here.*Install Node.js")
        page = server.get("/")
        assert page.status == 200 and "Install Node.js" in page.text
        server.wait_for(r"500\.1000: nodeProcessCommandLine")


def test_settings_that_cannot_be_read(tmp_path: Path, serve: Serve) -> None:
    files = {
        "server.js": ECHO,
        "web.config": node_config('devErrorsEnabled="false"'),
        "iisnode.yml": "loggingEnabled: perhaps",
    }
    server = serve(write(tmp_path, files))
    page = server.get("/server.js")
    assert page.status == 200 and "iisnode.yml:1" in page.text and "perhaps" in page.text
    remote = server.get("http://www.example.org/server.js")
    assert remote.status == 500 and "perhaps" not in remote.text
    write(tmp_path, {"iisnode.yml": "loggingEnabled: no"})
    assert eventually(lambda: server.get("/server.js").headers["content-type"]) != "text/html"


@pytest.mark.parametrize(
    ("errors", "expected"),
    [("", "our page"), ('existingResponse="PassThrough"', "of Node")],
)
def test_errors_of_an_application(tmp_path: Path, serve: Serve, errors: str, expected: str) -> None:
    script = """
    require('http').createServer(function (request, response) {
        response.statusCode = 404; response.end('of Node');
    }).listen(process.env.PORT);
    """
    inner = (
        f'<httpErrors errorMode="Custom" {errors}><remove statusCode="404" />'
        '<error statusCode="404" path="404.txt" /></httpErrors>'
    )
    files = {"server.js": script, "404.txt": "our page", "web.config": node_config("", inner)}
    answer = serve(write(tmp_path, files)).get("/server.js")
    assert (answer.status, answer.text) == (404, expected)
    assert answer.headers["server"] == "Microsoft-IIS/10.0"


RAW = """
require('net').createServer(function (socket) {
    socket.on('error', function () {});
    socket.once('data', function (data) {
        const name = /script=(\\w+)/.exec(data.toString());
        socket.end(ANSWERS[name ? name[1] : 'none'] || '');
    });
}).listen(process.env.PORT);
const ANSWERS = {
    sub: 'HTTP/1.1 404.8 Hidden\\r\\nContent-Length: 1\\r\\n\\r\\nx',
    status: 'nonsense\\r\\n\\r\\n',
    header: 'HTTP/1.1 200 OK\\r\\nno header\\r\\n\\r\\n',
    head: 'HTTP/1.1 200 OK\\r\\nX-Long: ' + 'x'.repeat(70000) + '\\r\\n\\r\\n',
    chunk: 'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n',
    early: 'HTTP/1.1 103 Early Hints\\r\\n\\r\\nHTTP/1.0 200 OK\\r\\n\\r\\nto the end',
    length: 'HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nshort'
};
"""


@pytest.mark.parametrize(
    ("name", "logged"),
    [
        ("status", r"500\.1013"),
        ("header", r"500\.1014"),
        ("head", r"500\.1012"),
        ("chunk", r"500\.1015"),
        ("length", r"500\.1016"),
        ("none", r"500\.1013"),
    ],
)
def test_answers_that_are_not_http(tmp_path: Path, serve: Serve, name: str, logged: str) -> None:
    server = serve(write(tmp_path, {"server.js": RAW, "web.config": node_config()}))
    answer = server.get(f"/server.js?script={name}")
    assert answer.status == 200 and "HTTP subStatus" in answer.text
    server.wait_for(logged)


def test_answers_in_other_forms(tmp_path: Path, serve: Serve) -> None:
    inner = '<httpErrors existingResponse="PassThrough" />'
    files = {"server.js": RAW, "web.config": node_config("", inner)}
    server = serve(write(tmp_path, files))
    answer = server.get("/server.js?script=sub")
    assert (answer.status, answer.text) == (404, "x")
    server.wait_for(r"404\.8")
    assert server.get("/server.js?script=early").text == "to the end"
    long = server.request("GET", "/server.js", headers={"X-Long": "x" * 8000})
    assert long.status == 200


def test_the_limits_of_a_process(tmp_path: Path, serve: Serve) -> None:
    script = """
    let waiting;
    require('http').createServer(function (request, response) {
        response.write('.'); waiting = response;
        process.stdout.write('asked\\n');
    }).listen(process.env.PORT);
    """
    attributes = 'maxConcurrentRequestsPerProcess="1" maxRequestBufferSize="300"'
    server = serve(write(tmp_path, {"server.js": script, "web.config": node_config(attributes)}))
    long = server.request("GET", "/server.js", headers={"X-Long": "x" * 400})
    assert "HTTP subStatus: 1005" in long.text
    with socket.create_connection(("127.0.0.1", server.port)) as first:
        first.sendall(b"GET /server.js HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_for(r"\] asked")
        assert server.get("/server.js").status == 503
        server.wait_for(r"503\.1002")


def test_log_files(tmp_path: Path, serve: Serve) -> None:
    script = """
    console.log('to stdout'); console.error('to stderr');
    require('http').createServer(function (request, response) {
        for (let n = 0; n < 40; n++) { process.stdout.write('x'.repeat(99) + '\\n'); }
        response.end(JSON.stringify([process.pid].concat(process.stdout.write('y') || [])));
    }).listen(process.env.PORT);
    """
    attributes = 'logDirectory="logs\\node" maxLogFileSizeInKB="1" maxLogFiles="4"'
    inner = '<staticContent><clientCache cacheControlMode="DisableCache" /></staticContent>'
    files = {"server.js": script, "web.config": node_config(attributes, inner)}
    server = serve(write(tmp_path, files), "--no-reload")
    (pid,) = json.loads(server.get("/server.js").text)  # of undefined nothing is left
    server.wait_for(r"\] to stdout")
    server.wait_for(r"\] to stderr")
    folder = tmp_path / "logs" / "node"
    names = [path.name for path in folder.glob("*.txt")]
    form = re.compile(rf"[A-Z0-9_.-]+-{pid}-(stdout|stderr)-\d{{13}}\.txt")
    assert all(map(form.fullmatch, names)) and len(names) <= 4
    index = server.get("/logs/node/index.html").text
    assert all(name in index for name in names if "stdout" in name)


@pytest.mark.parametrize(
    ("interceptor", "main", "own"), [("", True, ""), ("own.js", False, "before")]
)
def test_another_interceptor(
    tmp_path: Path, serve: Serve, interceptor: str, main: bool, own: str
) -> None:
    files = {
        "server.js": ECHO,
        "own.js": "process.env.OWN = 'before'; require(process.argv[2]);",
        "web.config": node_config(f'interceptor="{interceptor}"'),
    }
    got = seen(serve(write(tmp_path, files)), "GET", "/server.js")
    assert (got["main"], got["env"].get("OWN", "")) == (main, own)
    assert not (tmp_path / "iisnode").exists()


def test_a_stream_of_events_and_a_client_that_leaves(tmp_path: Path, serve: Serve) -> None:
    script = """
    require('http').createServer(function (request, response) {
        request.on('close', function () { process.stdout.write('left\\n'); });
        response.setHeader('Content-Type', 'text/event-stream');
        response.write('data: 1\\n\\n');
    }).listen(process.env.PORT);
    """
    config = node_config().replace('modules="iisnode"', 'modules="iisnode" responseBufferLimit="0"')
    server = serve(write(tmp_path, {"server.js": script, "web.config": config}))
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/server.js")
    answer = connection.getresponse()
    assert answer.readline() == b"data: 1\n"
    answer.close()
    connection.close()
    server.wait_for(r"\] left")


def test_output_is_lost_without_logging(tmp_path: Path, serve: Serve) -> None:
    config = node_config('loggingEnabled="false"')
    script = "console.log('hello');" + ECHO
    server = serve(write(tmp_path, {"server.js": script, "web.config": config}))
    assert "IISNODE_LOGGINGENABLED" not in seen(server, "GET", "/server.js")["env"]
    server.wait_for(r"\] hello")  # on the console all the same
    assert not (tmp_path / "iisnode").exists()


def test_watched_files(tmp_path: Path, serve: Serve) -> None:
    files = {
        "server.js": ECHO,
        "lib/x.txt": "",
        "web.config": node_config('watchedFiles="*.js;lib\\*.txt;none\\*.x"'),
    }
    server = serve(write(tmp_path, files), "--strict")
    first = seen(server, "GET", "/server.js")["pid"]
    write(tmp_path, {"lib/x.txt": "changed", "lib/y.json": "{}"})
    server.wait_for(r"lib/x\.txt changed: workers restart$")
    assert seen(server, "GET", "/server.js")["pid"] != first


def test_files_that_iis_does_not_watch(tmp_path: Path, serve: Serve) -> None:
    files = {"server.js": ECHO, "routes/a.js": "", "web.config": node_config()}
    server = serve(write(tmp_path, files))
    first = seen(server, "GET", "/server.js")["pid"]
    write(tmp_path, {"routes/a.js": "changed"})
    server.wait_for(r"routes/a\.js changed: workers restart \(reload-also; not on IIS\)")
    assert seen(server, "GET", "/server.js")["pid"] != first


def test_requests_in_progress_end_in_the_old_process(tmp_path: Path, serve: Serve) -> None:
    script = """
    let waiting;
    require('http').createServer(function (request, response) {
        if (request.url.endsWith('wait')) {
            process.stdout.write('waits\\n');
            require('fs').watchFile('release', { interval: 20 }, function () {
                require('fs').unwatchFile('release');
                response.end(String(process.pid));
            });
        } else { response.end(String(process.pid)); }
    }).listen(process.env.PORT);
    """
    server = serve(write(tmp_path, {"server.js": script, "web.config": node_config()}))
    old = server.get("/server.js").text
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/server.js/wait")
    server.wait_for(r"\] waits")
    write(tmp_path, {"server.js": script + "\n"})
    server.wait_for(r"server\.js changed: workers restart")
    assert server.get("/server.js").text != old
    write(tmp_path, {"release": "now"})
    assert connection.getresponse().read().decode() == old
    connection.close()


UPGRADE = """
const http = require('http'), crypto = require('crypto');
const server = http.createServer(function (request, response) {
    response.statusCode = 'upgrade' in request.headers ? 400 : 200;
    response.end('plain ' + request.headers.connection);
});
server.on('upgrade', function (request, socket) {
    const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
    const accept = crypto.createHash('sha1').update(key).digest('base64');
    socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n' +
        'Connection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
    socket.write(Buffer.from([0x81, 5]) + 'hello');
    socket.on('error', function () {});
});
server.listen(process.env.PORT);
"""


def test_web_sockets(tmp_path: Path, serve: Serve) -> None:
    files = {
        "server.js": UPGRADE.replace(
            "Buffer.from([0x81, 5]) + 'hello'", "'\\x81\\x05hello', 'latin1'"
        ),
        "web.config": node_config("", ALL),
        "on/server.js": UPGRADE,
        "on/web.config": '<configuration><system.webServer><webSocket enabled="true" />'
        "<rewrite><rules><clear /></rules></rewrite></system.webServer></configuration>",
    }
    server = serve(write(tmp_path, files))
    with connect(f"ws://127.0.0.1:{server.port}/chat") as client:
        assert client.recv(timeout=30) == "hello"
    asked = {"Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
    firefox = server.request("GET", "/", headers={**asked, "Connection": "keep-alive, Upgrade"})
    assert (firefox.status, firefox.text) == (400, "plain keep-alive")
    server.wait_for("as Firefox sends it")
    taken = server.request("GET", "/on/server.js", headers={**asked, "Connection": "Upgrade"})
    assert (taken.status, taken.text) == (200, "plain keep-alive")
    server.wait_for("webSocket enabled=")


def test_an_application_asks_for_new_processes(tmp_path: Path, serve: Serve) -> None:
    script = """
    require('http').createServer(function (request, response) {
        if (request.url.endsWith('recycle')) {
            require('net').connect(process.env.IISNODE_CONTROL_PIPE).end('recycle');
        }
        response.end(String(process.pid));
    }).listen(process.env.PORT);
    """
    config = node_config('recycleSignalEnabled="true"')
    server = serve(write(tmp_path, {"server.js": script, "web.config": config}))
    first = server.get("/server.js/recycle").text
    server.wait_for("asks for new processes")
    assert server.get("/server.js").text != first


def test_nothing_is_left_behind(tmp_path: Path, serve: Serve) -> None:
    server = serve(write(tmp_path, {"server.js": ECHO, "web.config": node_config()}))
    got = seen(server, "GET", "/server.js")
    with all_end(str(got["pid"])):
        server.stop()
    assert not os.path.exists(got["env"]["PORT"])


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (ECHO, "", "it listens on PORT"),
        ("throw new TypeError('no start');", "iisnode-not-started", "TypeError: no start"),
        ("require('no-such');", "iisnode-not-started", "no-such is not installed"),
        (
            "import('@no/such').catch((e) => {throw e});",
            "iisnode-not-started",
            "@no/such is not installed",
        ),
        ("require('./gone');", "iisnode-not-started", "Cannot find module './gone'"),
        ("x.listen(Number(process.env.PORT));", "iisnode-port-number", "is made a number"),
        ("setInterval(() => 1, 1000);", "iisnode-not-started", "within 0.2 seconds"),
    ],
)
def test_doctor(make_site: Callable[..., Site], script: str, code: str, words: str) -> None:
    tries = 'maxNamedPipeConnectionRetry="2" namedPipeConnectionRetryDelay="100"'
    config = node_config(tries if "setInterval" in script else "", ALL)
    site = make_site({"web.config": config, "server.js": script})
    steps = list(examine(site, site.root))
    assert any(words in step.text for step in steps), steps
    problems = [step for step in steps if step.status == "problem"]
    assert [step.finding.code for step in problems if step.finding] == ([code] if code else [])
    if "not installed" in words:
        assert problems[0].remedy.startswith(f"Run: npm install --prefix {site.path} ")
    elif code == "iisnode-not-started":
        assert "server.js" in problems[0].remedy
    assert any(step.text.startswith("Node v") for step in steps)
    assert not (site.path / "iisnode").exists()
