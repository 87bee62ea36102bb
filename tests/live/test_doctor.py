"""``fcgiemu doctor``: what keeps an application from answering, and what to change; and the same
causes at run time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.applications import Application
from fcgiemu.cli import main
from fcgiemu.diagnosis.causes import causes, in_words
from fcgiemu.programs import interpreter_probe
from fcgiemu.programs.requirements import package_of
from fcgiemu.rewrite.state import Place

from ..sites import make_env, python_handler, web_config, write, wsgi_site
from .server import LiveServer

APP = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]
def create_app():
    return application
def with_name(name):
    return application
three = 3
"""


#: A module that starts what goes on and prints.
STARTS = """
import subprocess
subprocess.Popen(["sh", "-c", "while sleep 0.01; do echo noise; done"])
"""


def doctor(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["doctor", str(folder), *options])
    return result.exit_code, result.output


def test_all_is_well(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site(PYTHONPATH="D:\\home\\site\\wwwroot")})
    make_env(tmp_path)
    code, text = doctor(tmp_path)
    assert code == 0, text
    assert text.endswith("Everything is in place.\n") and "loaded on Python" in text
    assert f"made with Python {sys.version_info[0]}.{sys.version_info[1]}" in text


@pytest.mark.parametrize(
    ("settings", "message", "remedy"),
    [
        (
            {"WSGI_HANDLER": "app.create_app"},
            "cannot be called with environ and start_response",
            "write () behind it",
        ),
        (
            {"WSGI_HANDLER": "app.with_name()"},
            "missing 1 required positional argument",
            "drop the ()",
        ),
        (
            {"WSGI_HANDLER": "app.with_name"},
            "cannot be called with environ and start_response",
            "write app = function",
        ),
        (
            {"WSGI_HANDLER": "app.nope"},
            "has no attribute 'nope'",
            "Module app (app.py) has no nope. Did you mean app.application?",
        ),
        (
            {"WSGI_HANDLER": "app.aplication"},
            "problem import        web.config:1:",
            "Did you mean app.application?",
        ),
        ({"WSGI_HANDLER": "app.application "}, "has blanks around it", "Write 'app.application'"),
        (
            {"WSGI_HANDLER": "app:application"},
            "has a colon",
            'Write value="app.application": wfastcgi expects a dot',
        ),
        (
            {"WSGI_HANDLER": "ptvs_virtualenv_proxy.py"},
            "is a file name",
            "ptvs_virtualenv_proxy.get_venv_handler()",
        ),
        ({"WSGI_HANDLER": "broken.app"}, "SyntaxError", "Python cannot read"),
        ({"WSGI_HANDLER": "leaves.app"}, "SystemExit", "ends the process while it is imported"),
        ({"WSGI_HANDLER": "dies.app"}, "with exit code 3", "-X faulthandler -c 'import dies'"),
        (
            {"WSGI_HANDLER": "hangs.app"},
            "takes more than 0.5 seconds",
            "It waits for something while it is imported",
        ),
        ({"WSGI_HANDLER": "starts.application"}, "loaded on Python", ""),
        (
            {"WSGI_HANDLER": "app.application", "WSGI_RESTART_FILE_REGEX": "((("},
            "is '(((', which is not a regular expression",
            "or nothing",
        ),
        (
            {"WSGI_HANDLER": "app.application", "WSGI_LOG": "nofolder/x.log"},
            "which cannot be written",
            "Run: mkdir -p ",
        ),
        (
            {"WSGI_HANDLER": "app.application", "URL": "postgres://u:p%40ssw0rd%21@db/x"},
            "Everything is in place",
            "",
        ),
        (
            {"WSGI_HANDLER": "app.three"},
            "of type int, which cannot be called",
            "Name the application itself",
        ),
        (
            {"WSGI_HANDLER": "app.py"},
            "is a file name",
            'Write value="app.application": a dotted name',
        ),
        (
            {"WSGI_HANDLER": "D:\\home\\site\\wwwroot\\app.py"},
            "is a file name",
            'Write value="app.application": a dotted name',
        ),
        ({"WSGI_HANDLER": "app"}, "has no dot", "app.application"),
        ({}, "WSGI_HANDLER is not set", "app.application"),
        (
            {"Wsgi_Handler": "app.application"},
            "is called Wsgi_Handler, which only Windows takes for WSGI_HANDLER",
            "in capitals",
        ),
        (
            {"WSGI_HANDLER": "needs_flask.app"},
            "No module named 'flask_of_the_site'",
            "flask-of-the-site is in requirements.txt, and there is no env",
        ),
        (
            {"WSGI_HANDLER": "needs_setting.app"},
            "KeyError: 'FCGIEMU_NO_SUCH_SETTING'",
            "The environment variable FCGIEMU_NO_SUCH_SETTING is not set",
        ),
        (
            {"WSGI_HANDLER": "nowhere.app"},
            "No module named 'nowhere'",
            "Is its folder on PYTHONPATH",
        ),
        (
            {"WSGI_HANDLER": "app.application", "PYTHONPATH": "a; b"},
            "' b', which has blanks around it",
            "blanks beside the semicolons",
        ),
        (
            {"WSGI_HANDLER": "app.application", "PYTHONPATH": "E:\\lib"},
            "does not exist on this machine",
            "--map 'E:\\lib=",
        ),
        (
            {"WSGI_HANDLER": "app.application", "WSGI_LOG": "E:\\log.txt"},
            "does not exist on this machine",
            "--map 'E:\\log.txt=",
        ),
        (
            {"WSGI_HANDLER": "app.application", "DATA": "%ROOTDIR%\\x"},
            "%ROOTDIR%, which stays as it is",
            "Write the value itself",
        ),
        (
            {"WSGI_HANDLER": "app.application", "PYTHONPATH": "%NO_SUCH_FOLDER%"},
            "%NO_SUCH_FOLDER% is not set here",
            "",
        ),
    ],
)
def test_what_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    message: str,
    remedy: str,
) -> None:
    if "hangs" in settings.get("WSGI_HANDLER", ""):
        monkeypatch.setattr(interpreter_probe, "SECONDS", 0.5)
    write(
        tmp_path,
        {
            "app.py": APP,
            "broken.py": "def (:\n",
            "leaves.py": "import sys\nsys.exit()\n",
            "dies.py": "import os\nos._exit(3)\n",
            "hangs.py": "import time\ntime.sleep(3600)\n",
            "starts.py": STARTS + APP,
            "needs_flask.py": "import flask_of_the_site\n",
            "needs_setting.py": "import os\nos.environ['FCGIEMU_NO_SUCH_SETTING']\n",
            "requirements.txt": "flask-of-the-site==1.0\n",
            "web.config": web_config(python_handler(), settings),
        },
    )
    code, text = doctor(tmp_path)
    assert message in text and remedy in text, text
    assert code == (0 if " problem" not in "\n" + text.replace("\nproblem", "\n problem") else 1)


