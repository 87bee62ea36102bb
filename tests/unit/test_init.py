"""``fcgiemu init``: what a folder is taken for, and that the web.config it gets is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.decision import Respond
from fcgiemu.diagnosis.check import check
from fcgiemu.diagnosis.configuration_files import missing
from fcgiemu.errors import SiteError
from fcgiemu.http.request import make_request
from fcgiemu.init.files import Plan, plan, write
from fcgiemu.init.recognise import recognise
from fcgiemu.site import Site

from ..sites import write as write_site

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
SETTINGS = 'STATIC_URL = "static/"\n'
DJANGO = {
    "manage.py": MANAGE,
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\n"
    "application = get_wsgi_application()\n",
}
EXPRESS = "require('express')().listen(process.env.PORT)\n"
START = '{"scripts": {"start": "node server.js"}}'
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
ROOTED = SETTINGS + 'STATIC_ROOT = BASE_DIR / "static"\n'

#: Files -> kind, handler, static.
SITES: list[tuple[dict[str, str], tuple[str, str, str]]] = [
    (DJANGO, ("Django", "shop.wsgi.application", "")),
    (
        {"manage.py": MANAGE, "shop/settings.py": ROOTED},
        ("Django", "django.core.wsgi.get_wsgi_application()", "static"),
    ),
    ({"app.py": FLASK}, ("Flask", "app.app", "")),
    ({"app.py": FLASK, "static/a.css": ""}, ("Flask", "app.app", "static")),
    (
        {"app.py": FLASK.replace("__name__", "__name__, static_folder='x'"), "static/a": ""},
        ("Flask", "app.app", ""),
    ),
    ({"notes.py": "import flask\nsite = flask.Flask(__name__)\n"}, ("Flask", "notes.site", "")),
    ({"app.py": "from flask import Flask as F\nx: F = F('x')\n"}, ("Flask", "app.x", "")),
    (
        {
            "shop/__init__.py": "from flask import Flask\ndef create_app(c=None):\n  return Flask('')"
        },
        ("Flask", "shop.create_app()", ""),
    ),
    ({"shop/web.py": FLASK, "shop/__init__.py": ""}, ("Flask", "shop.web.app", "")),
    ({"src/app.py": FLASK}, ("Flask", "app.app", "")),
    ({"test_app.py": FLASK, "main.py": FLASK}, ("Flask", "main.app", "")),
    ({"other.py": FLASK, "wsgi.py": FLASK}, ("Flask", "wsgi.app", "")),
    ({"package.json": START, "server.js": EXPRESS}, ("Node", "", "")),
    ({"package.json": "{}", "app.js": EXPRESS}, ("Node", "", "")),
    # a script of the page, or of the build
    ({"package.json": "{}", "app.js": "", "index.html": "<p>"}, ("static", "", "")),
    ({"package.json": START, "index.html": "<p>"}, ("static", "", "")),
    ({"x.py": "import bottle\napp = bottle.default_app()\n"}, ("Bottle", "x.app", "")),
    ({"x.py": "from bottle import Bottle\nb = Bottle()\n"}, ("Bottle", "x.b", "")),
    ({"main.py": "from fastapi import FastAPI\napi = FastAPI()\n"}, ("FastAPI", "main.api", "")),
    ({"app.py": "import dash\napp = dash.Dash()\n"}, ("Dash", "app.app.server", "")),
    ({"w.py": "def go(environ, start_response):\n  return []\n"}, ("WSGI", "w.go", "")),
    ({"index.php": "<?php", "index.html": ""}, ("PHP", "", "")),
    ({"index.html": "<p>hello"}, ("static", "", "")),
    ({"index.html": '<div id="root"></div><script src="/a.js">'}, ("single-page", "", "")),
    (
        {"index.html": '<div id="root"></div>', "other.html": ""},
        ("static", "", ""),
    ),
    ({"broken.py": "def (", "app.py": FLASK}, ("Flask", "app.app", "")),
]


@pytest.mark.parametrize(("files", "expected"), SITES)
def test_recognised(files: dict[str, str], expected: tuple[str, str, str], tmp_path: Path) -> None:
    found = recognise(write_site(tmp_path, files))
    assert (found.kind, found.handler, found.static) == expected


@pytest.mark.parametrize("platform", ["wfastcgi", "httpplatform", None])
@pytest.mark.parametrize("files", [files for files, _ in SITES])
def test_check_finds_nothing_in_what_is_written(
    files: dict[str, str], platform: str | None, tmp_path: Path
) -> None:
    """No error and no warning, and the first page goes where it should."""
    found = recognise(write_site(tmp_path, files))
    planned = plan(found, platform, "C:\\Python312")
    write(tmp_path, planned.files)
    site = Site(tmp_path)
    assert [each for each in check(site) if each.severity != "info"] == []
    kind = site.explain("/")["outcome"]["kind"]
    if found.start:
        assert kind == "iisnode"
        return
    expected = {"wfastcgi": "fastcgi", "httpplatform": "httpPlatform"}.get(planned.platform, "")
    assert kind in ({expected} if expected else {"static", "fastcgi"})
    if found.static:
        assert site.explain(f"/{found.static}/x.css")["outcome"]["kind"] != "fastcgi"


def test_a_start_script_counts_beside_a_page(tmp_path: Path) -> None:
    files = {"package.json": START, "server.js": EXPRESS, "index.html": ""}
    assert recognise(write_site(tmp_path, files)).start == "server.js"


def test_the_log_of_iisnode_is_not_a_hidden_file(tmp_path: Path) -> None:
    write_site(tmp_path, {"package.json": START, "server.js": EXPRESS})
    write(tmp_path, plan(recognise(tmp_path), None, "").files)
    write_site(tmp_path, {"iisnode/index.html": "", "iisnode/a-1-stdout-2.txt": "hello"})
    assert list(check(Site(tmp_path))) == []


#: Files -> a part of the error and of its hint.
NOT_SITES: list[tuple[dict[str, str], str, str]] = [
    ({}, "Nothing in", "Looked for: manage.py"),
    ({"readme.md": ""}, "Nothing in", "--handler module.name"),
    ({"shop/manage.py": MANAGE}, "Nothing in", "fcgiemu init"),
    ({"dist/index.html": ""}, "where a build puts them", "dist"),
    ({"x.py": "from bottle import route, run\n"}, "Nothing in", "bottle.default_app()"),
]


@pytest.mark.parametrize(("files", "message", "hint"), NOT_SITES)
def test_not_recognised(files: dict[str, str], message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=message) as raised:
        recognise(write_site(tmp_path, files))
    assert hint in raised.value.hint


@pytest.mark.parametrize("there", ["web.config", "Web.Config", "static/web.config"])
def test_never_overwrites(there: str, tmp_path: Path) -> None:
    write_site(tmp_path, {"app.py": FLASK, "static/a.css": "", there: "mine"})
    planned = plan(recognise(tmp_path), None, "C:\\Python312")
    with pytest.raises(SiteError, match="exists already: nothing was written"):
        write(tmp_path, planned.files)
    configs = [path for path in tmp_path.rglob("*") if path.name.lower() == "web.config"]
    assert [path.read_text() for path in configs] == ["mine"]


def test_fastapi_behind_wfastcgi_gets_an_adapter(tmp_path: Path) -> None:
    write_site(tmp_path, {"main.py": "from fastapi import FastAPI\napp = FastAPI()\n"})
    planned = plan(recognise(tmp_path), "wfastcgi", "C:\\Python312")
    adapter = {file.name: file.text for file in planned.files}["iis_wsgi.py"]
    assert "from main import app\n" in adapter
    assert "a2wsgi" in planned.needs[0]


@pytest.mark.parametrize(
    ("files", "arguments"),
    [
        ({"app.py": FLASK}, "-m waitress --listen=127.0.0.1:%HTTP_PLATFORM_PORT% app:app"),
        ({"a.py": "import dash\napp = dash.Dash()\n"}, "%HTTP_PLATFORM_PORT% a:app.server"),
        (
            {"manage.py": MANAGE},
            "%HTTP_PLATFORM_PORT% --call django.core.wsgi:get_wsgi_application",
        ),
        (
            {"main.py": "from fastapi import FastAPI\napp = FastAPI()\n"},
            "-m uvicorn --port %HTTP_PLATFORM_PORT% main:app",
        ),
    ],
)
def test_arguments_of_http_platform(files: dict[str, str], arguments: str, tmp_path: Path) -> None:
    planned: Plan = plan(recognise(write_site(tmp_path, files)), "httpplatform", "C:\\Python312")
    assert f'{arguments}"' in planned.files[0].text


def test_the_command_says_what_and_why(tmp_path: Path) -> None:
    write_site(tmp_path, {"app.py": FLASK})
    done = CliRunner().invoke(main, ["init", str(tmp_path), "--dry-run"])
    assert done.exit_code == 0
    assert "Flask site, by app.py:2" in done.output
    assert not (tmp_path / "web.config").exists()
    done = CliRunner().invoke(main, ["init", str(tmp_path), "--json"])
    assert json.loads(done.output)["handler"] == "app.app"
    assert b"\r\n" in (tmp_path / "web.config").read_bytes()
    again = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert again.exit_code == 2
    assert "exists already" in again.output


@pytest.mark.parametrize("handler", ["app", "app:app", "app/app", "."])
def test_a_handler_that_is_none(handler: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path), "--handler", handler])
    assert done.exit_code == 2
    assert "is not MODULE.NAME" in done.output


def hints(site: Site) -> str:
    """What the error page of the site's root says."""
    action = site.decide(make_request("/")).action
    assert isinstance(action, Respond)
    return str(action.hints)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"app.py": FLASK}, ""),
        ({"package.json": START, "server.js": EXPRESS}, ""),
        ({"package.json": "{}", "dist/index.html": ""}, "/dist"),
        ({"backend/manage.py": MANAGE, "frontend/package.json": "{}"}, "/backend"),
        ({"client/build/index.html": "", "docs/a.md": ""}, "/client/build"),
    ],
)
def test_where_a_site_has_no_web_config_init_is_named(
    tmp_path: Path, files: dict[str, str], named: str
) -> None:
    assert "Run:" not in hints(Site(tmp_path))  # there is nothing to go by
    write_site(tmp_path, files)
    assert f"Run: fcgiemu check {tmp_path}" in hints(Site(tmp_path))
    command = f"fcgiemu init {tmp_path}{named}"
    assert check(Site(tmp_path))[0].hint == f"Write one. Run: {command}"
    assert command in CliRunner().invoke(main, ["doctor", str(tmp_path)]).output
    ran = CliRunner().invoke(main, command.split()[1:])
    assert ran.exit_code == 0, ran.output
    lack = missing(tmp_path)
    assert (lack is None) is (named == "")
    if lack is not None:
        assert lack.message.endswith(f"; {tmp_path}{named} has one")


