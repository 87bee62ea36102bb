"""Which Python runs a site, and why: one row for each way in which people keep theirs."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from pathlib import Path

import pytest

from fcgiemu.cli.site_options import settings_of
from fcgiemu.errors import SiteError
from fcgiemu.programs import environments
from fcgiemu.programs.installed_pythons import installed, version_of
from fcgiemu.programs.interpreters import ProgramMissing, find_program
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..sites import web_config, write

PROCESSOR = "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py"
PROXY = {
    "WSGI_HANDLER": "ptvs_virtualenv_proxy.get_venv_handler()",
    "WSGI_ALT_VIRTUALENV_HANDLER": "app.app",
    "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS": "D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe",
}
PLAIN = {"WSGI_HANDLER": "app.app"}
#: What an environment was made with, in these tests.
BASE = "/usr/bin/env"


def environment(folder: Path, version: str = "3.11.2") -> Path:
    """An environment as ``python -m venv`` leaves it, but for what its Python does."""
    write(folder, {"pyvenv.cfg": f"home = /nowhere\nversion = {version}\nexecutable = {BASE}\n"})
    return program(folder / "bin/python").parent.parent


def conda(folder: Path) -> Path:
    """A Conda environment: it says its version by its interpreter only."""
    write(folder, {"conda-meta/history": ""})
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(sys.executable)
    return folder


def program(path: Path) -> Path:
    """Something that can be executed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def site(folder: Path, settings: dict[str, str] = PLAIN, **more: object) -> Site:
    write(folder, {"web.config": web_config(settings=settings)})
    return Site(folder, Settings(**more))  # type: ignore[arg-type]


#: (the folder that is an environment, settings, the program that runs or a part of its path, whose
#: it is, whether it is a courtesy)
KEPT = [
    pytest.param("env", PROXY, BASE, "the interpreter of the site's env", False, id="proxy, env"),
    pytest.param("env", PLAIN, "site/env/bin/python", "the site's env", True, id="env"),
    pytest.param(
        ".venv", PLAIN, "site/.venv/bin/python", "the .venv of the site", True, id=".venv"
    ),
    pytest.param("venv", PLAIN, "site/venv/bin/python", "the venv of the site", True, id="venv"),
    pytest.param(".venv", PROXY, "site/.venv/bin/python", "the .venv of", True, id="proxy, .venv"),
    pytest.param(
        "../.venv", PLAIN, "/.venv/bin/python", "the .venv of /", True, id="a parent's .venv"
    ),
    pytest.param(
        "../../venv", PLAIN, "/venv/bin/python", "the venv of /", True, id="a parent's venv"
    ),
    pytest.param("../env", PLAIN, "/env/bin/python", "the env of /", True, id="a parent's env"),
    pytest.param(
        "shop-env", PLAIN, "shop-env/bin/python", "the only environment", True, id="own name"
    ),
    pytest.param(
        "api/.venv", PLAIN, "api/.venv/bin/python", "the only environment", True, id="deeper"
    ),
]


@pytest.mark.parametrize(("folder", "settings", "path", "why", "is_courtesy"), KEPT)
def test_environments_that_people_keep(
    tmp_path: Path, folder: str, settings: dict[str, str], path: str, why: str, is_courtesy: bool
) -> None:
    write(tmp_path, {"repository/.git/HEAD": ""})
    root = tmp_path / "repository/src/site"
    root.mkdir(parents=True)
    environment(Path(os.path.normpath(root / folder)))
    found = find_program(PROCESSOR, site(root, settings))
    assert found.path.endswith(path) and found.why.startswith(why)
    assert found.is_courtesy is is_courtesy and found.version == (3, 11)
    assert any("names Python 3.4" in note and "Python 3.11" in note for note in found.notes)


