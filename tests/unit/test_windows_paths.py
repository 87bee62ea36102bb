"""Windows paths of a site: where they lead here, and the site's folder that they tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from fcgiemu.programs.windows_paths import inferred, known_pairs, path_pairs
from fcgiemu.settings import Settings
from fcgiemu.site import Site
from fcgiemu.worker import paths, settings

from ..sites import python_handler, web_config, write


def site(folder: Path, config: str = web_config(), **more: object) -> Site:
    write(folder, {"web.config": config})
    return Site(folder, Settings(**more))  # type: ignore[arg-type]


def handler(processor: str) -> str:
    old = "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py"
    return python_handler().replace(old, processor)


def platform(program: str, arguments: str = "", log: str = "", **environment: str) -> str:
    variables = "".join(
        f'<environmentVariable name="{name}" value="{value}" />'
        for name, value in environment.items()
    )
    return (
        '<handlers><add name="W" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
        f'<httpPlatform processPath="{program}" arguments="{arguments}" stdoutLogEnabled="true"'
        f' stdoutLogFile="{log}"><environmentVariables>{variables}</environmentVariables>'
        "</httpPlatform>"
    )


# -- App Service's home and the drives -------------------------------------------------------------


@pytest.mark.parametrize("drive", ["C", "D", "c", "d"])
@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("\\home\\site\\wwwroot\\app", "/app"),
        ("\\home\\LogFiles\\w.log", "/.fcgiemu/LogFiles/w.log"),
        ("\\home\\data\\x", "/.fcgiemu/home/data/x"),
        ("\\HOME/site/wwwroot/app", "/app"),
    ],
)
def test_both_names_of_azures_home(tmp_path: Path, drive: str, path: str, local: str) -> None:
    pairs = path_pairs(site(tmp_path))
    assert paths.map_path(f"{drive}:{path}", pairs) == f"{tmp_path}{local}"


def test_a_map_of_one_home_holds_for_the_other(tmp_path: Path) -> None:
    pairs = path_pairs(site(tmp_path, path_map=(("D:\\home\\lib", "/opt/lib"),)))
    assert paths.map_path("C:\\home\\lib\\x", pairs) == "/opt/lib/x"


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("E:\\logs\\w.log", ".fcgiemu/drives/E/logs/w.log"),
        ("e:/logs/w.log", ".fcgiemu/drives/E/logs/w.log"),
        ("\\\\server\\share\\w.log", ".fcgiemu/drives/UNC/server/share/w.log"),
        ("\\\\?\\D:\\home\\LogFiles\\w.log", ".fcgiemu/LogFiles/w.log"),
        ("\\\\?\\UNC\\server\\share\\w.log", None),
    ],
)
def test_what_leads_nowhere_is_kept_apart(tmp_path: Path, text: str, local: str | None) -> None:
    opened = site(tmp_path)
    mapped = paths.map_path(text, path_pairs(opened))
    assert mapped == (str(tmp_path / local) if local is not None else None)
    if local is not None and "drives" in local:
        assert paths.map_path(text, known_pairs(opened)) is None


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "local"),
    [
        ("WSGI_LOG", "logs\\w.log", "{site}/logs/w.log"),
        ("WSGI_LOG", "w.log", "w.log"),
        ("WSGI_LOG", "D:\\logs\\w.log", "{site}/.fcgiemu/drives/D/logs/w.log"),
        ("WSGI_LOG", "c:\\home\\LogFiles\\w.log", "{site}/.fcgiemu/LogFiles/w.log"),
        ("WSGI_LOG", "\\logs\\w.log", "{site}/.fcgiemu/drives/C/logs/w.log"),
        ("APP_LOG", "E:\\logs\\w.log", "{site}/.fcgiemu/drives/E/logs/w.log"),
        ("APP_LOG", ".\\w.log", "{site}/w.log"),
        ("APP_LOG", "Data\\x.db", "{site}/data/x.db"),
        ("PYTHONPATH", ".\\src", "{site}/src"),
        ("PYTHONPATH", "SRC\\Lib;..\\x", "{site}/src/lib;{parent}/x"),
        ("PYTHONPATH", "%HOME%\\x;src", "%HOME%\\x;src"),
        ("USER", "DOMAIN\\user", "DOMAIN\\user"),
        ("PATTERN", "\\d+", "\\d+"),
        ("PATTERN", "\\\\d+\\.x", "\\\\d+\\.x"),
        ("WSGI_RESTART_FILE_REGEX", "src\\.*\\.py", "src\\.*\\.py"),
        ("GREETING", "hello", "hello"),
    ],
)
def test_settings_become_local(tmp_path: Path, name: str, value: str, local: str) -> None:
    folder = write(tmp_path / "site", {"src/lib/": "", "data/": ""})
    found = paths.map_setting(name, value, path_pairs(site(folder)), str(folder))
    assert found == local.format(site=folder, parent=tmp_path)


def test_variables_of_pythonpath_are_expanded_first(tmp_path: Path) -> None:
    config = web_config(settings={"PYTHONPATH": "%HOME%\\site\\wwwroot\\src;%X%\\lib"})
    pairs = path_pairs(site(tmp_path, config))
    found = settings.read(str(tmp_path), pairs)
    folders = settings.python_path(found, pairs, {"X": "C:\\home\\site\\wwwroot"})
    assert folders == [f"{tmp_path}/src", f"{tmp_path}/lib"]


def test_names_below_a_mapped_folder_compare_without_case(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"Src/App/x.py": "", "env/bin/python": "", "env/lib/python3.11/site-packages/": ""},
    )
    pairs = path_pairs(site(tmp_path))
    for windows, local in (
        ("src\\APP\\X.py", "Src/App/x.py"),
        ("ENV\\scripts\\Python.EXE", "env/bin/python"),
        ("Env\\LIB\\Site-Packages\\a", "env/lib/python3.11/site-packages/a"),
        ("src\\..\\env", "env"),
    ):
        assert paths.map_path(f"D:\\home\\site\\wwwroot\\{windows}", pairs) == str(tmp_path / local)


def test_condas_python_lies_beside_scripts_on_windows(tmp_path: Path) -> None:
    write(tmp_path, {"env/bin/python": ""})
    pairs = path_pairs(site(tmp_path))
    local = paths.map_path("D:\\home\\site\\wwwroot\\env\\python.exe", pairs)
    assert local == str(tmp_path / "env/bin/python")


# -- the site's folder on its server ---------------------------------------------------------------

FILES = {
    "app.py": "",
    "src/shop/wsgi.py": "",
    "logs/": "",
    "env/bin/python": "",
    "env/lib/python3.11/site-packages/": "",
}
TOLD = [
    (handler("D:\\apps\\shop\\env\\Scripts\\python.exe|-m wfastcgi"), {}, "D:\\apps\\shop"),
    (platform("C:\\Inetpub\\vhosts\\x\\httpdocs\\env\\Scripts\\python.exe"), {}, "C:\\Inetpub\\vhosts\\x\\httpdocs"),
    (platform("C:\\Py\\python.exe", "D:\\web\\shop\\app.py --port 80"), {}, "D:\\web\\shop"),
    (platform("C:\\Py\\python.exe", "run --log=D:\\web\\a\\logs\\x.log -c D:\\web\\a\\app.py"), {}, "D:\\web\\a"),
    (platform("C:\\Py\\python.exe", "app.py", "E:\\www\\logs\\out"), {"PYTHONPATH": "E:\\www"}, "E:\\www"),
    (platform("C:\\Py\\python.exe", "app.py", "", PYTHONPATH="D:\\w\\x\\src"), {}, "D:\\w\\x"),
    (handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"), {"PYTHONPATH": "D:\\web\\x;D:\\web\\x\\src"}, "D:\\web\\x"),
    (handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"), {"PYTHONPATH": "D:\\web\\site"}, "D:\\web\\site"),
    (handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"), {"PYTHONPATH": "D:/web/y", "WSGI_LOG": "D:\\web\\y\\w.log"}, "D:\\web\\y"),
    (handler("D:\\web\\z\\.venv\\Scripts\\python.exe|-m wfastcgi"), {"PYTHONPATH": "D:\\web\\z"}, "D:\\web\\z"),
    (handler("D:\\w\\my site\\env\\Scripts\\python.exe|-m wfastcgi"), {}, "D:\\w\\my site"),
]  # fmt: skip


@pytest.mark.parametrize(("inner", "appsettings", "windows"), TOLD)
def test_the_folder_that_paths_tell(
    tmp_path: Path, inner: str, appsettings: dict[str, str], windows: str
) -> None:
    folder = write(tmp_path / "site", FILES)
    opened = site(folder, web_config(inner, appsettings))
    found = inferred(opened)
    assert found is not None and found.windows == windows and " names " in found.because
    assert paths.map_path(f"{windows}\\src", path_pairs(opened)) == str(folder / "src")


@pytest.mark.parametrize(
    ("inner", "appsettings"),
    [
        (handler("D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py"), {}),
        (handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"), {"PYTHONPATH": "C:\\lib"}),
        (handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"), {"WSGI_LOG": "C:\\logs\\site\\w.log"}),
        (handler("C:\\envs\\site\\Scripts\\python.exe|-m wfastcgi"), {}),
        (handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py"), {"PYTHONPATH": "D:\\home\\site\\wwwroot"}),
        (handler("C:\\Py\\python.exe|C:\\inetpub\\wwwroot\\wfastcgi.py"), {}),
    ],
)  # fmt: skip
def test_paths_that_tell_nothing(tmp_path: Path, inner: str, appsettings: dict[str, str]) -> None:
    folder = write(tmp_path / "site", {**FILES, "wfastcgi.py": ""})
    assert inferred(site(folder, web_config(inner, appsettings))) is None


def test_what_the_user_maps_needs_no_inference(tmp_path: Path) -> None:
    folder = write(tmp_path / "site", FILES)
    config = web_config(handler("D:\\apps\\env\\Scripts\\python.exe|-m wfastcgi"))
    assert inferred(site(folder, config)) is not None
    assert inferred(site(folder, config, path_map=(("D:\\apps", str(tmp_path)),))) is None


ROOT = "C:\\inetpub\\wwwroot"
PY = handler("C:\\Py\\python.exe|C:\\Py\\wfastcgi.py")
VENV = handler(f"{ROOT}\\shop\\venv\\Scripts\\python.exe|{ROOT}\\shop\\wfastcgi.py")


@pytest.mark.parametrize("root", [ROOT, "D:\\home\\site\\wwwroot", "C:\\home\\site\\wwwroot"])
@pytest.mark.parametrize(
    ("name", "files", "inner", "appsettings"),
    [
        ("shop", {}, PY, {"PYTHONPATH": f"{ROOT}\\shop"}),
        ("shop", {}, VENV, {}),
        ("shop", {"venv/bin/python": ""}, VENV, {}),
        ("repo", {"venv/bin/python": ""}, VENV, {}),
        ("repo", {}, PY, {"PYTHONPATH": f"{ROOT}\\shop", "WSGI_LOG": f"{ROOT}\\shop\\logs\\w.log"}),
        ("shop", {"app.py": ""}, platform("C:\\Py\\python.exe", f"{ROOT}\\shop\\app.py"), {}),
        # A Django project has its package in a folder of its own name.
        ("shop", {"shop/wsgi.py": "", "venv/bin/python": ""}, VENV, {"PYTHONPATH": f"{ROOT}\\shop"}),
        ("shop", {"shop/wsgi.py": "", "logs/": ""}, PY, {"WSGI_LOG": f"{ROOT}\\shop\\logs\\w.log"}),
    ],
)  # fmt: skip
def test_a_site_has_a_folder_below_the_default_root(
    tmp_path: Path,
    root: str,
    name: str,
    files: dict[str, str],
    inner: str,
    appsettings: dict[str, str],
) -> None:
    folder = write(tmp_path / name, {**files, "x.txt": ""})
    config = web_config(inner, appsettings).replace(ROOT, root)
    opened = site(folder, config)
    found = inferred(opened)
    assert found is not None and found.windows == f"{root}\\shop"
    local = paths.map_path(f"{root}\\shop\\logs\\w.log", path_pairs(opened))
    assert local == str(folder / "logs" / "w.log")


@pytest.mark.parametrize(
    ("name", "files", "inner", "appsettings"),
    [
        ("shop", {"shop/app.py": ""}, PY, {"PYTHONPATH": f"{ROOT}\\shop"}),
        ("shop", {"shop/venv/bin/python": ""}, VENV, {"PYTHONPATH": f"{ROOT}\\shop"}),
        ("repo", {}, PY, {"PYTHONPATH": f"{ROOT}\\lib"}),
        ("repo", {"logs/": ""}, PY, {"WSGI_LOG": f"{ROOT}\\data\\logs\\w.log"}),
        ("repo", {"static/": ""}, PY, {"STATIC_ROOT": f"{ROOT}\\public\\static"}),
        ("repo", {}, PY, {"WSGI_LOG": f"{ROOT}\\logs\\w.log", "PYTHONPATH": ROOT}),
        ("env", {}, handler(f"{ROOT}\\env\\Scripts\\python.exe|-m wfastcgi"), {}),
    ],
)  # fmt: skip
def test_a_site_is_the_whole_default_root(
    tmp_path: Path, name: str, files: dict[str, str], inner: str, appsettings: dict[str, str]
) -> None:
    folder = write(tmp_path / name, {**files, "x.txt": ""})
    assert inferred(site(folder, web_config(inner, appsettings))) is None