OF_A_SITE = '<configuration><handlers><add modules="FastCgiModule" /></handlers></configuration>'


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({"backend/web.config": OF_A_SITE, "app.py": FLASK}, ["backend"]),
        ({"a/web.config": OF_A_SITE, "apps/b/web.config": OF_A_SITE}, ["a", "apps/b"]),
        ({"a/web.config": OF_A_SITE, "a/b/web.config": OF_A_SITE, "x.txt": ""}, ["a"]),
        ({"static/web.config": "<configuration />", "app.py": FLASK}, []),
    ],
)
def test_the_sites_below_a_repositorys_root_are_named(
    tmp_path: Path, files: dict[str, str], commands: list[str]
) -> None:
    write_site(tmp_path, files)
    lack = missing(tmp_path)
    assert lack is not None
    for name in commands:
        assert f"fcgiemu serve {tmp_path}/{name}" in lack.hint
    assert lack.hint.count("fcgiemu serve") == len(commands)


@pytest.mark.parametrize("name", ["app.py", "notes.txt", "frontend/package.json"])
def test_where_init_would_find_nothing_it_is_not_named(tmp_path: Path, name: str) -> None:
    write_site(tmp_path, {name: ""})
    found = check(Site(tmp_path))[0]
    assert "nothing there looks like a site" in found.message
    assert f"fcgiemu init {tmp_path}" not in found.hint


