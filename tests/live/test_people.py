"""Sites of people who try fcgiemu for the first time: one row for each kind, with what ``doctor``
says of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.programs import interpreter_probe, trial_requests

from ..sites import make_env, web_config, write

#: Where Flask, Django and Bottle are that these sites use.
PACKAGES = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]
"""
FLASK = """
from flask import Flask
app = Flask(__name__)
@app.route("/")
def index():
    return "hello"
"""
FASTAPI = """
class FastAPI:
    async def __call__(self, scope, receive, send): ...
app = FastAPI()
"""
SERVER = """
import os, sys
from wsgiref.simple_server import make_server
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]
port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ["HTTP_PLATFORM_PORT"])
make_server("127.0.0.1", port, app).serve_forever()
"""
DJANGO = {
    "shop/__init__.py": "",
    "shop/settings.py": 'SECRET_KEY = "x"\nROOT_URLCONF = "shop.urls"\nALLOWED_HOSTS = ["*"]\n'
    'MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]\n',
    "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\n"
    'urlpatterns = [path("", lambda request: HttpResponse("hello"))]\n',
    "shop/wsgi.py": 'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"\n'
    "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n",
    "shop/asgi.py": 'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"\n'
    "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
}
#: What uvicorn says of a name that is not there.
UVICORN = """
import importlib, sys
module, _, name = sys.argv[1].partition(":")
try:
    getattr(importlib.import_module(module), name)
except ImportError:
    sys.exit(f'ERROR:    Error loading ASGI app. Could not import module "{module}".')
except AttributeError:
    sys.exit(f'ERROR:    Error loading ASGI app. Attribute "{name}" not found in module "{module}".')
"""
DJANGO_HANDLER = "django.core.wsgi.get_wsgi_application()"
MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
STOCK = "C:\\Python39\\python.exe|C:\\Python39\\Lib\\site-packages\\wfastcgi.py"
LEADS = (
    '<rewrite><rules><rule name="Python"><match url="(.*)" />{}'
    '<action type="Rewrite" url="{}/{{R:1}}" /></rule></rules></rewrite>'
)


def fastcgi(
    handler: str = "app.app",
    processor: str = STOCK,
    path: str = "*",
    inner: str = "",
    attributes: str = 'resourceType="Unspecified"',
    **settings: str,
) -> str:
    return web_config(
        f'<handlers><add name="Python" path="{path}" verb="*" modules="FastCgiModule"'
        f' scriptProcessor="{processor}" {attributes} /></handlers>{inner}',
        {"WSGI_HANDLER": handler, **settings},
    )


def platform(program: str, arguments: str = "", more: str = "", **variables: str) -> str:
    environment = "".join(
        f'<environmentVariable name="{name}" value="{value}" />'
        for name, value in variables.items()
    )
    return web_config(
        '<handlers><add name="Web" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="{program}" arguments="{arguments}" startupTimeLimit="2" {more}>'
        f"<environmentVariables>{environment}</environmentVariables></httpPlatform>"
    )


def doctor(folder: Path, *options: str) -> tuple[int, list[dict[str, str]]]:
    result = CliRunner().invoke(main, ["doctor", str(folder), "--json", *options])
    return result.exit_code, json.loads(result.output)


def site(folder: Path, files: Mapping[str, str], env: str = "") -> Path:
    """A site of these files, with an environment called ``env`` that has the packages."""
    write(folder, files)
    if env:
        make_env(folder, PACKAGES)
        (folder / "env").rename(folder / env)
    return folder


# -- what answers ----------------------------------------------------------------------------------

