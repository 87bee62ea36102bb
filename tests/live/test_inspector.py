"""``serve --ui`` over real sockets: its API is what its description says, for those who may ask."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcgiemu.freb.reader import parse

from ..sites import web_config, write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    print("saw", environ["PATH_INFO"])
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) or b"hello"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Set-Cookie", "s=hunter2")])
    return [body]
"""
RULES = (
    '<rewrite><rules><rule name="old"><match url="^old/(.*)" /><conditions>'
    '<add input="{QUERY_STRING}" pattern="^$" /></conditions>'
    '<action type="Redirect" url="/new/{R:1}" /></rule></rules></rewrite>'
)


class Ui:
    """A client of the API."""

    def __init__(self, server: LiveServer) -> None:
        match = server.wait_for(r"ui +http://(\S+?):(\d+)/\?token=(\S+)")
        self.host, self.port, self.token = match[1], int(match[2]), match[3]
        self.origin = f"http://{self.host}:{self.port}"
        self.description = self.ask("GET", "openapi.json")[1]

    def raw(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, method: str, call: str, given: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Origin": self.origin}
        body = None if given is None else json.dumps(given).encode()
        status, data = self.raw(method, f"/api/v1/{call}", body, **headers)
        return status, json.loads(data)

    def get(self, call: str, template: str = "") -> Any:
        return self.checked("GET", call, template=template)

    def checked(self, method: str, call: str, given: object = None, template: str = "") -> Any:
        """The answer, which is as the description says."""
        status, answer = self.ask(method, call, given)
        assert status == 200, answer
        path = "/" + (template or call.partition("?")[0])
        operation = self.description["paths"][path][method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validate(answer, schema, self.description)
        return answer


_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def validate(value: Any, schema: Any, document: Any, place: str = "") -> None:
    """Hold a value against the part of JSON Schema that the description uses."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = schema["anyOf"][1 if value is None else 0]
        return validate(value, schema, document, place)
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(isinstance(value, _TYPES[kind]) for kind in kinds), (place, value, kinds)
    assert "enum" not in schema or value in schema["enum"], (place, value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), (place, value.keys())
        more = schema.get("additionalProperties", True)
        for name, item in value.items():
            assert name in known or more, (place, name)
            if name in known or isinstance(more, dict):
                validate(item, known.get(name, more), document, f"{place}.{name}")
    if isinstance(value, list) and "items" in schema:
        for item in value:
            validate(item, schema["items"], document, f"{place}[]")


@pytest.fixture
def ui(tmp_path: Path, serve: Callable[..., LiveServer]) -> tuple[LiveServer, Ui]:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site(inner=RULES)})
    server = serve(tmp_path, "--ui-write")
    return server, Ui(server)


def test_every_call_is_as_described(ui: tuple[LiveServer, Ui], tmp_path: Path) -> None:
    server, client = ui
    server.get("/a", {"Cookie": "s=hunter2"})
    server.get("/old/7")
    server.request("POST", "/form", b"password=hunter2")
    assert server.raw(b"GET /a b HTTP/1.1\r\n\r\n")
    listed = client.get("requests")
    assert [one["url"] for one in listed["requests"][-3:]] == ["/form", "/old/7", "/a"]
    first = client.get("requests/1", "requests/{number}")
    assert first["output"] == ["saw /a"] and first["process"]
    assert first["response_body"]["text"] == "hello"
    assert first["timing"]["application"] > 0
    moved = client.get("requests/2", "requests/{number}")
    assert (moved["status"], moved["rules"], moved["module"]) == (301, ["old"], "RewriteModule")
    trace = client.raw("GET", f"/api/v1/requests/3/freb?token={client.token}")
    assert (
        trace[0] == 200
        and b"hunter2" not in trace[1]
        and parse(trace[1], "fr.xml").url.endswith("/form")
    )
    assert client.ask("GET", "requests/4/freb")[0] == 404
    for call in ("explain?request=2", "explain?url=/old/7"):
        assert client.get(call)["outcome"]["location"].endswith("/new/7")
    assert client.get("explain?request=4")["outcome"]["module"] == "http.sys"
    assert client.get("check")["findings"] is not None
    config = client.get("config")
    text = config["text"].replace("/new/", "/newer/")
    draft = client.checked("POST", "explain", {"config": text, "urls": ["/old/7"]})
    before, after = draft["before"][0]["outcome"], draft["after"][0]["outcome"]
    assert before["location"].endswith("/new/7") and after["location"].endswith("/newer/7")
    assert "+" in client.checked("POST", "check", {"config": text})["diff"]
    match = client.checked("POST", "pattern", {"pattern": "a(b)", "input": "ab"})
    assert match["captures"] == ["ab", "b"]
    (rule,) = client.get("rules")["rules"]
    assert rule["hits"] == 1 and rule["conditions"][0]["true"] == 1
    (worker,) = client.get("workers")["workers"]
    assert worker["requests"] == 2 and worker["last_output"]
    again = client.checked("POST", "replay", {"number": 3})
    repeated = client.get(f"requests/{again['number']}", "requests/{number}")
    assert (repeated["replay_of"], repeated["request_body"]["bytes"]) == (3, 16)
    call = f"workers/{worker['pid']}/restart"
    client.checked("POST", call, {}, "workers/{pid}/restart")
    saved = client.checked("POST", "save", {"text": text, "stamp": config["stamp"]})
    assert saved["text"] == text == (tmp_path / "web.config").read_text()
    assert client.ask("POST", "save", {"text": "", "stamp": config["stamp"]})[0] == 409
    assert client.get("identity")["name"] is None
    assert client.checked("POST", "identity", {"name": "ada", "roles": ["A"]})["name"] == "DEV\\ada"
    assert "/old/7" not in client.get("urls")["urls"][0] and client.get("urls")["urls"][0] == "/"
    shown = client.get("requests/1/headers", "requests/{number}/headers")
    assert ["Cookie", "s=hunter2"] in shown["request_headers"]
    described = client.description["paths"]
    assert len(described) == 15 and "hunter2" not in json.dumps(
        client.get("requests/3", "requests/{number}")
    )


WHO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_USER"].encode()]
"""
ASKING = (
    '<security><authentication><windowsAuthentication enabled="true" /></authentication>'
    '<authorization><add accessType="Deny" users="?" /><add accessType="Deny" users="X\\eve" />'
    "</authorization></security>"
)


def test_one_is_somebody_else(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    people = [{"name": "bob@x.example", "windows": "CONTOSO\\bob", "roles": ["Staff"]}]
    files = {
        "site/app.py": WHO,
        "site/web.config": wsgi_site(inner=ASKING),
        "people.json": json.dumps(people),
    }
    write(tmp_path, files)
    server = serve(tmp_path / "site", "--ui", "--identities", str(tmp_path / "people.json"))
    client = Ui(server)
    before = client.get("identity")
    assert (before["name"], before["asks"]) == (None, "Windows, Anonymous")
    assert before["people"] == [{"name": "CONTOSO\\bob", "roles": ["Staff"]}]
    assert server.get("/x").status == 401
    bob = client.checked("POST", "identity", before["people"][0])
    assert (bob["name"], bob["roles"]) == ("CONTOSO\\bob", ["Staff"])
    for _ in range(2):
        assert server.get("/x").text == "CONTOSO\\bob"
    assert client.get("explain?url=/x")["outcome"]["environ"]["REMOTE_USER"] == "CONTOSO\\bob"
    client.checked("POST", "identity", {"name": "X\\eve"})
    assert server.get("/x").status == 401
    client.checked("POST", "identity", {"name": ""})
    assert server.get("/x").status == 401
    assert client.raw("POST", f"/api/v1/identity?token={client.token}", b"{}")[0] == 403


def test_who_may_not_ask(ui: tuple[LiveServer, Ui]) -> None:
    _, client = ui
    path = f"/api/v1/requests?token={client.token}"
    assert client.raw("GET", path)[0] == 200
    assert client.raw("GET", "/api/v1/requests")[0] == 403
    assert client.raw("GET", "/")[0] == 403
    assert client.raw("GET", path, Host="evil.example")[0] == 403
    assert client.raw("GET", path, Origin="http://127.0.0.1:1")[0] == 403
    assert client.raw("POST", f"/api/v1/replay?token={client.token}", b"{}")[0] == 403
    assert client.raw("GET", "/static/../api.py")[0] in (403, 404)


@pytest.mark.parametrize(
    ("method", "call", "given", "status"),
    [
        ("GET", "requests/99", None, 404),
        ("GET", "nothing", None, 404),
        ("DELETE", "requests", None, 404),
        ("GET", "explain?request=x", None, 400),
        ("GET", "explain?url=x", None, 400),
        ("POST", "explain", {"config": "", "urls": "x"}, 400),
        ("POST", "explain", [], 400),
        ("POST", "check", {"config": "\ud800"}, 400),
        ("POST", "pattern", {"pattern": "a", "input": "b", "syntax": "x"}, 400),
        ("POST", "replay", {"number": "1"}, 400),
        ("POST", "replay", {"url": "//x\r\n", "headers": [["a", "\n"]]}, 400),
        ("POST", "workers/1/restart", {}, 404),
        ("POST", "identity", {"name": "*"}, 409),
        ("POST", "identity", {"name": 7}, 409),
        ("POST", "identity", {"name": "x" * 300}, 409),
        ("POST", "identity", {"name": "ada", "roles": "A"}, 409),
        ("POST", "identity", [], 400),
    ],
)
def test_bad_questions(
    ui: tuple[LiveServer, Ui], method: str, call: str, given: object, status: int
) -> None:
    found, answer = ui[1].ask(method, call, given)
    assert found == status and answer["error"]


def test_the_stream_tells_of_each_request(ui: tuple[LiveServer, Ui]) -> None:
    server, client = ui
    server.get("/first")
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
    connection.request("GET", f"/api/v1/requests?stream&after=0&token={client.token}")
    response = connection.getresponse()
    events = (line for line in response if line.startswith(b"data: "))
    assert json.loads(next(events)[6:])["url"] == "/first"
    server.get("/second")
    assert json.loads(next(events)[6:])["url"] == "/second"
    response.close()
    connection.close()


def test_bytes_that_are_no_request(ui: tuple[LiveServer, Ui]) -> None:
    client = ui[1]
    status, _ = client.raw("GET", "/" + "x" * 40_000)
    assert status in (400, 403)
    status, _ = client.raw("POST", "/", b"x" * (3 << 20))
    assert status in (403, 413)


def test_without_ui_write_nothing_is_saved_and_secrets_are_masked(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    config = wsgi_site(PASSWORD="hunter2")
    write(tmp_path, {"app.py": APP, "web.config": config, "fcgiemu.toml": "ui = true\n"})
    client = Ui(serve(tmp_path))
    found = client.get("config")
    assert "hunter2" not in found["text"] and not found["is_writable"]
    assert client.ask("POST", "save", {"text": "", "stamp": found["stamp"]})[0] == 403
    assert (tmp_path / "web.config").read_text() == config


def test_a_host_that_others_reach_is_warned_of(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"web.config": "<configuration />"})
    server = serve(tmp_path, "--ui-host", "0.0.0.0")
    server.wait_for("warning +every machine that reaches 0.0.0.0 can try to open these pages")


PLATFORM = """
import os
from wsgiref.simple_server import make_server
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
print("it listens", flush=True)
make_server("127.0.0.1", int(os.environ["HTTP_PLATFORM_PORT"]), app).serve_forever()
"""


def test_processes_of_http_platform_are_workers(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    config = web_config(
        '<handlers><add name="Web" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="{sys.executable}" arguments="app.py" />'
    )
    server = serve(write(tmp_path, {"app.py": PLATFORM, "web.config": config}), "--ui")
    client = Ui(server)
    server.get("/")
    first = int(server.get("/").text)
    (worker,) = client.get("workers")["workers"]
    assert worker["pid"] and worker["program"].endswith("app.py")
    assert (worker["application"], worker["state"], worker["requests"]) == ("/", "idle", 2)
    call = f"workers/{worker['pid']}/restart"
    client.checked("POST", call, {}, "workers/{pid}/restart")
    assert int(server.get("/").text) != first


def test_small_files_that_come_again_are_seen(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"site.css": "body {}", "web.config": web_config()})
    os.utime(tmp_path / "site.css", (1, 1))
    server = serve(tmp_path, "--ui")
    client = Ui(server)
    with server.connect() as sock:
        for _ in range(5):
            sock.sendall(b"GET /site.css HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got = b""
            while not got.endswith(b"body {}"):
                got += sock.recv(4096)
    listed = client.get("requests")
    assert listed["total"] == 5
    one = client.get("requests/5", "requests/{number}")
    assert (one["status"], one["response_body"]["text"]) == (200, "body {}")
    assert ["Content-Type", "text/css"] in one["response_headers"]


def test_values_are_not_shown_to_other_machines(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(tmp_path, {"web.config": web_config()})
    server = serve(tmp_path, "--ui", "--ui-host", "0.0.0.0")
    server.get("/", {"Cookie": "s=hunter2"})
    assert Ui(server).ask("GET", "requests/1/headers")[0] == 403