def test_no_web_config_and_no_handler(tmp_path: Path) -> None:
    assert doctor(tmp_path)[0] == 1
    write(tmp_path, {"web.config": web_config(), "app.py": APP})
    code, text = doctor(tmp_path)
    assert code == 1 and "no handler uses FastCgiModule or httpPlatformHandler" in text
    (tmp_path / "web.config").rename(tmp_path / "web.3.4.config")
    assert "There is no web.config, only web.3.4.config" in doctor(tmp_path)[1]
    (tmp_path / "web.config").write_text("<configuration>")
    code, text = doctor(tmp_path)
    assert code == 1 and "web.config:1:16: Configuration file is not well-formed XML" in text


@pytest.mark.parametrize(
    ("files", "message", "remedy"),
    [
        (
            {
                "web.config": web_config(
                    '<rewrite><rules><rule name="r"><match url="(" /><action type="None" /></rule></rules></rewrite>'
                    + python_handler(),
                    {"WSGI_HANDLER": "app.application"},
                )
            },
            "is answered 500.50: web.config:1:",
            "",
        ),
        (
            {
                "web.config": web_config(
                    python_handler().replace(
                        "</handlers>", '<add name="Python" path="x" verb="*" /></handlers>'
                    ),
                    {"WSGI_HANDLER": "app.application"},
                )
            },
            "web.config:1:",
            "Python",
        ),
        (
            {
                "web.config": web_config(
                    python_handler().replace("|D:\\Python34\\Scripts\\wfastcgi.py", "")
                )
            },
            "Python without a script to run",
            "wfastcgi.py",
        ),
        (
            {
                "web.config": web_config(
                    python_handler().replace(
                        "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py", ""
                    )
                )
            },
            "The handler 'Python' has no scriptProcessor",
            "Write scriptProcessor=",
        ),
    ],
)
def test_what_fails_before_python_is_asked(
    tmp_path: Path, files: dict[str, str], message: str, remedy: str
) -> None:
    code, text = doctor(write(tmp_path, {"app.py": APP, **files}))
    assert code == 1 and message in text and remedy in text, text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"env/Scripts/": "", "env/pyvenv.cfg": "home = C:\\x\nversion = 3.8\n"}, "on Windows"),
        ({"env/bin/": "", "env/pyvenv.cfg": "home = /x\nversion = 3.8\n"}, "made with is gone"),
        ({"env/bin/activate": ""}, "env/pyvenv.cfg is missing"),
    ],
)
def test_an_environment_that_is_lost_matters_to_a_site_that_needs_it(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site(), **files})
    code, text = doctor(tmp_path)
    assert code == 0 and message in text and "Make it again here: rm -r" in text, text
    write(tmp_path, {"app.py": "import greeting\n", "requirements.txt": "greeting\n"})
    code, text = doctor(tmp_path)
    assert code == 1 and text.count("rm -r") == 2, text  # the same remedy