@pytest.mark.parametrize("folder", [".venv", "venv", "../.venv", "shop-env"])
def test_strict_takes_no_courtesy(tmp_path: Path, folder: str) -> None:
    write(tmp_path, {"repository/.git/HEAD": ""})
    root = tmp_path / "repository/site"
    root.mkdir()
    environment(Path(os.path.normpath(root / folder)))
    found = find_program(PROCESSOR, site(root, strict=True))
    assert found.environment is None and found.why == "the running interpreter"


def test_env_shows_no_packages_under_strict(tmp_path: Path) -> None:
    environment(tmp_path / "env")
    found = find_program(PROCESSOR, site(tmp_path, strict=True))
    assert (found.path, found.environment) == (BASE, None)


def test_nothing_above_the_repository_is_taken(tmp_path: Path) -> None:
    write(tmp_path, {"repository/.git/HEAD": "", "repository/site/app.py": ""})
    environment(tmp_path / ".venv")
    found = find_program(PROCESSOR, site(tmp_path / "repository/site"))
    assert found.environment is None
    write(tmp_path, {"lone/app.py": ""})  # no repository, no project: only the site itself
    assert find_program(PROCESSOR, site(tmp_path / "lone")).environment is None


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_active_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    make = conda if variable == "CONDA_PREFIX" else environment
    monkeypatch.setenv(variable, str(make(tmp_path / "elsewhere/my-env")))
    found = find_program(PROCESSOR, site(write(tmp_path / "site", {"app.py": ""})))
    assert found.path == str(tmp_path / "elsewhere/my-env/bin/python")
    assert variable in found.why and found.is_courtesy


def test_poetrys_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(
        tmp_path / "shop",
        {"pyproject.toml": '[project]\nname = "My_Shop"\n[tool.poetry]\npackage-mode = false\n'},
    )
    digest = hashlib.sha256(os.path.realpath(root).encode()).digest()
    name = f"my-shop-{base64.urlsafe_b64encode(digest).decode()[:8]}"
    cache = tmp_path / "cache/virtualenvs"
    for version in ("3.9", "3.10", "3.11"):
        environment(cache / f"{name}-py{version}", f"{version}.1")
    monkeypatch.setenv("POETRY_CACHE_DIR", str(tmp_path / "cache"))
    assert find_program(PROCESSOR, site(root)).path.endswith("-py3.11/bin/python")
    write(cache, {"envs.toml": f'[{name}]\nminor = "3.9"\n'})
    found = find_program(PROCESSOR, site(root))
    assert found.path.endswith("-py3.9/bin/python") and "Poetry's environment of" in found.why


def test_uvs_environment_of_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "shop", {"pyproject.toml": "[project]\n"})
    environment(tmp_path / "shop-uv")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", "../shop-uv")
    assert "uv's environment" in find_program(PROCESSOR, site(root)).why


@pytest.mark.parametrize(
    ("processor", "folder"),
    [
        ("C:\\inetpub\\wwwroot\\env\\Scripts\\python.exe|w\\wfastcgi.py", "env"),
        ("C:\\Inetpub\\vhosts\\x\\httpdocs\\Env\\Scripts\\Python.exe|-m wfastcgi", "env"),
        ("D:\\apps\\shop\\shopenv\\Scripts\\python.exe|-m wfastcgi", "shopenv"),
        ("env\\Scripts\\python.exe|env\\Lib\\site-packages\\wfastcgi.py", "env"),
        (".\\env\\Scripts\\python.exe", "env"),
        ("%HOME%\\site\\wwwroot\\env\\Scripts\\python.exe", "env"),
        ("C:\\home\\site\\wwwroot\\env\\Scripts\\python.exe|-m wfastcgi", "env"),
    ],
)
def test_web_config_names_the_environment(tmp_path: Path, processor: str, folder: str) -> None:
    made = environment(tmp_path / folder)
    handlers = (
        '<handlers><add name="P" path="*" verb="*" modules="FastCgiModule"'
        f' scriptProcessor="{processor}" /></handlers>'
    )
    write(tmp_path, {"web.config": web_config(handlers)})
    found = find_program(processor, Site(tmp_path))
    assert found.path == str(made / "bin/python") and not found.is_courtesy
    assert found.environment is not None and found.environment.folder == made