ANSWERS = [
    pytest.param({"app.py": FLASK, "web.config": fastcgi()}, ".venv", id=".venv"),
    pytest.param({"app.py": FLASK, "web.config": fastcgi()}, "venv", id="venv"),
    pytest.param({"app.py": FLASK, "web.config": fastcgi()}, "env", id="env"),
    pytest.param({"app.py": FLASK, "web.config": fastcgi()}, "shop-env", id="own name"),
    pytest.param(
        {
            "app.py": FLASK,
            "logs/": "",
            "web.config": fastcgi(
                processor="C:\\Inetpub\\vhosts\\x\\httpdocs\\env\\Scripts\\python.exe|-m wfastcgi",
                PYTHONPATH="C:\\Inetpub\\vhosts\\x\\httpdocs",
                WSGI_LOG="C:\\Inetpub\\vhosts\\x\\httpdocs\\logs\\w.log",
            ),
        },
        "env",
        id="Plesk",
    ),
    pytest.param(
        {
            "app.py": FLASK,
            "web.config": fastcgi(
                "ptvs_virtualenv_proxy.get_venv_handler()",
                "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py",
                WSGI_ALT_VIRTUALENV_HANDLER="app.app",
                WSGI_ALT_VIRTUALENV_ACTIVATE_THIS="C:\\home\\site\\wwwroot\\env\\Scripts\\python.exe",
                PYTHONPATH="C:\\home\\site\\wwwroot",
                WSGI_LOG="C:\\home\\LogFiles\\w.log",
            ),
        },
        "env",
        id="Azure, C:",
    ),
    pytest.param(
        {"app.py": FLASK, "web.config": fastcgi(WSGI_LOG="E:\\logs\\w.log")}, ".venv", id="drive"
    ),
    pytest.param(
        {"src/shop.py": FLASK, "web.config": fastcgi("shop.app", PYTHONPATH=".\\src")},
        ".venv",
        id=".\\src",
    ),
    pytest.param({**DJANGO, "web.config": fastcgi("shop.wsgi.application")}, ".venv", id="Django"),
    pytest.param(
        {
            "app.py": APP
            + "class Router:\n    def __call__(self, environ, start):\n        return app(environ, start)\nrouter = Router()\n",
            "web.config": fastcgi("app.router"),
        },
        "",
        id="a Router as Pyramid has",
    ),
    pytest.param(
        {
            "app.py": APP,
            "web.config": fastcgi(path="handler.fcgi", inner=LEADS.format("", "handler.fcgi")),
        },
        "",
        id="rule",
    ),
    pytest.param(
        {"app.py": SERVER, "web.config": platform(".\\env\\Scripts\\python.exe", "app.py")},
        "env",
        id="platform, .\\env",
    ),
    pytest.param(
        {
            "app.py": SERVER,
            "web.config": platform("env\\Scripts\\python.exe", "APP.py %HTTP_PLATFORM_PORT%"),
        },
        "env",
        id="platform, env",
    ),
    pytest.param(
        {
            "app.py": SERVER,
            "web.config": platform(
                "D:\\apps\\shop\\env\\Scripts\\python.exe",
                "D:\\apps\\shop\\app.py %HTTP_PLATFORM_PORT%",
                PYTHONPATH="D:\\apps\\shop",
            ),
        },
        "env",
        id="platform, absolute",
    ),
    pytest.param(
        {"app.py": SERVER, "web.config": platform("cmd", "/c env\\Scripts\\python.exe app.py")},
        "env",
        id="platform, cmd /c",
    ),
    pytest.param(
        {"app.py": SERVER, "web.config": platform("py.exe", "-3.9 app.py")}, ".venv", id="launcher"
    ),
]


@pytest.mark.parametrize(("files", "env"), ANSWERS)
def test_sites_that_answer(tmp_path: Path, files: dict[str, str], env: str) -> None:
    folder = site(tmp_path / "shop", files, env)
    code, steps = doctor(folder)
    assert code == 0, steps
    assert steps[-1]["text"] == "the application answers / with 200"
    assert not [name for name in os.listdir(folder) if "\\" in name or ":" in name]


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        (fastcgi(path="api/*"), "python-first-page", "/ is the file index.html"),
        (
            fastcgi(inner='<rewrite><rules><rule name="s"><match url="^$" /><action type="Redirect"'
            ' url="/shop" /></rule></rules></rewrite>'),
            "python-first-page",
            "is a redirect to http://localhost/shop (rule s)",
        ),
        (fastcgi("app.missing_page"), "python-answer-missing", "the application answers / with 404"),
    ],
)  # fmt: skip
def test_what_is_only_noted(tmp_path: Path, config: str, code: str, words: str) -> None:
    missing = APP.replace("app(", "missing_page(").replace("200 OK", "404 Not Found")
    write(tmp_path, {"app.py": APP + missing, "index.html": "", "web.config": config})
    status, steps = doctor(tmp_path)
    assert status == 0 and steps[-1]["code"] == code and words in steps[-1]["text"], steps