def test_a_map_that_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "web.config": wsgi_site()})
    for local, what in (
        (tmp_path / "none", "is not there"),
        (tmp_path, "is a folder"),
        (tmp_path / "app.py", "cannot be executed"),
    ):
        result = CliRunner().invoke(
            main, ["doctor", str(tmp_path), "--map", f"D:\\Python34\\python.exe={local}"]
        )
        assert result.exit_code == 1 and f"to {local}, which {what}" in result.output, result.output


@pytest.mark.parametrize(
    ("files", "module", "found"),
    [
        (
            {"requirements.txt": "flask-of-the-site==1.0\n"},
            "flask_of_the_site",
            ("flask-of-the-site", "requirements.txt"),
        ),
        (
            {
                "requirements.txt": "-rreqs/base.txt",
                "reqs/base.txt": "-r more.txt",
                "reqs/more.txt": "a\nyaml",
            },
            "yaml",
            ("yaml", "requirements.txt"),
        ),
        (
            {
                "requirements.txt": "# none\n-r base.txt\n",
                "base.txt": "-r requirements.txt\nPyYAML>=5\n",
            },
            "yaml",
            ("PyYAML", "requirements.txt"),
        ),
        (
            {"pyproject.toml": '[project]\ndependencies = ["Pillow[webp]>=9"]\n'},
            "PIL",
            ("Pillow", "pyproject.toml"),
        ),
        ({"pyproject.toml": "[project\n", "requirements.txt": "-r missing.txt"}, "yaml", None),
    ],
)
def test_what_a_site_requires(
    tmp_path: Path, files: dict[str, str], module: str, found: tuple[str, str] | None
) -> None:
    requirement = package_of(write(tmp_path, files), module)
    assert (requirement and (requirement.name, requirement.source.name)) == found


