"""Requests through real worker processes: bodies, streams, failures, concurrency."""

from __future__ import annotations

import os
import re
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..sites import write, wsgi_site
from .server import STOP_SECONDS, LiveServer, all_end

APP = """
import os, signal, subprocess, sys, time

def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/").split("/")[0]](environ, start_response)

def plain(start_response, text, status="200 OK"):
    start_response(status, [("Content-Type", "text/plain")])
    return [text.encode()]

def pid(environ, start_response):
    return plain(start_response, str(os.getpid()))

def family(environ, start_response):
    child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    return plain(start_response, "%d %d" % (os.getpid(), child.pid))

def echo(environ, start_response):
    data = environ["wsgi.input"].read()
    return plain(start_response, "%s %d" % (environ["CONTENT_LENGTH"], len(data)))

def large(environ, start_response):
    size = int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for _ in range(size // 65536):
        yield b"x" * 65536

def die(environ, start_response):
    print("these are my last words")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

def fails(environ, start_response):
    print("printed before")
    raise RuntimeError("the application failed")

def late(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first part"
    while environ["QUERY_STRING"] and not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    raise RuntimeError("too late")

def typed(environ, start_response):
    start_response("200 OK", [("Content-Length", 5)])
    return [b"12345"]

def parts(environ, start_response):
    start_response("200 OK", [])
    return [bytearray(b"12345")]

def dies_late(environ, start_response):
    start_response("200 OK", [])
    yield b"partial"
    os._exit(5)

def length(environ, start_response):
    start_response("200 OK", [("Content-Length", environ["QUERY_STRING"])])
    return [b"12345"]

def prints(environ, start_response):
    print("hello console")
    return plain(start_response, "ok")

def environment(environ, start_response):
    return plain(start_response, "\\n".join("%s=%s" % pair for pair in sorted(environ.items()) if isinstance(pair[1], str)))

def process(environ, start_response):
    return plain(start_response, repr((os.getcwd(), sys.path[0], os.environ.get("MY_SETTING"), "/lib/extra" in sys.path)))

def modules(environ, start_response):
    return plain(start_response, " ".join(sorted(name for name in sys.modules if "flup" in name or "fcgiemu" == name)))

def hang(environ, start_response):
    print("nothing will come")
    time.sleep(60)

def header(environ, start_response):
    start_response("404 Nothing Here", [("X-One", "1"), ("X-One", "2"), ("Server", "mine")])
    return [b"none"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "app.py": APP,
            "web.config": wsgi_site(MY_SETTING="value", PYTHONPATH="/lib/extra;%NOPE%;"),
        },
    )


@pytest.fixture
def server(site: Path, serve: Callable[..., LiveServer]) -> LiveServer:
    return serve(site, "--no-reload")


def test_environment_of_the_application(server: LiveServer) -> None:
    answer = server.get("/environment/a%20b/c?x=%20y", {"X-Custom": "v"})
    seen = dict(line.split("=", 1) for line in answer.text.splitlines())
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"], seen["QUERY_STRING"]) == (
        "",
        "/environment/a b/c",
        "x=%20y",
    )
    assert (seen["REQUEST_URI"], seen["HTTP_X_CUSTOM"]) == ("/environment/a%20b/c?x=%20y", "v")
    assert (
        seen["SERVER_SOFTWARE"] == "Microsoft-IIS/10.0" and seen["GATEWAY_INTERFACE"] == "CGI/1.1"
    )
    assert seen["SERVER_PORT"] == str(server.port) and seen["INSTANCE_META_PATH"] == "/LM/W3SVC/1"


def test_a_proxy_header_never_becomes_http_proxy(server: LiveServer) -> None:
    assert "HTTP_PROXY=" not in server.get("/environment", {"Proxy": "http://evil/"}).text


def test_process_state(server: LiveServer, site: Path) -> None:
    assert server.get("/process").text == repr((str(site), ".", "value", True))
    assert server.get("/modules").text == ""


def test_status_reason_and_headers_pass(server: LiveServer) -> None:
    raw = server.raw(b"GET /header HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 Nothing Here\r\n")
    assert head.count(b"X-One: ") == 2 and b"mine" not in head and body == b"none"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 3_000_000])
def test_bodies(server: LiveServer, size: int) -> None:
    assert server.request("POST", "/echo", b"x" * size).text == f"{size} {size}"


def test_a_chunked_body_gets_its_length(server: LiveServer) -> None:
    raw = server.raw(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    )
    assert raw.endswith(b"\r\n\r\n11 11")


def test_head_has_no_body(server: LiveServer) -> None:
    answer = server.request("HEAD", "/pid")
    assert answer.status == 200 and answer.body == b"" and int(answer.headers["content-length"]) > 0


def test_keep_alive_serves_many_requests_of_one_process(
    site: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site, "--workers", "1")
    assert len({server.get("/pid").text for _ in range(20)}) == 1


def test_an_exception_is_a_500_with_its_traceback(server: LiveServer) -> None:
    answer = server.get("/fails")
    assert answer.status == 500
    assert (
        "RuntimeError: the application failed" in answer.text
        and "StdOut: printed before" in answer.text
    )
    assert server.get("/pid").status == 200


def test_a_late_exception_is_a_500_while_the_response_fits_its_buffer(server: LiveServer) -> None:
    answer = server.get("/late")
    assert answer.status == 500 and "too late" in answer.text and "first part" not in answer.text


def test_with_no_buffer_a_late_exception_cuts_the_response(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    site = write(
        tmp_path,
        {"app.py": APP, "web.config": wsgi_site(handler_attributes={"responseBufferLimit": "0"})},
    )
    go = tmp_path / "go"
    server = serve(site)
    with server.connect() as sock:
        sock.sendall(
            b"GET /late?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % str(go).encode()
        )
        raw = b""
        while b"first part" not in raw:
            raw += sock.recv(65536)
        go.touch()
        raw += read_all(sock)
    assert raw.startswith(b"HTTP/1.1 200 OK") and not raw.endswith(b"0\r\n\r\n")
    server.wait_for("RuntimeError: too late")
    server.wait_for(" 200 .*cut short: the application wrote to STDERR")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/typed", "'int' object has no attribute 'decode'"),
        ("/parts", "content must be encoded before sending"),
        ("/dies_late", "exited unexpectedly"),
        ("/length?abc", "headers that cannot be used"),
        ("/length?-5", "headers that cannot be used"),
    ],
)
def test_what_wfastcgi_and_iis_refuse(server: LiveServer, target: str, text: str) -> None:
    answer = server.get(target)
    assert answer.status == 500 and text in answer.text
    assert "internal error of fcgiemu" not in server.log()


def test_a_failed_import_is_told_every_time(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    site = write(tmp_path, {"app.py": "import nothing_here\n", "web.config": wsgi_site()})
    server = serve(site)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.get("/"), range(24)))
    assert all(answer.text.count("No module named 'nothing_here'") >= 1 for answer in answers)
    assert not any("behind it" in answer.text for answer in answers)


def test_a_bad_restart_regex(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    site = write(tmp_path, {"app.py": APP, "web.config": wsgi_site(WSGI_RESTART_FILE_REGEX="*.py")})
    answer = serve(site).get("/pid")
    assert answer.status == 500 and "Error occurred starting file watcher" in answer.text


def test_output_appears_in_the_console_with_its_request(server: LiveServer) -> None:
    assert server.get("/prints").status == 200
    server.wait_for(r"\[\d+ GET /prints\] hello console")


def test_a_process_that_dies_is_named_with_its_last_words_and_replaced(server: LiveServer) -> None:
    answer = server.get("/die")
    assert answer.status == 500
    assert "exited unexpectedly" in answer.text and "these are my last words" in answer.text
    assert "signal 9" in answer.text
    assert server.get("/pid").status == 200


def test_64_requests_at_once_on_2_workers(server: LiveServer) -> None:
    with ThreadPoolExecutor(64) as pool:
        answers = list(
            pool.map(lambda number: server.request("POST", "/echo", b"y" * number), range(64))
        )
    assert [answer.text for answer in answers] == [f"{number} {number}" for number in range(64)]


def test_100_mb_both_ways_without_growth(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    size = 100 << 20
    limits = f'<security><requestFiltering><requestLimits maxAllowedContentLength="{size}" /></requestFiltering></security>'
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site(inner=limits)}))
    server.get("/pid")
    before = peak_memory(server.process.pid)
    portion = b"z" * 65536
    with server.connect() as sock:
        sock.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            % size
        )
        for _ in range(size // len(portion)):
            sock.sendall(portion)
        assert read_all(sock).endswith(b"%d %d" % (size, size))
    with server.connect() as sock:
        sock.sendall(b"GET /large?%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
        total = 0
        while part := sock.recv(1 << 18):
            total += len(part)
    assert total > size
    assert peak_memory(server.process.pid) - before < 40 << 20


def test_an_upload_over_the_limit_is_refused(server: LiveServer) -> None:
    raw = server.raw(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 30000001\r\n\r\n")
    assert (
        raw.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n") and b"Connection: close" in raw
    )


def test_a_client_that_goes_away_frees_the_worker(
    site: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site, "--workers", "1")
    with server.connect() as sock:
        sock.sendall(b"GET /large?1073741824 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK")
    server.wait_for("client went away")
    assert server.get("/pid").status == 200


def test_an_upload_cut_short_frees_the_worker(site: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(site, "--workers", "1")
    with server.connect() as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")
    server.wait_for("POST /echo")
    assert server.get("/pid").status == 200


@pytest.mark.usefixtures("not_under_nohup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_everything_also_under_a_streaming_request(
    server: LiveServer, number: signal.Signals
) -> None:
    workers = [int(server.get("/pid").text)]
    with server.connect() as sock:
        sock.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Timer(0.3, lambda: server.process.send_signal(number)).start()
        server.process.wait(STOP_SECONDS)
    assert not any(alive(worker) for worker in workers)


def test_requests_that_outlast_the_end_of_the_server_get_no_answer(
    site: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site, "--workers", "1")
    with server.connect() as working, server.connect() as waiting:
        working.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for("nothing will come")
        waiting.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n")
        server.stop()
        assert working.recv(100) == waiting.recv(100) == b""
    assert not re.search("GET /(hang|pid) ->|Traceback|Cancel", server.log())
    assert "2 requests in progress given up after 5 seconds\n" in server.log()


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"),
    reason="no pidfd on this system to wait for another process's child",
)
def test_nothing_outlives_a_server_that_is_killed(
    site: Path, serve: Callable[..., LiveServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        server = serve(site, "--no-reload")
        with all_end(server.get("/family").text):
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait(STOP_SECONDS)
        assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        ("", "WSGI_HANDLER env var must be set"),
        ("nothing.app", "No module named 'nothing'"),
        ("app.missing", "has no attribute 'missing'"),
        ("app", '"app" could not be imported'),
    ],
)
def test_handlers_that_cannot_be_loaded(
    tmp_path: Path, serve: Callable[..., LiveServer], handler: str, text: str
) -> None:
    site = write(tmp_path, {"app.py": APP, "web.config": wsgi_site(handler)})
    answer = serve(site).get("/")
    assert answer.status == 500 and text in answer.text


def test_a_script_processor_that_does_not_exist(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    config = wsgi_site().replace(
        r"D:\Python34\python.exe|D:\Python34\Scripts\wfastcgi.py", r"C:\nowhere\strange.exe"
    )
    answer = serve(write(tmp_path, {"web.config": config})).get("/")
    assert (
        answer.status == 500
        and "There is no program here for C:\\nowhere\\strange.exe" in answer.text
    )


def peak_memory(pid: int) -> int:
    """Bytes of resident memory at the highest; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the connection ends, in whatever way."""
    parts = []
    try:
        while part := sock.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_ends_in_good_order(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    """What the site has registered for the end runs when the server stops, and when the handler
    could not be loaded.
    """
    app = (
        "import atexit\natexit.register(lambda: open('ended', 'w').close())\ndef application(environ, start_response):\n"
        "    start_response('200 OK', [])\n    return []\n"
    )
    server = serve(write(tmp_path, {"app.py": app, "web.config": wsgi_site(WSGI_LOG="log.txt")}))
    assert server.get("/").status == 200
    server.stop()
    assert (tmp_path / "ended").exists()
    lines = [
        line.split(": ", 1)[1]
        for line in (tmp_path / "log.txt").read_text().splitlines()
        if "wfastcgi.py" in line or "on_exit" in line
    ]
    assert lines[-2:] == ["Running on_exit tasks", "wfastcgi.py 3.0.0 closed"]
    assert (
        f"will restart when files in {tmp_path}/ are changed" in (tmp_path / "log.txt").read_text()
    )
    (tmp_path / "ended").unlink()
    server = serve(write(tmp_path, {"app.py": app + "raise ValueError\n"}))
    assert server.get("/").status == 500
    server.stop()
    assert (tmp_path / "ended").exists()