def test_another_environment_stands_for_the_one_that_is_named(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    found = find_program(".\\env\\Scripts\\python.exe", site(tmp_path))
    assert found.path == str(tmp_path / ".venv/bin/python") and found.is_courtesy
    program(tmp_path / ".venv/bin/waitress-serve")
    found = find_program("D:\\apps\\x\\env\\Scripts\\waitress-serve.exe", site(tmp_path))
    assert found.path == str(tmp_path / ".venv/bin/waitress-serve")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            {
                "env/Scripts/python.exe": "",
                "env/pyvenv.cfg": "home = C:\\Python38\nversion = 3.8.1\n",
            },
            "env was made on Windows (it has Scripts and no bin)",
        ),
        (
            {"env/bin/activate": "", "env/pyvenv.cfg": "home = /nowhere\nversion = 3.8.1\n"},
            "/env was made with is gone (see ",
        ),
    ],
)
def test_what_cannot_be_used_is_passed_over(
    tmp_path: Path, files: dict[str, str], why: str
) -> None:
    write(tmp_path, files)
    found = find_program(PROCESSOR, site(tmp_path))
    assert found.environment is None and any(why in note for note in found.notes)
    environment(tmp_path / ".venv")
    found = find_program(PROCESSOR, site(tmp_path))
    assert found.path == str(tmp_path / ".venv/bin/python")
    assert any(why in note for note in found.notes)


# -- what the user says ----------------------------------------------------------------------------


def test_an_option_wins_over_everything(tmp_path: Path) -> None:
    environment(tmp_path / "env")
    other = environment(tmp_path / "other")
    for text in (str(other), str(other / "bin/python")):
        found = find_program(PROCESSOR, site(tmp_path, python=(("*", text),)))
        assert found.path == str(other / "bin/python") and "--python" in found.why
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert (
        find_program(PROCESSOR, site(tmp_path, python=(("*", version),))).version
        == (sys.version_info[:2])
    )