def test_every_handler_is_looked_at(tmp_path: Path) -> None:
    php = '<add name="PHP" path="*.php" verb="*" modules="FastCgiModule" scriptProcessor="C:\\nowhere\\php-strange.exe" />'
    handlers = python_handler().replace("<handlers>", f"<handlers>{php}")
    write(tmp_path, {"web.config": web_config(handlers, {"WSGI_HANDLER": "nothere.app"})})
    code, text = doctor(tmp_path)
    assert (
        code == 1
        and "There is no program here for C:\\nowhere\\php-strange.exe" in text
        and "No module named 'nothere'" in text
    )


def platform(arguments: str, program: str = sys.executable) -> str:
    return web_config(
        '<handlers><add name="Web" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="{program}" arguments="{arguments}" />'
    )


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        (
            platform("-m http.server %HTTP_PLATFORM_PORT%"),
            0,
            f"process       {sys.executable} -m http.server PORT",
        ),
        (
            platform("app.py -m production"),
            1,
            "app.py. Correct the arguments",
        ),
        (
            platform("-m waitress_of_the_site %HTTP_PLATFORM_PORT%"),
            1,
            "No module named 'waitress_of_the_site'",
        ),
        (
            platform("x", "C:\\nowhere\\strange.exe"),
            1,
            "There is no program here for C:\\nowhere\\strange.exe",
        ),
    ],
)
def test_a_site_of_http_platform(tmp_path: Path, config: str, code: int, words: str) -> None:
    write(tmp_path, {"web.config": config})
    found = doctor(tmp_path)
    assert found[0] == code and words in found[1] and "FastCgiModule" not in found[1], found[1]


def test_a_package_that_env_has_and_nothing_activates(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": "import only_in_env\n" + APP,
            "web.config": wsgi_site(),
            "requirements.txt": "only-in-env",
        },
    )
    (make_env(tmp_path) / "only_in_env.py").write_text("")
    code, text = doctor(tmp_path)
    assert code == 0 and "the site's env (convenience: IIS would not find" in text, text
    code, text = doctor(tmp_path, "--strict")
    assert code == 1 and "only_in_env is in env, but the worker does not see env" in text, text


def test_an_app_setting_of_the_portal_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": APP,
            "web.config": web_config(python_handler()),
            "portal.env": "WSGI_HANDLER=app.application\n",
        },
    )
    result = CliRunner().invoke(
        main, ["doctor", str(tmp_path), "--azure", "--app-settings", str(tmp_path / "portal.env")]
    )
    assert result.exit_code == 0, result.output


