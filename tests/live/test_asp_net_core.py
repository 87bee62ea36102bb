"""aspNetCore: real processes started by the first request, with a Python program in the place of an
application of ASP.NET Core, and with dotnet where there is one.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect

from fcgiemu.programs.module_variables import PORTS
from fcgiemu.programs.ports import free_port

from ..sites import web_config, write
from .server import LiveServer, all_end, eventually

Serve = Callable[..., LiveServer]

APP = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def note(text):
    with open("notes", "a") as notes:
        notes.write(text + "\\n")

class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Kestrel", ""
    def do_GET(self):
        status = int(self.path[1:4]) if self.path[1:4].isdigit() else 200
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        variables = {name: value for name, value in os.environ.items() if name.startswith("ASPNETCORE_")}
        seen = {"target": self.path, "headers": headers, "env": variables, "pid": os.getpid()}
        body = json.dumps(seen).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        note(f"POST {self.path} {self.headers['MS-ASPNETCORE-EVENT']} {self.headers['MS-ASPNETCORE-TOKEN'] == os.environ['ASPNETCORE_TOKEN']}")
        self.send_response(int(open("answer").read()))
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()
        if open("answer").read() == "202":
            os._exit(0)
    def log_message(self, *args):
        pass

print("ready", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["ASPNETCORE_PORT"])), Application).serve_forever()
"""


def config(
    attributes: str = 'processPath="python" arguments=".\\app.py"',
    inner: str = "",
    module: str = "AspNetCoreModuleV2",
    more: str = "",
) -> str:
    return web_config(
        f'<handlers><add name="aspNetCore" path="*" verb="*" modules="{module}" resourceType="Unspecified" /></handlers>'
        f"<aspNetCore {attributes}>{inner}</aspNetCore>{more}"
    )


def seen(server: LiveServer, path: str = "/", **headers: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.request("GET", path, headers=headers).text)
    return found


def test_what_a_process_is_asked(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, {"app.py": APP, "web.config": config()})
    server = serve(tmp_path)
    forged = {
        "MS-ASPNETCORE-TOKEN": "forged",
        "MS-ASPNETCORE-CLIENTCERT": "forged",
        "Ms-AspNetCore-WinAuthToken": "forged",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
    }
    answer = server.request("GET", "/a%2Fb%3Fc%20d?q=%2F", headers=forged)
    found = json.loads(answer.text)
    assert found["target"] == "/a/b%3Fc%20d?q=%2F"
    headers, environment = dict(found["headers"]), found["env"]
    own = {name: value for name, value in headers.items() if name.startswith("ms-")}
    assert own == {"ms-aspnetcore-token": environment["ASPNETCORE_TOKEN"]}
    assert re.fullmatch(r"203\.0\.113\.9, 127\.0\.0\.1:\d+", headers["x-forwarded-for"])
    assert headers["x-forwarded-proto"] == "https, http"
    assert (headers["host"], headers["connection"]) == (f"127.0.0.1:{server.port}", "Keep-Alive")
    assert answer.headers["server"] == "Kestrel"
    assert environment["ASPNETCORE_APPL_PATH"] == "/"
    assert server.get("/404").status == 404 and "target" in server.get("/404").text


def test_app_offline_stops_the_process_until_it_goes(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, {"app.py": APP, "answer": "404", "web.config": config()})
    server = serve(tmp_path)
    first = seen(server)["pid"]
    with all_end(str(first)):
        write(tmp_path, {"app_offline.htm": "<h1>back soon</h1>"})
        answer = eventually(lambda: server.get("/x") if server.get("/x").status == 503 else None)
        assert answer is not None and answer.text == "<h1>back soon</h1>"
        assert answer.headers["content-type"] == "text/html"
        server.wait_for("app_offline.htm is there: the process of the application is stopped")
    (tmp_path / "app_offline.htm").unlink()
    assert eventually(lambda: server.get("/").status == 200)
    assert seen(server)["pid"] != first
    assert (tmp_path / "notes").read_text() == "POST /iisintegration shutdown True\n"


def test_a_process_that_accepts_to_shut_down_is_waited_for(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, {"app.py": APP, "answer": "202", "web.config": config(), "data.py": ""})
    server = serve(tmp_path)
    first = seen(server)["pid"]
    with all_end(str(first)):
        write(tmp_path, {"data.py": "x = 1"})
        server.wait_for("data.py changed: workers restart")
        assert seen(server)["pid"] != first
    assert (tmp_path / "notes").read_text() == "POST /iisintegration shutdown True\n"


def test_the_port_of_environment_variables(tmp_path: Path, serve: Serve) -> None:
    inner = (
        '<environmentVariables><environmentVariable name="ASPNETCORE_PORT" value="{}" />'
        '<environmentVariable name="ASPNETCORE_TOKEN" value="mine" /></environmentVariables>'
    )
    write(tmp_path, {"app.py": APP, "web.config": config(inner=inner.format(80))})
    refused = serve(tmp_path).get("/")
    assert refused.status == 502 and "the module takes 1025 to 48000" in refused.text
    port = next(port for port in iter(free_port, 0) if port in PORTS)
    write(tmp_path, {"web.config": config(inner=inner.format(port))})
    found = seen(serve(tmp_path))
    assert found["env"]["ASPNETCORE_PORT"] == str(port)  # type: ignore[index]
    assert dict(found["headers"])["ms-aspnetcore-token"] == "mine"  # type: ignore[call-overload]


