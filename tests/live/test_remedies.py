"""Remedies that are commands: each is run in a shell as it stands, and does what it promises."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from fcgiemu.programs.pythons import installed

from ..sites import make_env, write
from .test_people import APP, SERVER, doctor, fastcgi, platform

#: What stands before a command in doctor's words.
_COMMAND = re.compile(
    r"(?:Run|Make one|Make it again here|Make the environment again with the worker's Python): (.+)$"
)
NEEDS = "import greeting\n" + APP
PROXY = {
    "processor": "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py",
    "WSGI_ALT_VIRTUALENV_HANDLER": "app.app",
    "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe",
}
PROXIED = fastcgi("ptvs_virtualenv_proxy.get_venv_handler()", **PROXY)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheels of packages of one module each."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, module, text in (
        ("greeting", "greeting", ""),
        ("a2wsgi", "a2wsgi", ""),
        ("flask", "flask", "class Flask: ...\n"),
    ):
        info = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{module}.py", text)
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            archive.writestr(f"{info}/METADATA", head)
            tags = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            archive.writestr(f"{info}/WHEEL", tags)
            archive.writestr(f"{info}/RECORD", "")
    return folder


def command(folder: Path, code: str, *options: str) -> str:
    """The command in the remedy that ``doctor`` gives with a code."""
    _, steps = doctor(folder, *options)
    remedy = next((step["remedy"] for step in steps if step["code"] == code), "")
    match = _COMMAND.search(remedy)
    assert match is not None, steps
    return match[1]


def run(text: str, wheels: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as it stands, in a folder that has nothing to do with it."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return subprocess.run(
        ["sh", "-c", text], cwd="/", env=environment, capture_output=True, text=True, timeout=300
    )


def without_pip(folder: Path) -> None:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)


def with_pip(folder: Path) -> None:
    venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)


LISTS = "greeting\n"
SITES = [
    pytest.param(
        {"site/app.py": NEEDS, "site/requirements.txt": LISTS, "site/web.config": fastcgi()},
        "", "python-load-error", id="nothing but requirements.txt",
    ),
    pytest.param(
        {"site/app.py": NEEDS, "site/requirements.txt": LISTS, "site/web.config": fastcgi()},
        "", "python-no-environment", id="the same, from the step of the environment",
    ),
    pytest.param(
        {".git/HEAD": "", "requirements.txt": LISTS, "site/app.py": NEEDS, "site/web.config": fastcgi()},
        "", "python-load-error", id="requirements.txt in the repository's root",
    ),
    pytest.param(
        {"site/app.py": NEEDS, "site/requirements.txt": LISTS, "site/web.config": fastcgi()},
        "site/env", "python-load-error", id="env that lacks it",
    ),
    pytest.param(
        {"site/app.py": NEEDS, "site/requirements/base.txt": LISTS, "site/web.config": fastcgi()},
        "site/.venv", "python-load-error", id=".venv, requirements/base.txt",
    ),
    pytest.param(
        {"site/app.py": NEEDS, "site/requirements.txt": LISTS, "site/web.config": PROXIED},
        "", "python-no-environment", id="the proxy's env is not there",
    ),
    pytest.param(
        {
            "site/app.py": NEEDS, "site/requirements.txt": LISTS, "site/web.config": fastcgi(),
            "site/env/Scripts/": "", "site/env/pyvenv.cfg": "home = C:\\Python38\nversion = 3.8.1\n",
        },
        "", "python-lost-environment", id="env of Windows",
    ),
    pytest.param(
        {"site/app.py": "from flask import Flask\n" + APP, "site/web.config": fastcgi()},
        "", "python-load-error", id="a package that no file names",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "env", "code"), SITES)
def test_what_installs_packages(
    tmp_path: Path, wheels: Path, files: Mapping[str, str], env: str, code: str
) -> None:
    folder = write(tmp_path / "my shop", files) / "site"  # a blank in it: paths are quoted
    if env:
        without_pip(folder.parent / env)
    text = command(folder, code)
    assert text.startswith(("'/", "/", "rm -r '/"))
    done = run(text, wheels)
    assert done.returncode == 0, done.stderr
    status, steps = doctor(folder)
    assert status == 0 and steps[-1]["text"] == "the application answers / with 200", steps


def test_into_the_python_that_the_user_names(tmp_path: Path, wheels: Path) -> None:
    with_pip(tmp_path / "elsewhere")
    folder = write(
        tmp_path / "site",
        {"app.py": NEEDS, "requirements.txt": LISTS, "web.config": fastcgi()},
    )
    python = ("--python", str(tmp_path / "elsewhere"))
    assert run(command(folder, "python-load-error", *python), wheels).returncode == 0
    assert doctor(folder, *python)[0] == 0


def test_an_environment_of_another_python(tmp_path: Path, wheels: Path) -> None:
    config = PROXIED.replace("D:\\Python34\\python.exe", sys.executable)
    folder = write(tmp_path, {"app.py": APP, "web.config": config})
    make_env(folder)
    settings = folder / "env/pyvenv.cfg"
    settings.write_text(re.sub(r"version = .*", "version = 3.5.1", settings.read_text()))
    assert run(command(folder, "python-other-environment"), wheels).returncode == 0
    assert doctor(folder)[0] == 0


def test_a_package_for_asgi(tmp_path: Path, wheels: Path) -> None:
    app = "async def app(scope, receive, send): ...\n"
    folder = write(tmp_path, {"app.py": app, "web.config": fastcgi()})
    with_pip(folder / ".venv")
    assert run(command(folder, "python-asgi"), wheels).returncode == 0
    wrapped = "from a2wsgi import *\n" + APP
    write(folder, {"app.py": wrapped})
    assert doctor(folder)[0] == 0


def test_the_import_that_is_hidden_shows_itself(tmp_path: Path, wheels: Path) -> None:
    files = {"shop/__init__.py": "", "shop/config.py": "import no_such_module_here\n"}
    folder = write(tmp_path, {**files, "web.config": fastcgi("shop.config.app")})
    _, steps = doctor(folder)
    remedy = steps[-1]["remedy"]
    match = _COMMAND.search(remedy)
    if match is None:  # the worker has named it itself
        assert "no_such_module_here" in steps[-1]["text"] + remedy
        return
    assert "No module named 'no_such_module_here'" in run(match[1], wheels).stderr


def test_the_folder_of_a_log(tmp_path: Path, wheels: Path) -> None:
    more = 'stdoutLogEnabled="true" stdoutLogFile=".\\logs\\out"'
    config = platform(sys.executable, "app.py", more)
    folder = write(tmp_path / "my shop", {"app.py": SERVER, "web.config": config})
    assert run(command(folder, "platform-log-folder"), wheels).returncode == 0
    assert "platform-log-folder" not in {step["code"] for step in doctor(folder)[1]}


def test_starting_by_hand(tmp_path: Path, wheels: Path) -> None:
    config = platform(sys.executable, "&quot;my app.py&quot;")
    folder = write(
        tmp_path / "my shop",
        {"my app.py": "raise SystemExit('so it ends')\n", "web.config": config},
    )
    done = run(command(folder, "platform-no-start"), wheels)
    assert done.returncode == 1 and "so it ends" in done.stderr


def test_the_folder_to_map(tmp_path: Path) -> None:
    config = fastcgi(PYTHONPATH="E:\\lib")
    folder = write(tmp_path / "site", {"app.py": "import extra\n" + APP, "web.config": config})
    write(tmp_path, {"lib/extra.py": ""})
    _, steps = doctor(folder)
    remedy = next(step["remedy"] for step in steps if step["code"] == "python-path-not-here")
    option, value = shlex.split(remedy.replace("/path/here", str(tmp_path / "lib")))
    assert doctor(folder, option, value)[0] == 0


def test_a_handler_that_no_rule_reaches(tmp_path: Path) -> None:
    folder = write(tmp_path, {"app.py": APP, "web.config": fastcgi(path="handler.fcgi")})
    _, steps = doctor(folder)
    rule = re.search(r"<rule .*</rule>", steps[-1]["remedy"])
    assert rule is not None
    rules = f"<rewrite><rules>{rule[0]}</rules></rewrite>"
    write(folder, {"web.config": fastcgi(path="handler.fcgi", inner=rules)})
    assert doctor(folder)[0] == 0


def test_the_pythonpath_to_add(tmp_path: Path) -> None:
    folder = write(tmp_path, {"src/shop.py": APP, "web.config": fastcgi("shop.app")})
    _, steps = doctor(folder)
    add = re.search(r"<add key=.* />", steps[-1]["remedy"])
    assert add is not None
    config = fastcgi("shop.app").replace("</appSettings>", f"{add[0]}</appSettings>")
    write(folder, {"web.config": config})
    assert doctor(folder)[0] == 0


@pytest.mark.skipif(installed((2, 7)) is None, reason="Python 2.7 is not installed")
def test_an_environment_of_python_2(tmp_path: Path, wheels: Path) -> None:
    settings = {
        "WSGI_ALT_VIRTUALENV_HANDLER": "app.app",
        "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "D:\\home\\site\\wwwroot\\env\\Scripts\\activate_this.py",
    }
    processor = "D:\\Python27\\python.exe|D:\\Python27\\Scripts\\wfastcgi.py"
    config = fastcgi("ptvs_virtualenv_proxy.get_virtualenv_handler()", processor, **settings)
    folder = write(tmp_path, {"app.py": APP, "web.config": config})
    done = run(command(folder, "python-no-environment"), wheels)
    assert done.returncode == 0, done.stderr
    assert doctor(folder)[0] == 0