# -- what does not ---------------------------------------------------------------------------------

Row = tuple[dict[str, str], str, str, str]
FAILS: list[Row] = [
    # the name in WSGI_HANDLER
    ({"app.py": APP, "web.config": fastcgi("\\app.app")}, "settings-handler-name", "which is a file name", 'value="app.app"'),
    ({"app.py": APP, "web.config": fastcgi("app.py")}, "settings-handler-name", "which is a file name", 'value="app.app"'),
    ({"app.py": APP, "web.config": fastcgi("D:\\x\\app.py")}, "settings-handler-name", "file name", 'value="app.app"'),
    ({"shop/wsgi.py": "application = 1", "web.config": fastcgi("shop\\wsgi.py")}, "settings-handler-name", "file name", 'value="shop.wsgi.application"'),
    ({"shop/wsgi.py": APP, "web.config": fastcgi("shop/wsgi:app")}, "settings-handler-name", "file name", 'value="shop.wsgi.app"'),
    ({"app.py": APP, "web.config": fastcgi("app:app")}, "settings-handler-name", "has a colon", 'value="app.app"'),
    ({"app.py": "def create_app():\n    pass\n", "web.config": fastcgi("app")}, "settings-handler-name", "which has no dot", 'value="app.create_app()"'),
    # what it names
    ({"main.py": FASTAPI, "web.config": fastcgi("main.app")}, "python-asgi", "of type FastAPI, an ASGI", "a2wsgi"),
    ({"main.py": "async def app(scope, receive, send): ...\n", "web.config": fastcgi("main.app")}, "python-asgi", "an ASGI application", "a2wsgi"),
    ({**DJANGO, "web.config": fastcgi("shop.asgi.application")}, "python-asgi", "of type ASGIHandler", "write wsgi for asgi"),
    ({"app.py": APP + "def create_app():\n    pass\n", "web.config": fastcgi("app.create_app()")}, "python-load-error", "could not be imported", "create_app() returns None"),
    ({"app.py": APP + "def create_app():\n    return app\n", "web.config": fastcgi("app.create_app")}, "python-wrong-arguments", "cannot be called", "write () behind it"),
    ({"app.py": "class Dash: ...\napp = Dash()\n", "web.config": fastcgi()}, "error-dash", "A Dash object", "app.app.server"),
    ({"app.py": FLASK + "app.run()\n", "web.config": fastcgi()}, "python-server-at-import", "app.py:7 starts a server", "__main__"),
    # its imports
    ({"app.py": "import winreg\n" + APP, "web.config": fastcgi()}, "python-load-error", "winreg", "winreg exists on Windows only"),
    ({"app.py": "import win32com.client\n" + APP, "web.config": fastcgi()}, "python-load-error", "win32com", 'sys_platform == "win32"'),
    ({"app.py": "import ctypes\nctypes.windll\n" + APP, "web.config": fastcgi()}, "python-load-error", "windll", "ctypes.windll exists on Windows only"),
    ({"app.py": "from werkzeug.contrib.fixers import ProxyFix\n" + APP, "web.config": fastcgi()}, "python-load-error", "werkzeug.contrib", "werkzeug.middleware.proxy_fix"),
    ({"app.py": "from django.core.urlresolvers import reverse\n" + APP, "web.config": fastcgi()}, "python-load-error", "urlresolvers", "written for an older one"),
    ({"app.py": "import urllib2\n" + APP, "web.config": fastcgi()}, "python-load-error", "urllib2", "a module of Python 2"),
    ({"app.py": "print 'x'\n" + APP, "web.config": fastcgi()}, "python-load-error", "SyntaxError", "written for Python 2"),
    ({"app.py": "from collections import Mapping\n" + APP, "web.config": fastcgi()}, "python-load-error", "Mapping", "moved to collections.abc"),
    ({"struct.py": APP, "web.config": fastcgi("struct.app")}, "python-load-error", "struct", "Give it another name"),
    ({"random.py": APP, "app.py": "import random\nrandom.shuffle\n" + APP, "web.config": fastcgi()}, "python-load-error", "random", "takes the place of Python's own module random"),
    ({"src/shop/__init__.py": APP, "web.config": fastcgi("shop.app")}, "python-load-error", "'shop'", "shop is in src, which is not on PYTHONPATH"),
    ({"App.py": APP, "web.config": fastcgi("app.app")}, "python-load-error", "'app'", "There is App.py, and Python compares names with their case"),
    ({"shop/__init__.py": "", "web.config": fastcgi("shop.views.app")}, "python-load-error", "shop", "no views in it"),
    ({"shop/manage.py": "", **{f"shop/{name}": text for name, text in DJANGO.items()}, "web.config": fastcgi("shop.wsgi.application")}, "python-load-error", "shop", '<add key="PYTHONPATH" value=".\\shop" />'),
    ({"shop/manage.py": "", **{f"shop/{name}": text for name, text in DJANGO.items()}, "web.config": fastcgi(DJANGO_HANDLER, DJANGO_SETTINGS_MODULE="shop.settings")}, "python-load-error", "shop.settings", '<add key="PYTHONPATH" value=".\\shop" />'),
    ({"app.py": "from .models import x\n" + APP, "models.py": "x = 1\n", "web.config": fastcgi()}, "python-load-error", "relative import", "Write import models for from . import models"),
    ({"shop/__init__.py": "", "shop/view.py": APP, "web.config": fastcgi("shop.views.app")}, "python-load-error", "shop", "Did you mean shop.view?"),
    ({**DJANGO, "web.config": fastcgi(DJANGO_HANDLER, DJANGO_SETTINGS_MODULE="shop.setings")}, "python-load-error", "setings", "Did you mean shop.settings?"),
    ({**DJANGO, "web.config": fastcgi(DJANGO_HANDLER, DJANGO_SETTINGS_MODULE="shp.settings")}, "python-load-error", "shp", "Did you mean shop?"),
    ({**DJANGO, "conf/env/prod.py": "", "web.config": fastcgi(DJANGO_HANDLER, DJANGO_SETTINGS_MODULE="conf.env.production")}, "python-load-error", "conf.env.production", "There is conf/env/ in the site, and no production in it. Did you mean conf.env.prod?"),
    ({**DJANGO, "manage.py": MANAGE, "web.config": fastcgi(DJANGO_HANDLER)}, "python-load-error", "not configured", '<add key="DJANGO_SETTINGS_MODULE" value="shop.settings" />'),
    ({"shop/__init__.py": "", "manage.py": MANAGE, "web.config": fastcgi("shop.wsgi.application")}, "python-load-error", "shop", "Write django.core.wsgi.get_wsgi_application() for it"),
    ({"app.py": APP, "web.config": fastcgi("ptvs_virtualenv_proxy.get_virtualenv_handler()", WSGI_ALT_VIRTUALENV_HANDLER="app.app", WSGI_ALT_VIRTUALENV_ACTIVATE_THIS=".venv\\Scripts\\python.exe")}, "python-load-error", "UnicodeDecodeError", "Write ptvs_virtualenv_proxy.get_venv_handler()"),
    ({"app.py": "import sys\nsys.getwindowsversion()\n" + APP, "web.config": fastcgi()}, "python-load-error", "getwindowsversion", "exists on Windows only"),
    ({"app.py": "open('data\\\\x.json')\n" + APP, "web.config": fastcgi()}, "python-load-error", "x.json", "a path of Windows"),
    ({"flask.py": FLASK, "web.config": fastcgi("flask.app")}, "python-load-error", "'flask'", "flask.py of the site takes the place of the package flask"),
    ({"app.py": "from views import index\n" + APP, "views.py": "from app import app\ndef index(): ...\n", "web.config": fastcgi()}, "python-load-error", "'app'", "modules import each other"),
    ({**DJANGO, "shop/settings.py": DJANGO["shop/settings.py"] + 'INSTALLED_APPS = ["corsheaders"]\n', "web.config": fastcgi("shop.wsgi.application")}, "python-load-error", "corsheaders", "-m pip install django-cors-headers"),
    # what it returns
    ({"app.py": APP.replace("return ", ""), "web.config": fastcgi()}, "python-answer-error", "'NoneType' object", "returned None. It must return an iterable of bytes"),
    ({"app.py": APP.replace("[b\"fine\"]", "42"), "web.config": fastcgi()}, "python-answer-error", "'int' object", "returned an object of type int"),
    ({"app.py": APP + "def make(config, debug):\n    return app\n", "web.config": fastcgi("app.make")}, "python-answer-error", "'function' object", "returned a function and no body"),
    ({"app.py": APP.replace('"200 OK"', "200"), "web.config": fastcgi()}, "python-answer-error", "'int' object", 'a str such as "200 OK"'),
    ({"app.py": APP.replace('[("Content-Type", "text/plain")]', '{"Content-Type": "text/plain"}'), "web.config": fastcgi()}, "python-answer-error", "_decode_header", "Write a list of tuples"),
    ({"app.py": FLASK.replace('return "hello"', "pass"), "web.config": fastcgi()}, "python-answer-error", "did not return a valid response", "The view index returned no response"),
    # who answers
    ({"app.py": APP, "web.config": fastcgi(path="handler.fcgi", inner=LEADS.format("", "handler.fcg"))}, "python-first-page", "leads to handler.fcg, and", "Write handler.fcgi/{R:1}"),
    ({"app.py": APP, "index.html": "", "web.config": fastcgi(path="handler.fcgi")}, "python-first-page", "no rule leads to handler.fcgi", 'path="*"'),
    ({"app.py": APP, "web.config": fastcgi(path="handler.fcgi", inner=LEADS.format('<conditions><add input="{REQUEST_FILENAME}" matchType="IsDirectory" negate="true" /></conditions>', "handler.fcgi"))}, "python-first-page", "its conditions leave / out", "conditions"),
    ({"app.py": APP, "web.config": fastcgi(path="handler.fcgi", inner=LEADS.format("", "handler.fcgi").replace("<rules>", '<rules><rule name="Files" stopProcessing="true"><match url=".*" /><conditions><add input="{REQUEST_FILENAME}" matchType="IsDirectory" /></conditions><action type="None" /></rule>'))}, "python-first-page", "the rule Files takes / before the rule Python", "Change the conditions of the rule Files"),
    ({"app.py": APP, "web.config": fastcgi(attributes='resourceType="File"')}, "python-first-page", "answers only where such a thing exists", 'resourceType="Unspecified"'),
    ({"app.py": APP, "web.config": fastcgi().replace("<handlers>", '<handlers accessPolicy="Read">')}, "python-first-page", "answered 403.1", ""),
    ({"app.py": APP, "web.config": fastcgi().replace('verb="*"', 'verb="POST"')}, "python-first-page", "takes no GET", 'verb="*"'),
    ({"app.py": APP.replace("start_response(", "1 / 0; start_response("), "web.config": fastcgi()}, "python-answer-error", "answers / with 500: ZeroDivisionError", ""),
    ({**DJANGO, "shop/settings.py": DJANGO["shop/settings.py"].replace("*", "shop.example.com"), "web.config": fastcgi("shop.wsgi.application")}, "python-answer-error", "with 400", "ALLOWED_HOSTS"),
    ({"app.py": APP, "web.config": fastcgi(WSGI_LOG="%SystemDrive%\\home\\LogFiles\\w.log")}, "python-log-file", "cannot be written", "Write D:\\home\\LogFiles\\w.log."),
    ({"app.py": APP, "web.config": fastcgi(WSGI_LOG="%ROOTDIR%\\w.log")}, "python-log-file", "cannot be written", "Write D:\\home\\LogFiles\\w.log."),
    ({"shop.py": "", "web.config": fastcgi(processor="C:\\Python27\\python.exe|C:\\inetpub\\wwwroot\\manage.py winfcgi")}, "handler-missing-script", "manage.py, which is not there", "correct the path"),
    # httpPlatform
    ({"run.cmd": "python app.py", "app.py": SERVER, "web.config": platform("run.cmd")}, "python-no-program", "run.cmd runs on Windows only", "--map 'run.cmd=/path/to/run.cmd'"),
    ({"app.py": SERVER, "web.config": platform("powershell.exe", "-File run.ps1")}, "python-no-program", "runs on Windows only", "Map it to a script"),
    ({"app.py": SERVER, "web.config": platform("python", "app.py --port 5000")}, "platform-fixed-port", "say port 5000", 'arguments="app.py --port %HTTP_PLATFORM_PORT%"'),
    ({"app.py": SERVER, "web.config": platform("python", "app.py %HTTP_PLATFORMPORT%")}, "platform-unknown-variable", "%HTTP_PLATFORMPORT%", "Write %HTTP_PLATFORM_PORT%"),
    ({"app.py": SERVER, "web.config": platform("python", "ap.py")}, "platform-missing-script", "there is no ap.py", "Write app.py"),
    ({"web.config": platform("python", "-m no_such_server")}, "python-load-error", "no_such_server", "Python finds no module no_such_server"),
    ({"web.config": platform("python", "C:\\my site\\x\\app.py")}, "platform-unquoted-blank", "where the blank ends the word", "&quot;C:\\my site\\x\\app.py&quot;"),
    ({"app.py": "import time\ntime.sleep(60)\n", "web.config": platform("python", "app.py")}, "platform-no-start", "does not listen", "%HTTP_PLATFORM_PORT%"),
    ({"main.py": FASTAPI, "uvicorn.py": UVICORN, "web.config": platform("python", "uvicorn.py mian:app %HTTP_PLATFORM_PORT%")}, "platform-no-start", "mian", "Did you mean main?"),
    ({"main.py": FASTAPI, "uvicorn.py": UVICORN, "web.config": platform("python", "uvicorn.py main:application %HTTP_PLATFORM_PORT%")}, "platform-no-start", "application", "Did you mean main:app?"),
    ({"app.py": "raise SystemExit(3)\n", "web.config": platform("python", "app.py")}, "platform-no-start", "exit code 3", ""),
    ({"app.py": SERVER.replace("int(", "0 * int("), "web.config": platform("python", "app.py")}, "platform-no-start", "does not listen", "The process listens on port "),
]  # fmt: skip


@pytest.mark.parametrize(("files", "code", "words", "remedy"), FAILS)
def test_sites_that_do_not_answer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    code: str,
    words: str,
    remedy: str,
) -> None:
    if "The process listens on" in remedy and not Path("/proc/net/tcp").exists():
        pytest.skip("which ports a process listens on is told by Linux only")
    monkeypatch.setattr(interpreter_probe, "SECONDS", 20)
    monkeypatch.setattr(trial_requests, "SECONDS", 20)
    status, steps = doctor(site(tmp_path, files, ".venv"))
    found = next((step for step in steps if step["code"] == code), None)
    assert found is not None and found["status"] == "problem" and status == 1, steps
    assert words in found["text"] and remedy in found["remedy"], found


def test_json_names_the_application(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "web.config": fastcgi()})
    _, steps = doctor(tmp_path)
    first: dict[str, Any] = steps[0]
    assert first == {
        "application": "/",
        "name": "web.config",
        "status": "ok",
        "text": str(tmp_path / "web.config"),
        "remedy": "",
        "code": "",
    }
