"""Every server with every application: {fcgiemu, nginx, lighttpd} x {our worker, Microsoft's
wfastcgi.py, php-cgi}.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fcgiemu.fastcgi.limits import Limits
from fcgiemu.fastcgi.process import Launch
from fcgiemu.programs.fastcgi_launch import Launcher, PoolOptions
from fcgiemu.programs.interpreters import find_program
from fcgiemu.site import Site

from ..sites import PROCESSOR, python_handler, web_config, write
from .server import READY_SECONDS, STOP_SECONDS, LiveServer

APP = """
def application(environ, start_response):
    body = environ["wsgi.input"].read()
    query = environ["QUERY_STRING"]
    if query == "fail":
        raise ValueError("on purpose")
    start_response("404 Not Found" if query == "missing" else "200 OK", [("Content-Type", "text/plain"), ("X-Made-By", "app")])
    return [b"x" * 300000] if query == "large" else [("%s %s %d" % (environ["REQUEST_METHOD"], query, len(body))).encode()]
"""
PHP = """<?php
header("Content-Type: text/plain"); header("X-Made-By: app");
$query = $_SERVER["QUERY_STRING"];
if ($query == "missing") { http_response_code(404); }
if ($query == "large") { echo str_repeat("x", 300000); }
else { echo $_SERVER["REQUEST_METHOD"], " ", $query, " ", strlen(file_get_contents("php://input")); }
"""
PHP_HANDLER = (
    r'<handlers><add name="PHP" path="*.php" verb="*" modules="FastCgiModule" scriptProcessor="C:\PHP\php-cgi.exe" '
    'resourceType="File" /></handlers>'
)
SERVERS = ["fcgiemu", "nginx", "lighttpd"]
APPLICATIONS = ["fcgiemu", "wfastcgi", "php-cgi"]


def skip_unless(server: str, application: str) -> None:
    for program in {server, application} - {"fcgiemu", "wfastcgi"}:
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None:
            pytest.skip(f"{program} is not installed")
    if application == "wfastcgi" and importlib.util.find_spec("wfastcgi") is None:
        pytest.skip("wfastcgi is not installed: pip install -e .[wfastcgi]")


def make_site(folder: Path, application: str) -> Path:
    files = (
        {"index.php": PHP, "web.config": web_config(PHP_HANDLER)}
        if application == "php-cgi"
        else {
            "app.py": APP,
            "index.php": "",
            "web.config": web_config(python_handler("*.php"), {"WSGI_HANDLER": "app.application"}),
        }
    )
    return write(folder / "site", dict(files))


def launch_of(site: Site, application: str) -> Launch:
    program = find_program(r"C:\PHP\php-cgi.exe" if application == "php-cgi" else PROCESSOR, site)
    worker = application if application == "wfastcgi" else "fcgiemu"
    return Launcher(site, PoolOptions(worker=worker)).launch(program, site.root, Limits())


class Listening:
    """An application behind a Unix socket, for servers that only connect: one process, or one a
    connection where the
    program wants the connection itself."""

    def __init__(self, path: Path, launch: Launch) -> None:
        self.path = path
        self.launch = launch
        self.processes: list[subprocess.Popen[bytes]] = []
        self.lifeline = os.pipe()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        path.chmod(0o777)
        self.socket.listen(16)
        if launch.listens:
            self.start(self.socket)
        else:
            threading.Thread(target=self.accept, daemon=True).start()

    def start(self, descriptor: socket.socket) -> None:
        self.processes.append(
            subprocess.Popen(
                self.launch.command,
                stdin=descriptor.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**self.launch.environment, "FCGIEMU_LIFELINE": str(self.lifeline[0])},
                cwd=self.launch.directory,
                pass_fds=[self.lifeline[0]],
                start_new_session=True,
            )
        )

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.start(connection)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)
        for descriptor in self.lifeline:
            os.close(descriptor)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# Without fastcgi_keep_conn nginx waits for the application to close, which wfastcgi.py never does.
NGINX = """daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ }}
http {{ access_log off; client_body_temp_path {folder}; fastcgi_temp_path {folder}; proxy_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ fastcgi_pass unix:{socket}; fastcgi_keep_conn on;
{params} }} }} }}
"""
LIGHTTPD = """server.document-root = "{site}"
server.bind = "127.0.0.1"
server.port = {port}
server.modules = ( "mod_fastcgi", "mod_setenv" )
fastcgi.server = ( ".php" => (( "socket" => "{socket}", "check-local" => "disable", "broken-scriptfilename" => "enable" )) )
setenv.set-environment = ( "APPL_PHYSICAL_PATH" => "{site}/", "PATH_INFO" => "/index.php" )
"""
PARAMS = {
    "SCRIPT_FILENAME": "{site}/index.php",
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "SCRIPT_NAME": "/index.php",
    "PATH_INFO": "/index.php",
    "REQUEST_URI": "$request_uri",
    "DOCUMENT_ROOT": "{site}",
    "SERVER_PROTOCOL": "$server_protocol",
    "REMOTE_ADDR": "$remote_addr",
    "SERVER_NAME": "$server_name",
    "SERVER_PORT": "$server_port",
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REDIRECT_STATUS": "200",
    "APPL_PHYSICAL_PATH": "{site}/",
}


@contextmanager
def foreign(server: str, folder: Path, site: Path, application: str) -> Iterator[int]:
    """nginx or lighttpd in front of the application."""
    port, path = free_port(), folder / "s"
    listening = Listening(path, launch_of(Site(site), application))
    config = folder / f"{server}.conf"
    if server == "nginx":
        params = "\n".join(
            f"    fastcgi_param {name} {value.format(site=site)};" for name, value in PARAMS.items()
        )
        user = "user root;" if os.getuid() == 0 else ""
        config.write_text(
            NGINX.format(folder=folder, port=port, socket=path, params=params, user=user)
        )
        command = ["nginx", "-c", str(config), "-p", str(folder)]
    else:
        config.write_text(LIGHTTPD.format(site=site, port=port, socket=path))
        command = ["lighttpd", "-D", "-f", str(config)]
    command[0] = shutil.which(server, path=os.environ["PATH"] + ":/usr/sbin") or server
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, f"{server} does not start"
        yield port
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        listening.close()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("application", APPLICATIONS)
def test_pair(
    server: str, application: str, tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    skip_unless(server, application)
    site = make_site(tmp_path, application)
    if server == "fcgiemu":
        check(
            serve(site, *(["--worker", "wfastcgi"] if application == "wfastcgi" else [])).port,
            application,
        )
        return
    with foreign(server, tmp_path, site, application) as port:
        check(port, application)


def check(port: int, application: str) -> None:
    def ask(method: str, query: str, body: bytes | None = None) -> tuple[int, bytes, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
        try:
            connection.request(method, f"/index.php?{query}", body)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("X-Made-By")
        finally:
            connection.close()

    assert ask("GET", "a=1") == (200, b"GET a=1 0", "app")
    assert ask("POST", "b", b"hello") == (200, b"POST b 5", "app")
    assert ask("POST", "c", b"x" * 200000) == (200, b"POST c 200000", "app")
    assert ask("GET", "large") == (200, b"x" * 300000, "app")
    assert ask("GET", "missing")[0] == 404
    assert ask("HEAD", "d")[:2] == (200, b"")
    if (
        application != "php-cgi"
    ):  # wfastcgi ends its header block without a blank line then, which nginx calls a bad gateway
        assert ask("GET", "fail")[0] in (500, 502)
    assert [ask("GET", str(number))[1] for number in range(5)] == [
        b"GET %d 0" % number for number in range(5)
    ]
