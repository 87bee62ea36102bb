"""``check`` and ``doctor`` say the same of every site of the test data, as far as configuration and
files show it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcgiemu import catalogue
from fcgiemu.applications import Application
from fcgiemu.catalogue import EXAMPLE_FILES
from fcgiemu.diagnosis.causes import causes
from fcgiemu.diagnosis.check import check
from fcgiemu.diagnosis.doctor import examine
from fcgiemu.diagnosis.handler_names import likely_handler, meant
from fcgiemu.diagnosis.import_time import line_that_serves
from fcgiemu.fastcgi.process import StartFailed
from fcgiemu.programs import interpreter_probe
from fcgiemu.programs.interpreters import Program
from fcgiemu.rewrite.state import Place
from fcgiemu.settings import Settings
from fcgiemu.site import Site

from ..cases import golden
from ..sites import python_handler, web_config, write

SAMPLES = Path(__file__).parents[2] / "samples"


def examples() -> Iterator[tuple[str, dict[str, str]]]:
    """The sites of the catalogue."""
    for kind in catalogue.kinds():
        if kind.needs in ("configuration", "files"):
            for code, example in kind.examples():
                for name in ("before", "after"):
                    text = getattr(example, name).strip()
                    whole = re.match(r"<(?:configuration|config |!|\?xml)", text)
                    config = text if whole else web_config(text)
                    beside = {"web.config": "<configuration />", **example.files}
                    yield f"{code}-{name}", {**EXAMPLE_FILES, **beside, example.file: config}


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StartFailed("none is started here")

    monkeypatch.setattr(interpreter_probe, "probe", refuse)
    monkeypatch.setattr(interpreter_probe, "run", lambda *_: interpreter_probe.Ended(0, ""))


def agree(site: Site) -> None:
    found = check(site)
    steps = [
        step for application in site.layout.applications for step in examine(site, application)
    ]
    said = [step.finding for step in steps if step.finding is not None]
    shared = {
        finding
        for finding in said
        if catalogue.kind(finding.code).needs in ("configuration", "files")
    }
    assert shared == set(found)
    wrong = {
        str(finding.span)
        for finding in found
        # what is said of these is about their requests: that the program is there is true
        if finding.severity != "info" and not finding.code.startswith(("iisnode-", "aspnetcore-"))
    }
    for step in steps:
        if step.status == "ok" and step.name == "handler":
            assert step.text.rpartition(" ")[2] not in wrong
        if step.status == "ok" and step.name == "WSGI_HANDLER":
            assert not any(
                finding.code == "settings-handler-name" and "WSGI_HANDLER is" in finding.message
                for finding in found
            )


@pytest.mark.parametrize(("name", "files"), list(examples()), ids=lambda value: str(value)[:60])
@pytest.mark.usefixtures("no_processes")
def test_the_examples_of_the_catalogue(tmp_path: Path, name: str, files: dict[str, str]) -> None:
    agree(Site(write(tmp_path, files)))


@pytest.mark.parametrize(
    "folder",
    sorted(path for path in SAMPLES.iterdir() if path.is_dir()),
    ids=lambda folder: folder.name,
)
@pytest.mark.usefixtures("no_processes")
def test_the_samples(folder: Path) -> None:
    agree(Site(folder))


@pytest.mark.parametrize(
    "path", sorted((golden.FOLDER / "rewrite").glob("*.txt")), ids=lambda path: path.stem
)
@pytest.mark.usefixtures("no_processes")
def test_the_golden_cases(tmp_path: Path, path: Path) -> None:
    seen: set[str] = set()
    for number, case in enumerate(golden.read(path)):
        if case.files and str(case.files) not in seen:
            seen.add(str(case.files))
            agree(Site(write(tmp_path / str(number), case.files)))


@pytest.mark.usefixtures("no_processes")
def test_a_folder_without_web_config(tmp_path: Path) -> None:
    agree(Site(tmp_path))
    write(tmp_path, {"web.3.4.config": web_config()})
    agree(Site(tmp_path))
    assert [finding.code for finding in check(Site(tmp_path))] == ["config-missing"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"web.config": web_config(), "index.html": ""}, "python-not-used"),
        ({"web.config": web_config(), "app.py": ""}, "python-no-handler"),
        (
            {
                "web.config": "<configuration><appSettings>"
                '<add key="WSGI_HANDLER" value="app.app" /></appSettings></configuration>'
            },
            "python-no-handler",
        ),
    ],
)
@pytest.mark.usefixtures("no_processes")
def test_no_handler_is_wrong_only_where_there_is_python(
    tmp_path: Path, files: dict[str, str], code: str
) -> None:
    site = Site(write(tmp_path, files))
    (step,) = (step for step in examine(site, site.root) if step.name == "handler")
    assert step.finding is not None and step.finding.code == code
    assert step.status == ("note" if code == "python-not-used" else "problem")
    assert code == "python-not-used" or f"&& fcgiemu init {tmp_path}" in step.remedy


@pytest.mark.parametrize(("name", "told"), [("WSGI_HANDLER", False), ("Wsgi_Handler", True)])
@pytest.mark.usefixtures("no_processes")
def test_only_another_case_of_the_setting_is_told(tmp_path: Path, name: str, told: bool) -> None:
    config = web_config(python_handler(), {name: ""})
    site = Site(write(tmp_path, {"web.config": config, "app.py": ""}))
    codes = {step.finding.code for step in examine(site, site.root) if step.finding is not None}
    assert ("python-setting-case" in codes) is told


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("application = 1\n", "aplication", "Did you mean app.application? "),
        ("app = 1\n", "application", "Did you mean app.app? "),
        ("def create_app():\n    pass\n", "app", "Did you mean app.create_app()? "),
        ("app: object = 1\n", "ap", "Did you mean app.app? "),
        ("x = 1\n", "app", ""),
        ("try: x = 1\nfinally: pass\nprint(1)\n", "tryy", ""),
        ("print(1)\n", "prin", ""),
    ],
)
def test_the_near_name_of_a_handler(tmp_path: Path, text: str, name: str, hint: str) -> None:
    write(tmp_path, {"app.py": text})
    error = f"AttributeError: module 'app' has no attribute '{name}'"
    (known,) = causes(error, Application("", tmp_path, Place()))
    assert known.code.startswith("error-no-attribute")
    assert known.hint == (hint.strip() or "Correct the end of WSGI_HANDLER.")


@pytest.mark.parametrize(
    "raised",
    [
        "AttributeError: module 'app' has no attribute 'nope'",
        "TypeError: create_app() takes 0 positional arguments but 2 were given",
        "TypeError: 'NoneType' object is not callable",
    ],
)
@pytest.mark.parametrize(
    ("frame", "setting"),
    [
        ("C:\\inetpub\\wfastcgi.py", "WSGI_HANDLER"),
        ("C:\\site\\ptvs_virtualenv_proxy.py", "WSGI_ALT_VIRTUALENV_HANDLER"),
    ],
)
def test_a_cause_names_the_setting_that_the_worker_reads(
    tmp_path: Path, raised: str, frame: str, setting: str
) -> None:
    text = f'Traceback (most recent call last):\n  File "{frame}", line 9, in f\n{raised}'
    (known,) = causes(text, Application("", tmp_path, Place()))
    said = f" {known.message} {known.hint}"
    assert f" {setting}" in said and "HANDLER" not in said.replace(setting, "")


PYTHONS = [
    ("C:\\Python312\\python.exe", "C:\\Python312\\Lib\\site-packages\\wfastcgi.py"),
    ("C:/Python312/python.exe", "C:\\Python312\\Lib\\site-packages\\wfastcgi.py"),
    ("C:\\site\\env\\Scripts\\python.exe", "C:\\site\\env\\Lib\\site-packages\\wfastcgi.py"),
    ("D:\\home\\python364x64\\python.exe", "D:\\home\\python364x64\\wfastcgi.py"),
    ("C:\\Program Files\\Py\\python.exe", "&quot;C:\\Program Files\\Py\\Lib\\site-packages\\wfastcgi.py&quot;"),
]  # fmt: skip


@pytest.mark.parametrize(("python", "script"), PYTHONS)
def test_python_alone_stays_the_python_that_is_named(
    tmp_path: Path, python: str, script: str
) -> None:
    old = "D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py"
    write(tmp_path, {"web.config": web_config(python_handler().replace(old, python))})
    (known,) = [one for one in check(Site(tmp_path)) if one.code == "handler-python-alone"]
    assert f'scriptProcessor="{python}|{script}"' in known.hint


@pytest.mark.parametrize(
    ("name", "files", "handler"),
    [
        ("application", {"app.py": "application = Flask(1)\n"}, "app.application"),
        ("application", {"app.py": "app = Flask(1)\n"}, "app.app"),
        ("server", {"app.py": "app = 1\nserver = app.server\n"}, "app.server"),
        ("application", {"shop/wsgi.py": "application = f()\n"}, "shop.wsgi.application"),
        ("main", {"main.py": "app = Flask(1)\n"}, "main.app"),
        ("main", {"x.txt": ""}, "main.app"),
    ],
)
def test_a_handler_without_a_dot_means_a_module_that_exists(
    tmp_path: Path, name: str, files: dict[str, str], handler: str
) -> None:
    write(tmp_path, files)
    assert meant(name, tmp_path) == handler


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("app = Flask(__name__)\napp.run()\n", 2),
        ("app = flask.Flask(__name__)\napp.run(port=80)\n", 2),
        ("app = create_app()\napp.run()\n", 2),
        ("import uvicorn\nuvicorn.run('x:app')\n", 2),
        ("import cherrypy\ncherrypy.quickstart(Root())\n", 2),
        ("cherrypy.engine.start()\ncherrypy.engine.block()\n", 2),
        ("from waitress import serve\nserve(app)\n", 2),
        ("tornado.ioloop.IOLoop.current().start()\n", 1),
        ("make_server('', 80, app).serve_forever()\n", 1),
        ("loop.run_forever()\n", 1),
        # what ends by itself, or does not happen at import
        ("import subprocess\nsubprocess.run(['git'])\n", None),
        ("import asyncio\nasyncio.run(main())\n", None),
        ("migrations.run()\n", None),
        ("if __name__ == '__main__':\n    app = Flask('x')\n    app.run()\n", None),
        ('"""\napp = Flask(1)\napp.run()\n"""\n', None),
        ("def (:\n", None),
        ("\0", None),
    ],
)
def test_a_server_at_import(tmp_path: Path, text: str, line: int | None) -> None:
    assert line_that_serves(write(tmp_path, {"app.py": text}) / "app.py") == line


NESTED = {"shop/manage.py": "", "shop/shop/__init__.py": "", "shop/shop/settings.py": ""}


@pytest.mark.parametrize(
    ("files", "settings", "hint"),
    [
        (NESTED, {"DJANGO_SETTINGS_MODULE": "shop.settings"}, 'value=".\\shop"'),
        (NESTED, {"DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": "shop"}, None),
        (NESTED, {"DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": "%home%\\site\\wwwroot\\shop"}, None),
        ({"src/shop/__init__.py": "app = 1\n"}, {"WSGI_HANDLER": "shop.app"}, 'value=".\\src"'),
        ({"src/shop/web.py": "app = 1\n"}, {"WSGI_HANDLER": "shop.web.app", "PYTHONPATH": ".\\src"}, None),
        ({"shop/conf/prod.py": ""}, {"DJANGO_SETTINGS_MODULE": "shop.conf.production"}, "Did you mean shop.conf.prod?"),
        ({"Shop/__init__.py": "", "Shop/web.py": "app = 1\n"}, {"WSGI_HANDLER": "shop.web.app"}, "Did you mean Shop.web.app?"),
        ({"app.py": "app = 1\n"}, {"WSGI_HANDLER": "main.app"}, "Did you mean app.app?"),
        ({"site_wsgi.py": "application = 1\n"}, {"WSGI_HANDLER": "main.app"}, "Did you mean site_wsgi.application?"),
        ({"helpers.py": "x = 1\n"}, {"WSGI_HANDLER": "main.app"}, "Correct the name"),
    ],
)  # fmt: skip
def test_where_a_module_lies(
    tmp_path: Path, files: dict[str, str], settings: dict[str, str], hint: str | None
) -> None:
    write(tmp_path, {"run.py": "", **files, "web.config": web_config(python_handler(), settings)})
    found = [one.hint for one in check(Site(tmp_path)) if one.code == "settings-missing-module"]
    assert [hint in one for one in found] == [True] if hint else not found, found


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"app.py": ""}, "python-no-handler"),
        ({"web/app.py": "", "web.config": web_config("", {"WSGI_HANDLER": "web.app.app"})}, "python-no-handler"),
        ({"app.py": "", "index.html": "x", "web.config": web_config("", {"WSGI_HANDLER": "app.app"})}, "python-no-handler"),
        # no false alarm
        ({"tools/make.py": "", "index.html": "x"}, "python-not-used"),
        ({"index.html": "x"}, "python-not-used"),
        ({"api/app.py": "", "api/web.config": web_config(python_handler(), {"WSGI_HANDLER": "app.app"})}, "python-not-used"),
    ],
)  # fmt: skip
def test_python_without_a_handler(
    tmp_path: Path, no_processes: None, files: dict[str, str], code: str
) -> None:
    applications = "".join(
        f'<application path="{path}"><virtualDirectory path="/" physicalPath="{folder}" />'
        "</application>"
        for path, folder in (("/", "."), ("/api", "api"))
    )
    host = (
        f'<configuration><system.applicationHost><sites><site name="S">{applications}</site>'
        "</sites></system.applicationHost></configuration>"
    )
    write(tmp_path, {"web.config": web_config(), "host.config": host, "api/": "", **files})
    site = Site(tmp_path, Settings(host_config=tmp_path / "host.config"))
    codes = {step.finding.code for step in examine(site, site.root) if step.finding}
    assert code in codes and len(codes & {"python-no-handler", "python-not-used"}) == 1


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"app.py": "app = 1\n", "tool.py": "server = 1\n"}, "app.app"),
        ({"shop/wsgi.py": "application = 1\n", "manage.py": "app = 1\n"}, "shop.wsgi.application"),
        ({"run.py": "def create_app():\n    pass\n"}, "run.create_app()"),
        ({"tool.py": "x = 1\n"}, "module.application"),
        ({}, "module.application"),
    ],
)
def test_what_a_handler_may_name(tmp_path: Path, files: dict[str, str], name: str) -> None:
    assert likely_handler(write(tmp_path, files)) == name


LOGGING = (
    '<handlers><add name="W" path="*" verb="*" modules="httpPlatformHandler" /></handlers>'
    '<httpPlatform processPath="python" arguments="app.py" stdoutLogEnabled="true"'
    ' stdoutLogFile=".\\logs\\out" />'
)


@pytest.mark.parametrize(
    ("files", "is_missing"),
    [
        ({}, True),
        ({"logs/": ""}, True),
        ({"logs/out_1_20260101.log": ""}, True),
        ({"logs/.gitkeep": ""}, False),
    ],
)
def test_a_log_folder_is_missed_until_it_holds_a_file_of_the_site(
    tmp_path: Path, files: dict[str, str], is_missing: bool
) -> None:
    write(tmp_path, {"web.config": web_config(LOGGING), "app.py": "", **files})
    found = [one for one in check(Site(tmp_path)) if one.code == "platform-log-folder"]
    assert len(found) == is_missing
    assert all(f"touch {tmp_path}/logs/.gitkeep" in one.hint for one in found)


@pytest.mark.parametrize(
    ("log", "is_missing"),
    [
        ("D:\\home\\site\\wwwroot\\logs\\w.log", True),
        ("logs\\w.log", True),
        ("D:\\home\\site\\wwwroot\\w.log", False),
        ("D:\\home\\LogFiles\\w.log", False),
    ],
)
def test_check_misses_the_folder_of_the_workers_log(
    tmp_path: Path, log: str, is_missing: bool
) -> None:
    config = web_config(python_handler(), {"WSGI_HANDLER": "app.app", "WSGI_LOG": log})
    write(tmp_path, {"web.config": config, "app.py": "app = 1\n"})
    found = [one for one in check(Site(tmp_path)) if one.code == "settings-missing-file"]
    assert len(found) == is_missing
    assert all(f"mkdir -p {tmp_path}/logs" in one.hint for one in found)


def test_requirements_of_a_part_of_the_repository_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"backend/requirements.txt": "flask\n"})
    program = Program(path=sys.executable)
    text = "ModuleNotFoundError: No module named 'flask'"
    (known,) = causes(text, Application("", tmp_path, Place()), program)
    assert known.message == "flask is not installed; backend/requirements.txt names it"
    assert f"-r {tmp_path}/backend/requirements.txt" in known.hint
