"""``fcgiemu doctor``: what keeps an application from answering, and what to change; and the same causes at run time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.applications import Application
from fcgiemu.causes import CAUSES, causes
from fcgiemu.cli import main
from fcgiemu.rewrite.state import Place

from ..sites import make_env, python_handler, web_config, write, wsgi_site
from .server import LiveServer

APP = '''
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]
def create_app():
    return application
def with_name(name):
    return application
three = 3
'''


def doctor(folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["doctor", str(folder)])
    return result.exit_code, result.output


def test_all_is_well(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site(PYTHONPATH="D:\\home\\site\\wwwroot")})
    make_env(tmp_path)
    code, text = doctor(tmp_path)
    assert code == 0, text
    assert text.endswith("Everything is in place.\n") and "loaded on Python" in text
    assert f"made with Python {sys.version_info[0]}.{sys.version_info[1]}" in text


@pytest.mark.parametrize(("settings", "message", "remedy"), [
    ({"WSGI_HANDLER": "app.create_app"}, "cannot be called with environ and start_response", "write () behind it"),
    ({"WSGI_HANDLER": "app.with_name()"}, "missing 1 required positional argument", "drop the ()"),
    ({"WSGI_HANDLER": "app.three"}, "of type int, which cannot be called", "Name the application itself"),
    ({"WSGI_HANDLER": "app.py"}, "app.py is a file name", "Write a dotted name: app.app, say"),
    ({"WSGI_HANDLER": "D:\\home\\site\\wwwroot\\app.py"}, "is a file name", "Write a dotted name: app.app, say"),
    ({"WSGI_HANDLER": "app"}, "app has no dot", "app.app, say"),
    ({}, "it is not set", "WSGI_HANDLER"),
    ({"WSGI_HANDLER": "needs_flask.app"}, "No module named 'flask_of_the_site'", "flask-of-the-site is in requirements.txt"),
    ({"WSGI_HANDLER": "nowhere.app"}, "No module named 'nowhere'", "is its folder on PYTHONPATH"),
    ({"WSGI_HANDLER": "app.application", "PYTHONPATH": "a; b"}, "' b' has blanks around it", "Remove the blanks"),
    ({"WSGI_HANDLER": "app.application", "PYTHONPATH": "E:\\lib"}, "leads nowhere on this machine", "--map 'E:\\lib="),
    ({"WSGI_HANDLER": "app.application", "WSGI_LOG": "E:\\log.txt"}, "leads nowhere on this machine", "--map 'E:\\log.txt="),
    ({"WSGI_HANDLER": "app.application", "DATA": "%ROOTDIR%\\x"}, "%ROOTDIR% stays as it is", "Write the value itself"),
    ({"WSGI_HANDLER": "app.application", "PYTHONPATH": "%NO_SUCH_FOLDER%"}, "%NO_SUCH_FOLDER% is not set here", ""),
])
def test_what_is_found(tmp_path: Path, settings: dict[str, str], message: str, remedy: str) -> None:
    write(tmp_path, {"app.py": APP, "needs_flask.py": "import flask_of_the_site\n", "requirements.txt": "flask-of-the-site==1.0\n",
                     "web.config": web_config(python_handler(), settings)})
    code, text = doctor(tmp_path)
    assert message in text and remedy in text, text
    assert code == (0 if " problem" not in "\n" + text.replace("\nproblem", "\n problem") else 1)


def test_no_web_config_and_no_handler(tmp_path: Path) -> None:
    assert doctor(tmp_path)[0] == 1
    write(tmp_path, {"web.config": web_config()})
    code, text = doctor(tmp_path)
    assert code == 1 and "no handler uses FastCgiModule" in text
    (tmp_path / "web.config").write_text("<configuration>")
    code, text = doctor(tmp_path)
    assert code == 1 and "web.config:1:16: Configuration file is not well-formed XML" in text


def test_an_env_of_another_python(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "env/pyvenv.cfg": f"home = {tmp_path}\nversion = 3.5.1\nexecutable = {sys.executable}\n",
                     "web.config": web_config(python_handler().replace("D:\\Python34\\python.exe", sys.executable),
                                              {"WSGI_HANDLER": "app.application"})})
    code, text = doctor(tmp_path)
    assert code == 1 and "made with Python 3.5" in text and "Make the environment again" in text


@pytest.mark.parametrize(("text", "cause"), [
    ("Exception: WSGI_HANDLER env var must be set", "no WSGI_HANDLER"),
    ("TypeError: create_app() takes 0 positional arguments but 2 were given", "names a factory"),
    ("TypeError: make() missing 1 required positional argument: 'x'", "drop the ()"),
    ("TypeError: 'NoneType' object is not callable", "of type NoneType"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/x/env/bin/activate_this.py'", "python -m venv makes no"),
    ("ModuleNotFoundError: No module named 'django.core.handlers.wsgi'", "get_wsgi_application"),
    ('ValueError: "app" could not be imported', "needs a dot"),
    ('ValueError: "app.py" could not be imported', "is a dotted name, no file name"),
    ("ModuleNotFoundError: No module named 'ptvs_virtualenv_proxy'", "not beside web.config"),
    ("django.core.exceptions.ImproperlyConfigured: settings are not configured", "DJANGO_SETTINGS_MODULE"),
    ("DisallowedHost: Invalid HTTP_HOST header. You may need to add 'localhost' to ALLOWED_HOSTS", "ALLOWED_HOSTS"),
    ("TypeError: content must be encoded before sending: 'x'", "encode it"),
])
def test_causes_of_error_texts(tmp_path: Path, text: str, cause: str) -> None:
    found = causes(text, Application("", tmp_path, Place()))
    assert len(found) == 1 and cause in found[0]


def test_nothing_is_said_of_what_speaks_for_itself(tmp_path: Path) -> None:
    assert causes("ZeroDivisionError: division by zero", Application("", tmp_path, Place())) == []
    assert all("{1}" not in words for _, words in CAUSES)


def test_the_console_names_the_likely_cause(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site("app.create_app")}))
    assert server.get("/").status == 500
    server.wait_for("likely cause: WSGI_HANDLER names a factory: call it, as in app.create_app")