def test_a_python_for_each_application(tmp_path: Path) -> None:
    host = (
        '<configuration><system.applicationHost><sites><site name="S">'
        '<application path="/"><virtualDirectory path="/" physicalPath="C:\\shop" /></application>'
        '<application path="/api"><virtualDirectory path="/" physicalPath="api" /></application>'
        "</site></sites></system.applicationHost></configuration>"
    )
    one, two = environment(tmp_path / "one"), environment(tmp_path / "two")
    write(
        tmp_path,
        {
            "web.config": web_config(),
            "api/app.py": "",
            "host.config": host,
            "fcgiemu.toml": 'host-config = "host.config"\npython = { "*" = "one", "/api" = "./two" }\n',
        },
    )
    opened = Site(
        tmp_path, settings_of(tmp_path, maps=(), server_maps=(), providers=(), app_settings=())
    )
    root, api = opened.layout.applications
    assert find_program(PROCESSOR, opened, root).path == str(one / "bin/python")
    assert find_program(PROCESSOR, opened, api).path == str(two / "bin/python")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/nowhere/python", "there is no such Python here"),
        ("9.9", "there is no such Python here"),
        ("no-such-python", "there is no such Python here"),
        ("empty", "is not a Python environment"),
    ],
)
def test_an_option_that_names_none(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    text = str(tmp_path / text) if text == "empty" else text
    with pytest.raises(SiteError, match=words) as raised:
        settings_of(tmp_path, maps=(), server_maps=(), providers=(), app_settings=(), python=text)
    assert raised.value.hint
    with pytest.raises(ProgramMissing, match=words):
        find_program(PROCESSOR, site(tmp_path, python=(("*", text),)))


def test_the_launchers_own_argument(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    found = find_program("py.exe|-3.9 app.py", site(tmp_path))
    assert (found.path, found.arguments) == (str(tmp_path / ".venv/bin/python"), ["app.py"])


def test_a_home_folder_is_nobodys_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, {".git/HEAD": "", "site/app.py": ""})
    assert environments.folders_up(tmp_path / "site") == [tmp_path / "site"]


def test_an_environment_on_path_is_not_an_installed_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment of fcgiemu is on PATH, its packages are not the site's."""
    version = sys.version_info[:2]
    base, environment = tmp_path / "usr/bin", tmp_path / "clone/.venv/bin"
    name = f"python{version[0]}.{version[1]}"
    for folder in (base, environment):
        folder.mkdir(parents=True)
    (base / name).touch(0o755)
    (environment / name).symlink_to(base / name)
    (environment.parent / "pyvenv.cfg").touch()
    monkeypatch.setenv("PATH", str(environment))
    assert installed(version) == str(base / name)
    (environment / name).unlink()
    (environment / name).touch(0o755)  # a copy says nothing of where it comes from
    monkeypatch.setenv("PATH", os.pathsep.join([str(environment), str(base)]))
    assert installed(version) == str(base / name)


#: (files of an environment called env, what is said of it)
BROKEN = [
    ({"pyvenv.cfg": "home = C:\\Python39\nversion = 3.9.1\n", "Scripts/python.exe": ""}, "was made on Windows"),
    ({"Scripts/python.exe": ""}, "was made on Windows"),
    ({"pyvenv.cfg": "home = /nowhere\nversion = 3.9.1\n", "bin/activate": ""}, "was made with is gone"),
    ({"pyvenv.cfg": f"home = /x\nversion = 3.9.1\nexecutable = {BASE}\n", "bin/activate": ""}, "env/bin/python is missing"),
    ({"bin/activate": ""}, "env/pyvenv.cfg is missing"),
    ({"lib/python3.9/site-packages/": ""}, "env/pyvenv.cfg is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "words"), BROKEN)
def test_an_env_that_cannot_be_used_is_named(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    write(tmp_path / "env", files)
    found = find_program(PROCESSOR, site(tmp_path))
    assert found.environment is None and any(words in note for note in found.notes), found.notes
    assert found.place == tmp_path / "env"


@pytest.mark.parametrize(
    ("processor", "strict", "place"),
    [
        (PROCESSOR, False, ".venv"),
        (PROCESSOR, True, None),
        ("D:\\home\\python311x64\\python.exe|w.py", True, "env"),
        ("D:\\home\\site\\wwwroot\\venv\\Scripts\\python.exe|w.py", True, "venv"),
        ("env\\Scripts\\python.exe|w.py", False, "env"),
        ("C:\\elsewhere\\env\\Scripts\\python.exe|w.py", True, None),
    ],
)
def test_where_an_environment_would_be_found(
    tmp_path: Path, processor: str, strict: bool, place: str | None
) -> None:
    found = find_program(processor, site(tmp_path, strict=strict))
    assert found.place == (tmp_path / place if place else None)


def test_the_environment_of_the_proxy_is_to_be_made(tmp_path: Path) -> None:
    assert find_program(PROCESSOR, site(tmp_path, PROXY, strict=True)).place == tmp_path / "env"


def test_a_python_that_another_one_has_replaced_is_asked_again(tmp_path: Path) -> None:
    """An environment that was made anew, while a server runs."""
    program = tmp_path / "python"
    answers = ("echo 3 9", (3, 9)), ("exit 1", None), ("echo 3 12", (3, 12))
    for second, (line, version) in enumerate(answers):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"#!/bin/sh\n{line}\n", "utf-8")
        fresh.chmod(0o755)
        os.utime(fresh, (second, second))
        fresh.replace(program)
        assert version_of(str(program)) == version
    program.unlink()
    assert version_of(str(program)) is None
