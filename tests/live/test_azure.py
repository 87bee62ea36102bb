"""``--azure``: the front end's headers, the worker's environment, default documents; and HTTPS."""

from __future__ import annotations

import http.client
import importlib.util
import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu import Site, SiteError
from fcgiemu.app_service.environment import AppSetting, read, variables
from fcgiemu.server import tls

from ..sites import web_config, write, wsgi_site
from .server import READY_SECONDS, LiveServer

APP = """
import json, os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    return [json.dumps({"environ": shown, "process": dict(os.environ)}).encode()]
"""


def test_the_worker_of_an_app_service(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    home = write(
        tmp_path / "My Shop",
        {
            "site/wwwroot/app.py": APP,
            "site/wwwroot/web.config": wsgi_site(FROM_FILE="D:\\home\\data\\x", BOTH="file"),
            "settings.env": "# of the portal\nBOTH=portal\nexport SECRET_NAME='two words'\n",
            "strings.json": json.dumps([{"name": "db", "value": "Server=x", "type": "SQLAzure"}]),
        },
    )
    server = serve(
        home / "site" / "wwwroot",
        "--azure",
        "--app-settings",
        str(home / "settings.env"),
        "--app-settings",
        str(home / "strings.json"),
    )
    answer = server.request(
        "GET",
        "/a%20b?x=1",
        headers={"X-Original-URL": "/spoofed", "X-Forwarded-For": "198.51.100.1"},
    )
    found = json.loads(answer.text)
    environ, process = found["environ"], found["process"]
    assert environ["PATH_INFO"] == "/a%20b" and environ["HTTP_X_ORIGINAL_URL"] == "/a%20b?x=1"
    assert environ["HTTP_MAX_FORWARDS"] == "10" and len(environ["HTTP_X_ARR_LOG_ID"]) == 36
    assert (
        environ["HTTP_X_FORWARDED_FOR"].startswith("198.51.100.1, 127.0.0.1:")
        and environ["HTTP_DISGUISED_HOST"] == environ["HTTP_HOST"]
    )
    assert environ["HTTP_WAS_DEFAULT_HOSTNAME"] == "my-shop.azurewebsites.net"
    assert process["HOME"] == str(home) and process["WEBSITE_SITE_NAME"] == "my-shop"
    assert process["SECRET_NAME"] == process["APPSETTING_SECRET_NAME"] == "two words"
    assert process["SQLAZURECONNSTR_db"] == "Server=x" and process["FROM_FILE"] == str(
        home / "data" / "x"
    )
    # wfastcgi itself lays web.config over the process environment.
    assert process["BOTH"] == "file" and process["APPSETTING_BOTH"] == "portal"
    assert (
        answer.headers["set-cookie"]
        == f"ARRAffinity={process['WEBSITE_INSTANCE_ID']};Path=/;HttpOnly;Domain=127.0.0.1"
    )


def test_default_documents_and_unlocked_sections(make_site: Callable[..., Site]) -> None:
    locked = web_config(
        '<security><ipSecurity allowUnlisted="true" /></security><webSocket enabled="false" />'
    )
    site = make_site({"hostingstart.html": "", "web.config": locked}, azure=True)
    assert (
        site.explain("/")["outcome"]["file"] == "hostingstart.html"
        and site.explain("/")["findings"] == []
    )
    assert site.explain("/x")["variables"]["HTTP_X_ORIGINAL_URL"] == "/x"
    assert make_site({}).explain("/")["outcome"]["status"] == 403


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("A=1\n\n# no\nB = two\n", [AppSetting("A", "1"), AppSetting("B", "two")]),
        (
            '{"IsEncrypted": false, "Values": {"A": "1"}, "ConnectionStrings": {"db": "x"}}',
            [AppSetting("A", "1"), AppSetting("db", "x", "SQLAzure")],
        ),
        ('[{"name": "A", "slotSetting": false, "value": "1"}]', [AppSetting("A", "1")]),
    ],
)
def test_forms_of_app_settings(tmp_path: Path, text: str, settings: list[AppSetting]) -> None:
    write(tmp_path, {"settings": text})
    assert read(tmp_path / "settings") == settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1\nnonsense\n", "settings:2: this is not NAME=value"),
        ("{", "settings: "),
        ("[1]", "settings: "),
        ("{}", "settings: "),
    ],
)
def test_bad_app_settings(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, {"settings": text})
    with pytest.raises(SiteError, match=words) as raised:
        read(tmp_path / "settings")
    assert raised.value.hint
    with pytest.raises(SiteError):
        read(tmp_path / "missing")