FAILS = "open('starts', 'a').write('x'); print('nothing works', flush=True); raise SystemExit(3)"


@pytest.mark.parametrize("shown", [True, False])
def test_a_process_that_does_not_come_up_is_502_5(
    tmp_path: Path, serve: Serve, shown: bool
) -> None:
    off = "" if shown else 'disableStartUpErrorPage="true"'
    attributes = f'processPath="python" arguments="app.py" rapidFailsPerMinute="3" {off}'
    write(tmp_path, {"app.py": FAILS, "web.config": config(attributes)})
    server = serve(tmp_path, "--no-reload")
    for starts in (2, 3, 3):
        answer = server.get("/")
        assert answer.status == 502 and "nothing works" in answer.text
        assert (tmp_path / "starts").read_text() == "x" * starts
        assert ("ANCM Out-Of-Process Startup Failure" in answer.text) == shown
        assert ("Detailed Error" in answer.text) != shown
    assert "rapidFailsPerMinute is used up" in answer.text
    assert "ASPNETCORE_PORT=5000" in answer.text
    server.wait_for(r"502\.5 GET / -> AspNetCoreModuleV2")


def test_remote_clients_get_the_page_without_a_cause(tmp_path: Path, serve: Serve) -> None:
    write(tmp_path, {"app.py": FAILS, "web.config": config()})
    head = b"GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n"
    page = serve(tmp_path).raw(head)
    assert b"ANCM Out-Of-Process Startup Failure" in page
    assert b"nothing works" not in page and str(tmp_path).encode() not in page


def test_without_dotnet_the_page_says_what_to_do(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    attributes = 'processPath="dotnet" arguments=".\\App.dll"'
    write(tmp_path, {"web.config": config(attributes)})
    answer = serve(tmp_path).get("/")
    assert answer.status == 502 and "There is no dotnet here" in answer.text
    assert "https://dotnet.microsoft.com/download" in answer.text


def test_the_log(tmp_path: Path, serve: Serve) -> None:
    logged = 'stdoutLogEnabled="true" stdoutLogFile=".\\logs\\out"'
    attributes = f'processPath="python" arguments="app.py" {logged}'
    write(tmp_path, {"app.py": APP, "web.config": config(attributes)})
    server = serve(tmp_path)
    seen(server)
    server.wait_for(r"\[\d+\] ready")
    (log,) = (tmp_path / "logs").glob("out_*.log")
    assert re.fullmatch(rf"out_20\d{{12}}_{server.process.pid}\.log", log.name)
    assert log.read_text() == "ready\n"


SOCKETS = """
import os
from websockets.sync.server import serve

def echo(connection):
    headers = connection.request.headers
    for message in connection:
        connection.send(f"{headers['MS-ASPNETCORE-TOKEN'] == os.environ['ASPNETCORE_TOKEN']} {headers.get('Sec-WebSocket-Extensions')} {message}")

with serve(echo, "127.0.0.1", int(os.environ["ASPNETCORE_PORT"])) as server:
    server.serve_forever()
"""


def test_websockets_pass(tmp_path: Path, serve: Serve) -> None:
    attributes = f'processPath="{sys.executable}" arguments="app.py"'
    write(tmp_path, {"app.py": SOCKETS, "web.config": config(attributes)})
    server = serve(tmp_path)
    with connect(f"ws://127.0.0.1:{server.port}/", proxy=None) as connection:
        connection.send("hello")
        assert connection.recv() == "True None hello"


PROJECT = """
<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net{version}</TargetFramework></PropertyGroup></Project>
"""
PROGRAM = """
var app = WebApplication.CreateBuilder(args).Build();
app.MapGet("/hello", (HttpRequest request) => $"{request.Scheme} {request.Host} {request.Path}");
app.Run();
"""


SLOW_TO_LEAVE = """
import signal, threading
def leave(*_):
    threading.Timer(0.5, lambda: os._exit(0)).start()
signal.signal(signal.SIGTERM, leave)
"""


def test_a_changed_section_and_a_fixed_port(tmp_path: Path, serve: Serve) -> None:
    port = next(port for port in iter(free_port, 0) if port in PORTS)
    fixed = f'<environmentVariables><environmentVariable name="ASPNETCORE_PORT" value="{port}" />'
    fixed += "</environmentVariables>"
    attributes = f'processPath="{sys.executable}" arguments="app.py"'
    app = APP.replace('print("ready"', SLOW_TO_LEAVE + 'print("ready"')
    write(tmp_path, {"app.py": app, "answer": "404", "web.config": config(attributes, fixed)})
    server = serve(tmp_path)
    first = seen(server)
    with all_end(str(first["pid"])):
        again = config(f'{attributes} startupTimeLimit="20"', fixed)
        (tmp_path / "web.config").write_text(again)
        second = eventually(lambda: (found := seen(server))["pid"] != first["pid"] and found)
    assert second and second["env"]["ASPNETCORE_PORT"] == str(port)


CONSOLE = r"""
using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

public static class Application
{
    public static int Main(string[] words)
    {
        var port = Environment.GetEnvironmentVariable("ASPNETCORE_PORT");
        var listener = new TcpListener(IPAddress.Loopback, int.Parse(port));
        listener.Start();
        Console.WriteLine("ready");
        while (true)
        {
            using (var client = listener.AcceptTcpClient())
            {
                var reader = new StreamReader(client.GetStream());
                var first = reader.ReadLine();
                if (first == null) continue;
                string token = "", line;
                while (!string.IsNullOrEmpty(line = reader.ReadLine()))
                    if (line.StartsWith("MS-ASPNETCORE-TOKEN: ")) token = line.Substring(21);
                var ours = token == Environment.GetEnvironmentVariable("ASPNETCORE_TOKEN");
                var leaves = first.StartsWith("POST /iisintegration ");
                var body = string.Join("|", first, ours, string.Join(",", words));
                var head = "HTTP/1.1 " + (leaves ? 202 : 200) + " OK\r\nConnection: close\r\n";
                var answer = head + "Content-Length: " + body.Length + "\r\n\r\n" + body;
                var data = Encoding.ASCII.GetBytes(answer);
                client.GetStream().Write(data, 0, data.Length);
                if (leaves) { Console.WriteLine("asked to leave"); return 0; }
            }
        }
    }
}
"""
#: The assemblies that it needs of the runtime.
REFERENCES = (
    *("System.Private.CoreLib", "System.Runtime", "System.Console", "System.Net.Sockets"),
    *("System.Net.Primitives", "System.Runtime.Extensions"),
)
#: Without the library of languages that the runtime wants from the system.
RUNTIME = {
    "runtimeOptions": {
        "framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"},
        "configProperties": {"System.Globalization.Invariant": True},
    }
}


