"""Remedies that are commands: each is run in a shell as it stands, and does what it promises."""

from __future__ import annotations

import importlib.metadata
import importlib.util
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
from click.testing import CliRunner

from fcgiemu import catalogue
from fcgiemu.cli import main
from fcgiemu.decision import Respond
from fcgiemu.diagnosis.causes import causes
from fcgiemu.errors import beside
from fcgiemu.http.request import make_request
from fcgiemu.programs.installed_pythons import installed
from fcgiemu.programs.interpreters import find_program
from fcgiemu.site import Site

from ..node import ALL, ECHO, needs_node, node_config
from ..sites import make_env, web_config, write
from .test_people import APP, SERVER, STOCK, doctor, fastcgi, platform

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
    for name, version, text in (
        ("greeting", "1.0", ""),
        ("a2wsgi", "1.0", ""),
        ("flask", "1.0", "class Flask: ...\n"),
        ("waitress", "1.0", ""),
        ("werkzeug", "0.16", ""),
        ("werkzeug", "2.0", ""),
        ("jinja2", "3.0", ""),
        ("markupsafe", "2.0", ""),
        ("django", "4.2", ""),
        ("setuptools", "80.0", ""),
    ):
        info = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}.py", text)
            head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
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


#: (files, an environment that is there, options, where the packages are in the end)
STRICT = [
    pytest.param({}, "", "site/.venv", id="nothing"),
    pytest.param({}, "site/.venv", "site/.venv", id=".venv, which --strict does not show"),
    pytest.param({"site/web.config": PROXIED}, "", "site/env", id="the proxy's env is not there"),
    pytest.param(
        {"site/web.config": fastcgi(processor="D:\\home\\python311x64\\python.exe|wfastcgi.py")},
        "", "site/env", id="a site extension",
    ),
    pytest.param(
        {"site/web.config": fastcgi(processor="D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe|wfastcgi.py")},
        "", "site/env", id="web.config names env",
    ),
    pytest.param({"site/venv/bin/activate": ""}, "", "site/.venv", id="a part of an environment"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "env", "place"), STRICT)
def test_what_installs_packages_under_strict(
    tmp_path: Path, wheels: Path, files: Mapping[str, str], env: str, place: str
) -> None:
    plain = {"site/app.py": NEEDS, "site/requirements.txt": LISTS, "site/web.config": fastcgi()}
    folder = write(tmp_path / "my shop", {**plain, **files}) / "site"
    if env:
        without_pip(folder.parent / env)
    install, _, serve = command(folder, "python-load-error", "--strict").partition(
        " && fcgiemu serve "
    )
    done = run(install, wheels)
    assert done.returncode == 0, done.stderr
    assert list((folder.parent / place).glob("lib/python*/site-packages/greeting.py"))
    named, *options = shlex.split(serve) or [str(folder), "--strict"]  # what serve can, doctor can
    assert named == str(folder) and "--strict" in options
    status, steps = doctor(folder, *options)
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


# -- other files of requirements, other tools ------------------------------------------------------

