"""The worker's parts that need no process: paths, settings, environ, resolver; and the choice of
interpreters.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fcgiemu.fastcgi.records import encode_pair
from fcgiemu.programs.installed_pythons import wanted_version
from fcgiemu.programs.interpreters import ProgramMissing, find_program
from fcgiemu.programs.windows_paths import path_pairs
from fcgiemu.site import Site
from fcgiemu.worker import environ, paths, resolver, settings

from ..sites import make_env, web_config, write

PAIRS = (("D:\\home\\site\\wwwroot", "/site"), ("D:\\home", "/home"), ("C:\\x", "/y"))


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("D:\\home\\site\\wwwroot", "/site"),
        ("d:\\HOME\\site\\wwwroot\\a\\b", "/site/a/b"),
        ("D:/home/site/wwwroot/a", "/site/a"),
        ("D:\\home\\LogFiles\\w.log", "/home/LogFiles/w.log"),
        ("D:\\home\\site\\wwwroot2", "/home/site/wwwroot2"),
        ("C:\\x", "/y"),
        ("E:\\z", None),
    ],
)
def test_paths(text: str, mapped: str | None) -> None:
    assert paths.map_path(text, PAIRS) == mapped


def test_scripts_of_an_env_are_its_bin(tmp_path: Path) -> None:
    write(tmp_path, {"env/bin/python": ""})
    pairs = [("D:\\home\\site\\wwwroot", str(tmp_path))]
    assert paths.map_path("D:\\home\\site\\wwwroot\\env\\Scripts\\python.exe", pairs) == str(
        tmp_path / "env/bin/python"
    )


def test_packages_of_an_env_lie_where_they_do_here(tmp_path: Path) -> None:
    write(tmp_path, {"env/lib/python3.9/site-packages/django/x.css": ""})
    pairs = [("D:\\home\\site\\wwwroot", str(tmp_path))]
    packages = str(tmp_path / "env/lib/python3.9/site-packages")
    assert paths.map_path("D:\\home\\site\\wwwroot\\env\\Lib\\site-packages", pairs) == packages
    assert (
        paths.map_path("D:\\home\\site\\wwwroot\\env\\Lib\\site-packages\\django\\x.css", pairs)
        == packages + "/django/x.css"
    )
    assert paths.map_path("D:\\home\\site\\wwwroot\\none\\Lib\\site-packages", pairs) == str(
        tmp_path / "none/Lib/site-packages"
    )


def test_settings_of_the_portal_can_come_first(tmp_path: Path) -> None:
    write(tmp_path, {"web.config": web_config(settings={"A": "1", "B": "2"})})
    assert settings.read(str(tmp_path), ()) == {"A": "1", "B": "2"}
    assert settings.read(str(tmp_path), (), ["A"]) == {"B": "2"}


def test_the_reason_that_a_proxy_script_drops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        {
            "reason_app.py": "try:\n    import reason_optional\nexcept ImportError:\n    pass\nimport reason_needed\n"
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "No module named 'reason_needed'" in resolver.hidden_reason(
        ValueError('"reason_app.app" could not be imported')
    )
    assert (
        resolver.hidden_reason(ValueError('"reason_app" could not be imported')) == ""
    )  # it has no dot
    assert resolver.hidden_reason(ValueError("something else")) == ""

    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert resolver.hidden_reason(Mute()) == ""


@pytest.mark.parametrize(
    ("inner", "cause"),
    [
        ("import hidden_needed", "No module named 'hidden_needed'"),
        ("from hidden_shop import nothing", "cannot import name 'nothing'"),
        ("raise ImportError('on purpose')", "ImportError: on purpose"),
    ],
)
@pytest.mark.parametrize("proxied", [False, True])
def test_an_import_error_that_a_missing_attribute_hides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str, cause: str, proxied: bool
) -> None:
    files = {"hidden_shop/__init__.py": "", "hidden_shop/config/__init__.py": ""}
    write(tmp_path, {**files, "hidden_shop/config/wsgi.py": inner + "\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    for loaded in ("hidden_shop", "hidden_shop.config"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
    name = "hidden_shop.config.wsgi.application"
    monkeypatch.setenv("WSGI_ALT_VIRTUALENV_HANDLER", name)
    if proxied:  # its script has passed over the failure itself
        resolver.resolve("sys.path")
        error = AttributeError("module 'hidden_shop.config' has no attribute 'wsgi'")
        reason = resolver.hidden_reason(error)
    else:
        with pytest.raises(AttributeError, match="has no attribute 'wsgi'") as failed:
            resolver.resolve(name)
        reason = resolver.hidden_reason(failed.value)
    assert cause in reason.splitlines()[-1]


def test_nothing_is_hidden_where_a_name_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"plain_app.py": "class holder: pass\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("plain_app.missing", "plain_app.holder.missing()"):
        with pytest.raises(AttributeError) as failed:
            resolver.resolve(name)
        assert resolver.hidden_reason(failed.value) == ""


@pytest.mark.parametrize("length", [0, 1, 127, 128, 70000])
def test_parameters_of_any_length(length: int) -> None:
    data = (
        encode_pair(b"A", b"x" * length)
        + encode_pair(b"N" * max(1, length), b"1")
        + encode_pair(b"SCRIPT_NAME", b"/\xe4")
    )
    made = environ.decoded(data)
    assert (
        made["A"],
        made["N" * max(1, length)],
        made["SCRIPT_NAME"],
        made["wsgi.script_name"],
    ) == ("x" * length, "1", "/\xe4", b"/\xe4")
    for end in (len(data) - 1, 2):
        with pytest.raises((IndexError, struct.error)):
            environ.decoded(data[:end] if end > 2 else b"\x01\xff")


def test_settings_are_read_as_wfastcgi_reads_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "Web.Config": (
                '<configuration><location path="x"><appSettings><add key=" A " value=" first " /></appSettings></location>'
                '<appSettings><add key="A" value=" second " /><add key="B" /><clear /><add key="LOG" value="D:\\home\\l.txt" />'
                '<add key="PYTHONPATH" value="D:\\home\\site\\wwwroot;%NOPE%;; C:\\x;%B2%\\c" /></appSettings></configuration>'
            )
        },
    )
    found = settings.read(str(tmp_path), PAIRS)
    assert found == {
        "A": " second ",
        "B": "",
        "LOG": "/home/l.txt",
        "PYTHONPATH": "/site;%NOPE%;; C:\\x;%B2%\\c",
    }
    assert settings.python_path(found, PAIRS, {"B2": "C:\\x"}) == ["/site", " C:\\x", "/y/c"]


@pytest.mark.parametrize(
    ("given", "config", "script_name", "path_info"),
    [
        (
            {
                "SCRIPT_NAME": "/handler.fcgi",
                "PATH_INFO": "/handler.fcgi/a",
                "HTTP_X_ORIGINAL_URL": "/a%20b?x=1",
            },
            {},
            "",
            "/a%20b",
        ),
        ({"SCRIPT_NAME": "/a", "PATH_INFO": "/a"}, {}, "", "/a"),
        ({"SCRIPT_NAME": "/a", "PATH_INFO": "/a?b"}, {}, "", "/a"),
        (
            {"SCRIPT_NAME": "/s", "PATH_INFO": "/s/a"},
            {"AllowPathInfoForScriptMappings": "false"},
            "/s",
            "/s/a",
        ),
        ({"PATH_INFO": "/APP1/x"}, {"SCRIPT_NAME": "/app1"}, "/app1", "/x"),
        ({"PATH_INFO": "/app10/x"}, {"SCRIPT_NAME": "/app1"}, "/app1", "0/x"),
        ({"PATH_INFO": "/other"}, {"SCRIPT_NAME": "/app1"}, "", "/other"),
    ],
)
def test_environ(
    given: dict[str, str], config: dict[str, str], script_name: str, path_info: str
) -> None:
    made = environ.decoded(
        b"".join(encode_pair(name.encode(), value.encode()) for name, value in given.items())
    )
    environ.original_url(made)
    environ.script_name(made, config)
    assert (made["SCRIPT_NAME"], made["PATH_INFO"]) == (script_name, path_info)
    assert made["wsgi.path_info"] == path_info.encode()


def test_resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        {
            "resolver_pkg/__init__.py": "",
            "resolver_pkg/m.py": (
                "def make():\n    return Inner\nclass Inner:\n    app = 'it'\n    @staticmethod\n    def build():\n        return 'built'\n"
                "none = None\n"
            ),
            "resolver_broken.py": "import resolver_absent\n",
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolver.resolve("resolver_pkg.m.make().app") == "it"
    assert resolver.resolve("resolver_pkg.m.Inner.build()") == "built"
    for name, message in (
        ("", "must be set"),
        ("resolver_pkg", '^"resolver_pkg" could not be imported$'),
        ("resolver_pkg.m.none", "could not be imported$"),
        ("resolver_broken.x", "No module named 'resolver_absent'"),
        ("nothing_there.x", "No module named 'nothing_there'"),
    ):
        with pytest.raises(Exception, match=message):
            resolver.resolve(name)
    with pytest.raises(AttributeError):
        resolver.resolve("resolver_pkg.m.missing")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("D:\\Python27\\python.exe", (2, 7)),
        ("D:\\Python34\\python.exe", (3, 4)),
        ("D:\\home\\python364x64\\python.exe", (3, 6)),
        ("D:\\home\\python2714x86\\python.exe", (2, 7)),
        ("C:\\Python3.9\\python.exe", (3, 9)),
        ("C:\\tools\\python.exe", None),
    ],
)
def test_versions_in_paths(path: str, version: tuple[int, int] | None) -> None:
    assert wanted_version(path) == version


def test_interpreters(make_site: Callable[..., Site], tmp_path: Path) -> None:
    site = make_site({"web.config": web_config()})
    program = find_program("D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py", site)
    assert program.is_wfastcgi and program.version == sys.version_info[:2]
    assert any(
        "names Python 3.4" in note and "not installed here" in note for note in program.notes
    )
    make_env(tmp_path)
    assert "the site's env" in find_program("D:\\Python34\\python.exe|wfastcgi.py", site).why
    assert find_program(f"{sys.executable}|wfastcgi.py", site).path == sys.executable
    with pytest.raises(
        ProgramMissing, match="a placeholder that Visual Studio fills in when it publishes"
    ) as placeholder:
        find_program("%INTERPRETERPATH%|%WFASTCGIPATH%", site)
    assert "Write its value: scriptProcessor=" in placeholder.value.hint
    with pytest.raises(ProgramMissing, match="no program here"):
        find_program("C:\\nowhere\\strange.exe", site)
    assert ("D:\\home\\LogFiles", f"{tmp_path}/.fcgiemu/LogFiles") in path_pairs(site)


@pytest.mark.parametrize(
    "full_path", ["D:\\home\\python364x64\\python.exe", "%HOME%\\Python35\\python.exe"]
)
def test_a_site_extension_has_the_packages_of_env(
    make_site: Callable[..., Site], tmp_path: Path, full_path: str
) -> None:
    site = make_site({"web.config": web_config()})
    make_env(tmp_path)
    program = find_program(f"{full_path}|wfastcgi.py", site)
    assert program.path == str(tmp_path / "env/bin/python")
    assert "pip has installed in the site extension" in program.why and not program.is_courtesy


#: Python 3.14's site.main: the environment of sys.executable is not looked for any more.
AS_ON_3_14 = r"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("_fcgiemu_worker", WORKER + "/__init__.py", submodule_search_locations=[WORKER])
sys.modules["_fcgiemu_worker"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from _fcgiemu_worker import environments
import site
site.venv = lambda known_paths: known_paths
wrapped = environments.aware(site.main)
sys.executable = ENV + "/bin/python"
if AWARE:
    site.main = wrapped
before, sys.path = sys.path, []
site.main()
sys.path.extend(before)
try:
    import only_in_env
    print("found")
except ImportError:
    print("missing")
"""


@pytest.mark.parametrize(("aware", "word"), [(False, "missing"), (True, "found")])
def test_an_env_where_site_does_not_look_for_it(tmp_path: Path, aware: bool, word: str) -> None:
    library = make_env(tmp_path)
    (library / "only_in_env.py").write_text("")
    names = f"WORKER, ENV, AWARE = {str(Path(paths.__file__).parent)!r}, {str(tmp_path / 'env')!r}, {aware}"
    python = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(
        [python, "-c", names + AS_ON_3_14], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == word