@pytest.fixture(scope="module")
def runtime() -> Path:
    """The folder of a .NET Core that a package of PyPI brings."""
    spec = importlib.util.find_spec("dotnetcore2")
    if spec is None or spec.origin is None:
        pytest.skip("there is no package dotnetcore2 here, which holds a .NET runtime")
    return Path(spec.origin).parent / "bin"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, runtime: Path) -> Path:
    """App.dll, compiled for that runtime."""
    mcs = shutil.which("mcs")
    if mcs is None:
        pytest.skip("there is no mcs here, which compiles C#")
    folder = tmp_path_factory.mktemp("library")
    write(folder, {"App.cs": CONSOLE})
    (shared,) = runtime.glob("shared/Microsoft.NETCore.App/3.*")
    command = [mcs, "-noconfig", "-nostdlib", "-sdk:4", "-out:App.dll", "-target:exe"]
    command += [f"-r:{shared / name}.dll" for name in REFERENCES]
    subprocess.run([*command, "App.cs"], cwd=folder, check=True, capture_output=True)
    return folder / "App.dll"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param('processPath="dotnet" arguments=".\\App.dll one two"', id="dotnet"),
        pytest.param('processPath=".\\App.exe" arguments="one two"', id="a program for Windows"),
    ],
)
def test_an_application_of_dotnet(
    tmp_path: Path, serve: Serve, runtime: Path, library: Path, path: str
) -> None:
    write(
        tmp_path,
        {
            "web.config": config(f'{path} hostingModel="OutOfProcess"'),
            "App.dll": library.read_bytes(),
            "App.exe": b"MZ",
            "App.runtimeconfig.json": json.dumps(RUNTIME),
        },
    )
    server = serve(tmp_path, "--map", f"dotnet={runtime / 'dotnet'}")
    assert server.get("/hello?x=1").text == "GET /hello?x=1 HTTP/1.1|True|one,two"
    server.wait_for(r"\[\d+\] ready")
    (tmp_path / "app_offline.htm").write_text("closed")
    server.wait_for(r"\[\d+\] asked to leave")
    assert server.get("/").text == "closed"
    (tmp_path / "app_offline.htm").unlink()
    assert server.get("/again").text == "GET /again HTTP/1.1|True|one,two"


def test_dotnet(tmp_path: Path, serve: Serve) -> None:
    dotnet = shutil.which("dotnet")
    if dotnet is None:
        pytest.skip("there is no dotnet here")
    version = subprocess.run([dotnet, "--version"], capture_output=True, text=True, check=False)
    if version.returncode:
        pytest.skip("there is no .NET SDK here")
    write(
        tmp_path,
        {
            "web.config": config('processPath="%LAUNCHER_PATH%" arguments="%LAUNCHER_ARGS%"'),
            "App.csproj": PROJECT.format(version=".".join(version.stdout.split(".")[:2])),
            "Program.cs": PROGRAM,
        },
    )
    server = serve(tmp_path, "--no-reload")
    assert server.get("/hello").text == f"http 127.0.0.1:{server.port} /hello"