#: A build backend that needs nothing: it stands for setuptools, which pip would download.
BACKEND = """
import zipfile
def get_requires_for_build_wheel(settings=None):
    return []
def build_wheel(folder, settings=None, metadata=None):
    name = "shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as archive:
        info = "shop-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: shop\\nVersion: 1.0\\n"
            "Provides-Extra: web\\nRequires-Dist: greeting" + (EXTRA) + "\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""
BUILDS = '[build-system]\nrequires = []\nbuild-backend = "build_shop"\nbackend-path = ["."]\n'
PROJECT = '[project]\nname = "shop"\nversion = "1.0"\n'
FILES = [
    pytest.param({"requirements.txt": "greeting>=1\n".encode("utf-16")}, "", id="written by PowerShell"),
    pytest.param(
        {"requirements.txt": "greeting @ file:///C:/ci/greeting_1/work\npywin32==300\n-r more.txt\n",
         "more.txt": "flask==1.0  # one\n"},
        "", id="for Windows only in part",
    ),
    pytest.param({"Pipfile": "[packages]\ngreeting = \"*\"\n"}, "", id="Pipfile"),
    pytest.param({"Pipfile": '[packages]\ngreeting = {version = "==1.0"}\n'}, "", id="Pipfile, table"),
    pytest.param({"Pipfile": '[packages]\ngreeting = {version = "*", extras = ["x"]}\n'}, "", id="Pipfile, extras"),
    pytest.param(
        {"environment.yml": "name: shop\nchannels: [defaults]\ndependencies:\n  - python=3.11\n  - greeting=1.0=py_0\n"},
        "", id="environment.yml",
    ),
    pytest.param(
        {"environment.yaml": "dependencies:\n- pip\n- pip:\n  - 'greeting>=1'  # one\nprefix: /x\n"},
        "", id="environment.yaml, pip",
    ),
    pytest.param({"pyproject.toml": PROJECT + 'dependencies = ["greeting"]\n' + BUILDS}, '""', id="pyproject.toml"),
    pytest.param(
        {"pyproject.toml": PROJECT + 'dependencies = ["greeting>=1,<2"]\n', "shop/a.py": "", "api/b.py": ""},
        "", id="a project that pip cannot build",
    ),
    pytest.param(
        {
            "pyproject.toml": PROJECT.replace("shop", "web") + 'dependencies = ["lib"]\n'
            '[tool.uv.sources]\nlib = {path = "lib"}\n[tool.poetry.dependencies]\npython = "^3.9"\n'
            'greeting = "^1.0"\n',
            "lib/pyproject.toml": PROJECT.replace("shop", "lib") + BUILDS,
            "lib/build_shop.py": BACKEND.replace("EXTRA", '""').replace("shop", "lib"),
        },
        "", id="a package beside it, Poetry's versions",
    ),
    pytest.param(
        {
            "requirements.txt": "greeting\n-e ./lib\n",
            "lib/pyproject.toml": PROJECT + BUILDS,
            "lib/build_shop.py": BACKEND.replace("EXTRA", '""').replace("build_wheel", "build_editable")
            .replace("for_build_wheel", "for_build_editable"),
        },
        "", id="a relative path in requirements.txt",
    ),
    pytest.param(
        {"pyproject.toml": PROJECT + BUILDS + '[project.optional-dependencies]\nweb = ["greeting"]\n'},
        "\"; extra == 'web'\"", id="an extra",
    ),
    pytest.param(
        {"pyproject.toml": PROJECT + '[dependency-groups]\nweb = ["greeting"]\n'}, "", id="a group"
    ),
    pytest.param(
        {"setup.cfg": "[options]\ninstall_requires =\n    greeting\n", "pyproject.toml": BUILDS},
        '""', id="setup.cfg",
    ),
    pytest.param(
        {"setup.py": "from setuptools import setup\nsetup(install_requires=['greeting'])\n", "pyproject.toml": BUILDS},
        '""', id="setup.py",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "extra"), FILES)
def test_other_files_of_requirements(
    tmp_path: Path, wheels: Path, files: Mapping[str, str | bytes], extra: str
) -> None:
    backend = {"build_shop.py": BACKEND.replace("EXTRA", extra)} if extra else {}
    folder = write(
        tmp_path / "my shop", {"app.py": NEEDS, "web.config": fastcgi(), **backend, **files}
    )
    done = run(command(folder, "python-load-error"), wheels)
    assert done.returncode == 0, done.stderr
    status, steps = doctor(folder)
    assert status == 0 and steps[-1]["text"] == "the application answers / with 200", steps


#: What stands for tools that bring their own environment: each makes what the real one would make.
MAKES = """#!/bin/sh
set -e
{checks}
{python} -m venv --without-pip "$place"
{more}
cd "$place"/lib/python*/site-packages
touch greeting.py
"""
TOOLS = [
    pytest.param(
        "conda", {"environment.yml": "dependencies:\n  - greeting\n"},
        'test "$1 $2 $3 $5" = "env create --file --prefix"; test -f "$4"; place=$6',
        'mkdir "$place/conda-meta"', id="conda",
    ),
    pytest.param(
        "pipenv", {"Pipfile": "[packages]\ngreeting = '*'\n"},
        'test "$PIPENV_VENV_IN_PROJECT $1" = "1 install"; place=$(dirname "$PIPENV_PIPFILE")/.venv',
        "", id="pipenv",
    ),
    pytest.param(
        "uv", {"pyproject.toml": PROJECT + 'dependencies = ["greeting"]\n', "uv.lock": ""},
        'test "$1 $2" = "sync --project"; place=$3/.venv', "", id="uv",
    ),
    pytest.param(
        "poetry", {"pyproject.toml": PROJECT + '[tool.poetry.dependencies]\ngreeting = "*"\n', "poetry.lock": ""},
        'test "$1 $2 $3" = "install --no-root --directory"; place=$4/.venv', "", id="poetry",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "files", "checks", "more"), TOOLS)
def test_tools_with_environments_of_their_own(
    tmp_path: Path,
    wheels: Path,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    files: Mapping[str, str],
    checks: str,
    more: str,
) -> None:
    text = MAKES.format(checks=checks.replace("; ", "\n"), more=more, python=sys.executable)
    program = write(tmp_path, {f"bin/{tool}": text}) / "bin" / tool
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    folder = write(tmp_path / "my shop", {"app.py": NEEDS, "web.config": fastcgi(), **files})
    text = command(folder, "python-load-error")
    assert tool in text
    done = run(text, wheels)
    assert done.returncode == 0, done.stderr
    assert doctor(folder)[0] == 0


#: What stands for npm: it puts a package where the real one would.
NPM = """#!/bin/sh
set -e
test "$1 $2 $4" = "install --prefix greeting"
mkdir -p "$3/node_modules/greeting"
touch "$3/node_modules/greeting/index.js"
"""


@needs_node
def test_a_package_of_node(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = write(tmp_path, {"bin/npm": NPM}) / "bin/npm"
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    files = {"server.js": "require('greeting');\n" + ECHO, "web.config": node_config("", ALL)}
    folder = write(tmp_path / "my shop", files)
    assert run(command(folder, "iisnode-not-started"), wheels).returncode == 0
    assert doctor(folder)[0] == 0


def test_the_program_of_a_package(tmp_path: Path, wheels: Path) -> None:
    config = platform(r"D:\apps\shop\venv\Scripts\waitress-serve.exe", "app:app")
    folder = write(tmp_path / "shop", {"app.py": APP, "web.config": config})
    with_pip(folder / "venv")
    assert run(command(folder, "python-no-program"), wheels).returncode == 0
    shown = subprocess.run(
        [folder / "venv/bin/python", "-m", "pip", "show", "waitress"], capture_output=True
    )
    assert shown.returncode == 0


def test_listing_what_a_courtesy_has(tmp_path: Path, wheels: Path) -> None:
    folder = write(tmp_path / "my shop", {"app.py": NEEDS, "web.config": fastcgi()})
    with_pip(folder / ".venv")
    run(f"'{folder}/.venv/bin/python' -m pip install greeting", wheels)
    assert run(command(folder, "settings-python-courtesy"), wheels).returncode == 0
    assert "greeting==1.0" in (folder / "requirements.txt").read_text().splitlines()
    _, steps = doctor(folder)
    remedy = next(step["remedy"] for step in steps if step["code"] == "settings-python-courtesy")
    assert remedy.endswith("-m pip install -r requirements.txt")


# -- what the errors of old and new packages need --------------------------------------------------

INSTALLING = [kind for kind in catalogue.kinds() if kind.install]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("site"), {"app.py": APP, "web.config": fastcgi()})
    with_pip(folder / ".venv")
    return folder


@pytest.mark.parametrize("kind", INSTALLING, ids=lambda kind: kind.code)
def test_what_an_error_needs(environment: Path, wheels: Path, kind: catalogue.Kind) -> None:
    site = Site(environment)
    program = find_program(STOCK, site)
    (found,) = causes(kind.example.before, site.root, program)
    match = _COMMAND.search(found.hint)
    assert match is not None
    done = run(match[1], wheels)
    assert done.returncode == 0, done.stderr


# -- commands of fcgiemu ---------------------------------------------------------------------------


def fcgiemu(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as it stands, where ``fcgiemu`` is this one."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", text],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


CONFIG = "<configuration />"
TRANSFORM = (
    '<configuration xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform">'
    '<appSettings><add key="a" value="b" xdt:Transform="Insert" /></appSettings></configuration>'
)
OURS = [
    pytest.param({"app.py": APP, "web.config": CONFIG}, "doctor", "python-no-handler", id="no handler"),
    pytest.param({"app.py": APP}, "doctor", "config-missing", id="no web.config"),
    pytest.param(
        {"web.config": "<configuration><appSettings /></configuration>", "web.Release.config": TRANSFORM},
        "check", "xdt-not-applied", id="a transform",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "asked", "code"), OURS)
def test_a_command_of_ours(tmp_path: Path, files: Mapping[str, str], asked: str, code: str) -> None:
    folder = write(tmp_path / "my shop", files)
    said = CliRunner().invoke(main, [asked, str(folder)]).output
    assert code in said
    match = re.search(r"Run: ([^\n]*?)\)?$", said, re.MULTILINE)
    assert match is not None, said
    done = fcgiemu(match[1], tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert any(entry.name == "web.config" for entry in folder.iterdir())


def test_the_page_of_403_14(tmp_path: Path) -> None:
    folder = write(tmp_path / "my shop", {"app.py": APP})
    action = Site(folder).decide(make_request("http://localhost/")).action
    assert isinstance(action, Respond)
    (text,) = (hint.partition("Run: ")[2] for hint in action.hints)
    told = fcgiemu(text, tmp_path)
    assert told.returncode == 2  # where there is nothing to check, check says how to begin
    text = told.stderr.partition("Run: ")[2]
    assert fcgiemu(text, tmp_path).returncode == 0 and (folder / "web.config").exists()


def test_the_first_page_that_is_no_default_document(tmp_path: Path) -> None:
    write(tmp_path, {"index.php": "", "web.config": web_config("")})
    action = Site(tmp_path).decide(make_request("http://localhost/")).action
    assert isinstance(action, Respond) and action.status == 403
    section = re.search("<defaultDocument>.*</defaultDocument>", action.hints[0])
    assert section is not None
    write(tmp_path, {"web.config": web_config(section[0])})
    decision = Site(tmp_path).decide(make_request("http://localhost/"))
    assert decision.rewrite.path == "/index.php" or decision.path == "/index.php"


def test_a_folder_inside_that_holds_the_site(tmp_path: Path) -> None:
    folder = write(tmp_path / "my work", {"my shop/app.py": APP, "web/dist/index.html": ""})
    for place in (folder, folder / "web"):
        said = CliRunner().invoke(main, ["init", str(place)]).output
        match = re.search(r"(fcgiemu init [^\n]*)$", said, re.MULTILINE)
        assert match is not None, said
        assert fcgiemu(match[1], tmp_path).returncode == 0


def test_pushing_to_a_service(tmp_path: Path) -> None:
    home = tmp_path / "my home"
    said = CliRunner().invoke(main, ["deploy", "--git-init", "--to", str(home)]).output
    work = write(tmp_path / "work", {"index.html": "hello", "web.config": CONFIG})
    for text in (
        "git init -q . && git add . && git -c user.name=a -c user.email=a@b commit -qm one",
        *said.splitlines()[:2],
    ):
        done = fcgiemu(text, work)
        assert done.returncode == 0, done.stderr
    assert (home / "site/wwwroot/index.html").read_text() == "hello"
    assert shlex.split(said.splitlines()[2]) == ["fcgiemu", "serve", str(home / "site/wwwroot")]


@pytest.mark.parametrize(
    ("extra", "modules"),
    [("debug", "debugpy"), ("wfastcgi", "wfastcgi"), ("logs", "duckdb distributed fsspec")],
)
def test_an_extra(tmp_path: Path, wheels: Path, extra: str, modules: str) -> None:
    """pip finds what is there already; the network is only needed where something is missing."""
    if any(importlib.util.find_spec(name) is None for name in modules.split()):
        pytest.skip(f"fcgiemu[{extra}] is not installed: pip would need the network")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this environment has no pip")
    try:
        importlib.metadata.version("fcgiemu")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("fcgiemu itself is not installed")
    done = run(f"PIP_DRY_RUN=1 {beside(f'fcgiemu[{extra}]')}", wheels)
    assert done.returncode == 0, done.stderr


#: The findings whose remedies are commands, all of which are run above; ``python-first-page`` and
#: others of the process have whatever remedy a cause or an error page has.
EXECUTED = {
    "config-missing", "error-hidden-import", "error-no-default-document", "error-no-module",
    "iisnode-not-started", "platform-log-folder", "python-load-exit", "python-log-file", "python-lost-environment",
    "python-no-environment", "python-no-handler", "python-other-environment",
    "settings-missing-file", "settings-python-courtesy", "xdt-not-applied", *(kind.code for kind in INSTALLING),
}  # fmt: skip


def test_every_command_of_the_catalogue_is_run_here() -> None:
    assert EXECUTED == {
        kind.code
        for kind in catalogue.kinds()
        for form in kind.forms.values()
        if re.search(r"Run: |(?:Make one|again here|worker's Python): \$|fcgiemu \w+ \$", form.hint)
    }


def test_the_folder_of_the_workers_log(tmp_path: Path, wheels: Path) -> None:
    files = {"app.py": APP, "web.config": fastcgi(WSGI_LOG="logs\\w.log")}
    folder = write(tmp_path / "my shop", files)
    assert run(command(folder, "python-log-file"), wheels).returncode == 0
    assert doctor(folder)[0] == 0


def test_the_folder_of_the_log_that_check_misses(tmp_path: Path, wheels: Path) -> None:
    files = {"app.py": APP, "web.config": fastcgi(WSGI_LOG="logs\\w.log")}
    folder = write(tmp_path / "my shop", files)
    said = CliRunner().invoke(main, ["check", str(folder)]).output
    match = re.search(r"WSGI_LOG names .*?Run: ([^\n]*)", said, re.DOTALL)
    assert match is not None, said
    assert run(match[1], wheels).returncode == 0
    assert "settings-missing-file" not in CliRunner().invoke(main, ["check", str(folder)]).output


def test_where_an_import_ends_the_process(tmp_path: Path, wheels: Path) -> None:
    files = {"app.py": "import os\nos.abort()\n", "web.config": fastcgi()}
    folder = write(tmp_path / "my shop", files)
    done = run(command(folder, "python-load-exit"), wheels)
    assert done.returncode and "app.py" in done.stderr and "line 2" in done.stderr