def test_connection_strings_have_the_prefix_of_their_type() -> None:
    found = variables(
        [
            AppSetting("a", "1", kind)
            for kind in ("SQLServer", "MySql", "PostgreSQL", "Custom", "Odd")
        ]
    )
    assert {name for name in found if name.endswith("_a")} == {
        "SQLCONNSTR_a",
        "MYSQLCONNSTR_a",
        "POSTGRESQLCONNSTR_a",
        "CUSTOMCONNSTR_a",
    }


@pytest.mark.parametrize("worker", ["fcgiemu", "wfastcgi"])
@pytest.mark.parametrize(
    ("options", "value", "winner"),
    [
        ((), "of web.config", "web.config wins"),
        (("--portal-wins",), "of the portal", "the portal's value wins"),
    ],
)
def test_a_setting_of_both(
    tmp_path: Path,
    serve: Callable[..., LiveServer],
    worker: str,
    options: tuple[str, ...],
    value: str,
    winner: str,
) -> None:
    if worker == "wfastcgi" and importlib.util.find_spec("wfastcgi") is None:
        pytest.skip("wfastcgi is not installed: pip install -e .[wfastcgi]")
    write(
        tmp_path,
        {
            "portal.env": "SHARED=of the portal\nSAME=1\n",
            "site/web.config": wsgi_site(SHARED="of web.config", SAME="1"),
            "site/app.py": "import os\ndef application(environ, start_response):\n    start_response('200 OK', [])\n"
            "    return [(os.environ['SHARED'] + '|' + os.environ['APPSETTING_SHARED']).encode()]\n",
        },
    )
    server = serve(
        tmp_path / "site",
        "--azure",
        "--app-settings",
        str(tmp_path / "portal.env"),
        "--worker",
        worker,
        *options,
    )
    server.wait_for(f"SHARED is an app setting too, with another value; {winner}")
    assert "SAME is an app setting" not in server.log()
    assert server.get("/").text == f"{value}|of the portal"


REDIRECT = (
    '<rewrite><rules><rule name="secure"><match url="^secure" /><conditions><add input="{HTTPS}" pattern="off" /></conditions>'
    '<action type="Redirect" url="https://{HTTP_HOST}/secure" /></rule></rules></rewrite>'
)


def test_https(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    kept = tls.local(tmp_path / "tls")
    assert tls.local(tmp_path / "tls") == kept and kept.key.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in (tmp_path / "tls").iterdir()) == [
        "authority.pem",
        "localhost.key",
        "localhost.pem",
    ]
    site = write(tmp_path / "site", {"app.py": APP, "web.config": wsgi_site(inner=REDIRECT)})
    server = serve(site, "--cert", str(kept.certificate), "--key", str(kept.key))
    server.wait_for("listening +https://")
    context = ssl.create_default_context(cafile=str(kept.authority))
    connection = http.client.HTTPSConnection(
        "localhost", server.port, timeout=READY_SECONDS, context=context
    )
    connection.request("GET", "/secure")
    environ = json.loads(connection.getresponse().read())["environ"]
    connection.close()
    assert (environ["HTTPS"], environ["SERVER_PORT_SECURE"], environ["SERVER_PORT"]) == (
        "on",
        "1",
        str(server.port),
    )


def test_a_certificate_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="There is no file"):
        tls.own(tmp_path / "x.pem", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(SiteError, match="cannot be kept"):
        tls.local(tmp_path / "file" / "tls")