def test_an_env_of_another_python(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "app.py": APP,
            "env/pyvenv.cfg": f"home = {tmp_path}\nversion = 3.5.1\nexecutable = {sys.executable}\n",
            "web.config": web_config(
                python_handler().replace("D:\\Python34\\python.exe", sys.executable),
                {
                    "WSGI_HANDLER": "ptvs_virtualenv_proxy.get_venv_handler()",
                    "WSGI_ALT_VIRTUALENV_HANDLER": "app.application",
                    "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe",
                },
            ),
        },
    )
    code, text = doctor(tmp_path)
    assert code == 1 and "made with Python 3.5" in text and "Make the environment again" in text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Exception: WSGI_HANDLER env var must be set", "no WSGI_HANDLER"),
        (
            "TypeError: create_app() takes 0 positional arguments but 2 were given",
            "names a factory",
        ),
        (
            "TypeError: make() missing 1 required positional argument: 'x'",
            "write app = make(…) in the module",
        ),
        (
            "TypeError: app() missing 2 required positional arguments: 'environ' and 'start_response'",
            "calls the application itself",
        ),
        ("TypeError: 'NoneType' object is not callable", "of type NoneType"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/x/env/bin/activate_this.py'",
            "python -m venv makes no",
        ),
        (
            "ModuleNotFoundError: No module named 'django.core.handlers.wsgi'",
            "get_wsgi_application",
        ),
        ('ValueError: "app" could not be imported', "needs a dot"),
        ("ModuleNotFoundError: No module named '\\\\\\\\app'", "Write app.app."),
        ('ValueError: "shop/wsgi:app" could not be imported', "Write shop.wsgi.app."),
        ('ValueError: "app.py" could not be imported', "is a dotted name, not a file name"),
        ("ModuleNotFoundError: No module named 'ptvs_virtualenv_proxy'", "not beside web.config"),
        (
            "django.core.exceptions.ImproperlyConfigured: settings are not configured",
            "DJANGO_SETTINGS_MODULE",
        ),
        (
            "Invalid HTTP_HOST header: '127.0.0.1:8000'. You may need to add '127.0.0.1' to ALLOWED_HOSTS.",
            "Add '127.0.0.1'",
        ),
        ("\n<h1>Bad Request (400)</h1>", "ALLOWED_HOSTS lacks the name you asked by"),
        (
            '  File "/x/fcgiemu/worker/application.py", line 50, in log\n    with open(name)\nPermissionError: [Errno 13] Permission '
            "denied: '/nope/x.log'",
            "WSGI_LOG names /nope/x.log",
        ),
        (
            '  File "/x/site-packages/wfastcgi.py", line 5, in start_file_watcher\n  File "/usr/lib/python3.11/re/__init__.py", line 227, '
            "in compile\nre.error: missing )",
            "WSGI_RESTART_FILE_REGEX is not a regular expression",
        ),
        ("AttributeError: module 'main' has no attribute 'py'", "not a file name"),
        ("AttributeError: 'module' object has no attribute 'py'", "not a file name"),
        (
            "  File \"/usr/lib/python2.7/UserDict.py\", line 40, in __getitem__\n    raise KeyError(key)\nKeyError: 'API_KEY'",
            "API_KEY is not set",
        ),
        ("TypeError: content must be encoded before sending: 'x'", "Encode it"),
    ],
)
def test_causes_of_error_texts(tmp_path: Path, text: str, cause: str) -> None:
    found = causes(text, Application("", tmp_path, Place()))
    assert len(found) == 1 and cause in in_words(found[0])


def test_nothing_is_said_of_what_speaks_for_itself(tmp_path: Path) -> None:
    application = Application("", tmp_path, Place())
    assert causes("ZeroDivisionError: division by zero", application) == []
    worker = '  File "/x/fcgiemu/worker/application.py", line 9, in _call\n    result = handler(environ)\n'
    for error in (
        "TypeError: ForeignKey() missing 1 required positional argument: 'on_delete'",
        "TypeError: 'NoneType' object is not callable",
        "TypeError: f() takes 0 positional arguments but 2 were given",
        "re.error: missing )",
    ):
        assert (
            causes(
                worker + '  File "/site/app.py", line 3, in view\n    f(1, 2)\n' + error,
                application,
            )
            == []
        )
        assert causes(worker + error, application) != []
    printed = (
        worker
        + '  File "/site/app.py", line 3, in view\nKeyError\n\n\nStdOut: '
        + "x" * 99999
        + "TypeError: 'str' object is not callable"
    )
    assert causes(printed, application) == []
    assert causes("in log\n" * 9000 + "os.environ.update\n" * 4000, application) == []  # at once
    assert (
        causes(
            worker
            + "  File \"/home/re/site/app.py\", line 3, in view\nTypeError: 'int' object is not callable",
            application,
        )
        == []
    )
    for text in ("ValueError: WSGI_LOG", "KeyError: ALLOWED_HOSTS"):
        assert causes(text, application) == []


def test_the_console_names_the_likely_cause(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(write(tmp_path, {"app.py": APP, "web.config": wsgi_site("app.create_app")}))
    assert server.get("/").status == 500
    server.wait_for("likely cause: WSGI_HANDLER names a factory. Call it, as in app.create_app")
