"""What runs here and would not on the server is said by ``check`` and at the start of ``serve``."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.diagnosis.check import check
from fcgiemu.programs.fastcgi_launch import Launcher, PoolOptions
from fcgiemu.server import start_up
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import make_env, python_handler, web_config, write, wsgi_site

PROGRAM = "C:\\Program Files\\Python39\\python.exe"
SCRIPT = "C:\\Program Files\\Python39\\Lib\\site-packages\\wfastcgi.py"


def handler(processor: str, settings: dict[str, str] | None = None) -> str:
    old = "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py"
    return web_config(python_handler().replace(old, processor), settings)


def platform(program: str, arguments: str = "", more: str = "") -> str:
    return web_config(
        '<handlers><add name="W" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="{program}" arguments="{arguments}" {more} />'
    )


ROWS = [
    (handler(f"{PROGRAM}|{SCRIPT}"), "handler-unquoted-blank", "IIS starts C:\\Program in its place", f"&quot;{SCRIPT}&quot;"),
    (handler("C:\\Py\\python.exe C:\\Py\\wfastcgi.py"), "handler-no-bar", "a blank between the program", "C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"),
    (handler("%PYTHON_HOME%\\python.exe|-m wfastcgi"), "handler-unknown-variable", "%PYTHON_HOME% in scriptProcessor", "Write the value"),
    (platform("python", "app.py %PORT%"), "platform-unknown-variable", "%PORT% is not a variable", "Write"),
    (platform("python", "app.py --port 8000"), "platform-fixed-port", "say port 8000", "--port %HTTP_PLATFORM_PORT%"),
    (platform("gunicorn", "app:app -b 127.0.0.1:%HTTP_PLATFORM_PORT%"), "platform-fork", "gunicorn needs fork", "waitress"),
    (platform("python", "-m gunicorn app:app"), "platform-fork", "gunicorn needs fork", "waitress"),
    (platform("python", "forks.py"), "platform-fork", "'os.fork('", "win32"),
    (platform("python", "none.py"), "platform-missing-script", "there is no none.py", "arguments"),
    (platform("python", "C:\\my site\\x\\app.py"), "platform-unquoted-blank", "the blank ends the word", "&quot;"),
    (platform("python", "-X x C:\\Program Files\\My App\\run.py --a b"), "platform-unquoted-blank", "hold 'C:\\Program Files\\My App\\run.py'", "&quot;"),
    (platform("python", "--log=C:\\My Logs\\w.log app.py"), "platform-unquoted-blank", "hold 'C:\\My Logs\\w.log'", "&quot;"),
    (platform("python", "app.py", 'stdoutLogEnabled="true" stdoutLogFile=".\\logs\\x"'), "platform-log-folder", "the server does not", "mkdir -p"),
    (platform("python", "app.py", 'stdoutLogEnabled="true" stdoutLogFile="/home/LogFiles/x"'), "platform-log-folder", "a path of Unix", "another path below the site"),
    (wsgi_site(SCRIPT_NAME="/shop/"), "settings-script-name", "ends with a slash", "Write /shop."),
    (wsgi_site(SCRIPT_NAME="shop"), "settings-script-name", "does not begin with a slash", "Write /shop."),
    (wsgi_site(SCRIPT_NAME="/"), "settings-script-name", "takes the slash off every path", "Remove it"),
    (web_config('<handlers><remove name="Nothing" /></handlers>'), "handler-removes-nothing", "no handler of this name", "Correct the name"),
    (web_config('<handlers><add name="P" path="*" verb="*" modules="fastCgiModule" scriptProcessor="C:\\Py\\python.exe|-m wfastcgi" /></handlers>'), "handler-unknown-module", "fastCgiModule", "names of modules have a case"),
    (handler("D:\\apps\\shop\\src\\python.exe|D:\\apps\\shop\\src\\app.py"), "settings-inferred-folder", "D:\\apps\\shop is treated", "--map 'D:\\apps\\shop=/path/here'"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "code", "words", "hint"), ROWS)
def test_what_check_says(tmp_path: Path, config: str, code: str, words: str, hint: str) -> None:
    write(tmp_path, {"web.config": config, "forks.py": "import os\nos.fork()\n", "src/app.py": ""})
    found = [finding for finding in check(Site(tmp_path)) if finding.code == code]
    assert len(found) == 1 and words in found[0].message and hint in found[0].hint, found


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, False),
        ({"web.config": web_config("")}, True),
        ({"web.config": web_config('<handlers><add name="X" path="x" verb="*" modules="StaticFileModule" /></handlers>')}, False),
    ],
)  # fmt: skip
def test_handlers_that_a_folder_removes(tmp_path: Path, files: dict[str, str], told: bool) -> None:
    inner = web_config('<handlers><remove name="X" /></handlers>')
    write(tmp_path, {**files, "static/web.config": inner, "app.py": ""})
    found = [one for one in check(Site(tmp_path)) if one.code == "handler-removes-nothing"]
    assert bool(found) == told


@pytest.mark.parametrize(
    "config",
    [
        handler(f"{PROGRAM}|&quot;{SCRIPT}&quot;"),
        handler("%SystemDrive%\\Python39\\python.exe|%SystemDrive%\\Python39\\wfastcgi.py"),
        handler("D:\\home\\python364x64\\python.exe|D:\\home\\python364x64\\wfastcgi.py"),
        platform("%HOME%\\python\\python.exe", "-m waitress --port %HTTP_PLATFORM_PORT% app:app"),
        platform("python", "C:\\a\\run.py C:\\b\\x.json --port %HTTP_PLATFORM_PORT% lib\\y"),
        platform("python", "-m serve C:\\a\\folder main.app %HTTP_PLATFORM_PORT%"),
        platform("python", "&quot;C:\\my site\\x\\app.py&quot; %HTTP_PLATFORM_PORT%"),
        web_config('<handlers><remove name="Python27_via_FastCGI" /><remove name="WebDAV" />'
        '<remove name="StaticFile" /></handlers>'),
        wsgi_site(SCRIPT_NAME="/shop"),
        wsgi_site(DATA="C:\\my data\\x", PATTERN="a%20b"),
    ],
)  # fmt: skip
def test_what_needs_no_word(tmp_path: Path, config: str) -> None:
    write(tmp_path, {"web.config": config, "app.py": ""})
    codes = {finding.code for finding in check(Site(tmp_path))}
    others = {"settings-missing-module", "settings-no-handler"}
    assert codes <= {"settings-inferred-folder", *others}


def test_an_application_that_sees_its_own_path(tmp_path: Path) -> None:
    host = (
        '<configuration><system.applicationHost><sites><site name="S">'
        '<application path="/"><virtualDirectory path="/" physicalPath="C:\\shop" /></application>'
        '<application path="/api"><virtualDirectory path="/" physicalPath="api" /></application>'
        "</site></sites></system.applicationHost></configuration>"
    )
    write(
        tmp_path, {"web.config": web_config(), "api/web.config": wsgi_site(), "host.config": host}
    )
    site = Site(tmp_path, Settings(host_config=tmp_path / "host.config"))
    found = [known for known in check(site) if known.code == "settings-no-script-name"]
    assert len(found) == 1 and 'value="/api"' in found[0].hint and "api/" in str(found[0].span)
    lines = start_up.report(site, Launcher(site, PoolOptions()), True)
    assert sum("the application sees /api/" in line for line in lines) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_the_report_says_which_python_and_why(tmp_path: Path, strict: bool) -> None:
    write(tmp_path, {"web.config": handler(f"{PROGRAM}|{SCRIPT}", {"WSGI_HANDLER": "app.app"})})
    make_env(tmp_path)
    (tmp_path / "env").rename(tmp_path / ".venv")
    site = Site(tmp_path, Settings(strict=strict))
    lines = list(start_up.report(site, Launcher(site, PoolOptions()), True))
    python = [line for line in lines if line.startswith("  python ")]
    assert len(python) == 1 and ("convenience" in python[0]) is not strict
    codes = {finding.code for finding in check(site)}
    assert ("settings-python-courtesy" in codes) is not strict


def test_the_report_says_which_folder_is_taken_for_this_one(tmp_path: Path) -> None:
    config = handler("D:\\apps\\x\\env\\Scripts\\python.exe|-m wfastcgi", {"WSGI_HANDLER": "a.b"})
    write(tmp_path, {"web.config": config})
    make_env(tmp_path)
    site = Site(tmp_path)
    lines = list(start_up.report(site, Launcher(site, PoolOptions()), True))
    found = [line for line in lines if "D:\\apps\\x is treated as this folder" in line]
    assert len(found) == 1 and "--map 'D:\\apps\\x=/path/here'" in found[0]
    assert any(f"{tmp_path}/env/bin/python: web.config names it" in line for line in lines)