@pytest.mark.parametrize(
    ("base", "root"),
    [
        ("", 'STATIC_ROOT = Path(__file__).resolve().parents[1] / "static" (from pathlib)'),
        ("BASE_DIR = Path(__file__).parent.parent\n", 'STATIC_ROOT = BASE_DIR / "static"'),
        ("BASE_DIR = os.path.dirname('')\n", 'STATIC_ROOT = os.path.join(BASE_DIR, "static")'),
    ],
)
def test_what_to_write_for_static_files_of_django(tmp_path: Path, base: str, root: str) -> None:
    write_site(tmp_path, {**DJANGO, "shop/settings.py": base + SETTINGS})
    (note,) = recognise(tmp_path).notes
    assert f"Set {root}, run python manage.py collectstatic (with the Python that" in note
    write_site(tmp_path, {"venv/bin/python": ""})
    (note,) = recognise(tmp_path).notes
    assert f"run {tmp_path}/venv/bin/python {tmp_path}/manage.py collectstatic, remove" in note


def test_explain_says_that_there_is_no_web_config(tmp_path: Path) -> None:
    write_site(tmp_path, {"backend/manage.py": MANAGE, "backend/web.config": "<configuration />"})
    for url, words in (("/x", f"{tmp_path}/backend has one"), ("/backend/x", "backend has one")):
        ran = CliRunner().invoke(main, ["explain", str(tmp_path), url])
        assert ran.exit_code == 0 and words in ran.stderr and words not in ran.stdout
    assert not CliRunner().invoke(main, ["explain", str(tmp_path / "backend"), "/"]).stderr
    assert not CliRunner().invoke(main, ["explain", str(tmp_path), "/", "--json"]).stderr
