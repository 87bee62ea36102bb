"""Every sample keeps its expectations, has nothing wrong with it, starts with an env of its own as
``make serve`` makes it, and answers; its static files come from the server.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main

from ..sites import make_env
from .server import LiveServer

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())

#: Sample, what it needs here, a URL, a part of the answer.
ANSWERS = [
    ("hello", None, "/x", "Hello from Python"),
    ("httpplatform", "waitress", "/x", "Hello from waitress behind IIS, at /x; asked by 127.0.0.1"),
    ("azure-page-2015", None, "/x", "Hello from Python"),
    ("flask", "flask", "/", "<h1>Notes</h1>"),
    ("django", "django", "/about/", '"script_name": ""'),
    ("bottle", "bottle", "/you", "Hello, you"),
    ("fastapi", "a2wsgi", "/items/1", '{"number":1,"name":"lamp"}'),
    ("php", "php-cgi", "/about", "was asked for /about."),
    ("node", "node", "/api/asked?x=%2F", '{"url":"/api/asked?x=%2F","greeting":"Hello"}'),
    ("spa", None, "/orders/7", '<main id="root">'),
]

#: What ``check`` says of a sample on purpose.
KNOWN = {
    "azure-page-2015": ["azure-page-static-rule", "rewrite-catch-all"],
}


def copy(name: str, folder: Path) -> Path:
    """A sample with an environment that sees this interpreter's packages."""
    site = folder / name
    shutil.copytree(SAMPLES / name, site, ignore=shutil.ignore_patterns("env", "__pycache__"))
    make_env(site, Path(sysconfig.get_paths()["purelib"]))
    return site


def needs(what: str | None) -> None:
    """Skip where a module or a program is missing."""
    if what in ("php-cgi", "node"):
        if shutil.which(what) is None:
            pytest.skip(f"{what} is not installed")
    elif what is not None:
        pytest.importorskip(what)


def test_every_sample_has_its_row() -> None:
    assert sorted(name for name, *_ in ANSWERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_its_expectations(name: str) -> None:
    done = CliRunner().invoke(main, ["test", str(SAMPLES / name / "site.expect")])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_it(name: str) -> None:
    done = CliRunner().invoke(main, ["check", str(SAMPLES / name)])
    assert sorted(set(re.findall(r"\[([a-z-]+)\]$", done.output, re.M))) == KNOWN.get(name, [])


@pytest.mark.parametrize(("name", "what", "target", "text"), ANSWERS, ids=lambda value: str(value))
def test_it_answers(
    name: str,
    what: str | None,
    target: str,
    text: str,
    tmp_path: Path,
    serve: Callable[..., LiveServer],
) -> None:
    needs(what)
    server = serve(copy(name, tmp_path))
    answer = server.get(target)
    assert answer.status == 200 and text in answer.text
    folder = "assets" if name == "spa" else "static"
    css = server.get(f"/{folder}/site.css")
    place = SAMPLES / name / ("public" if name == "node" else "") / folder
    assert css.status == 200 and css.body == (place / "site.css").read_bytes()
    server.wait_for(f"GET /{folder}/site.css -> StaticFile")


def test_the_first_sample_greets_without_a_caveat(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(copy("hello", tmp_path))
    assert server.get("/").text.startswith("Hello from Python 3.")
    report = server.log().partition("listening")[0]
    assert "env/bin/python: web.config names it" in report
    assert not re.search(r"^  (note|warning|error)\b", server.log(), re.M), server.log()


@contextmanager
def api(program: Path) -> Iterator[str]:
    """The API of the single-page sample on a free port; yields its URL."""
    process = subprocess.Popen([sys.executable, program, "0"], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def test_the_single_page_asks_its_api(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    site = copy("spa", tmp_path)
    with api(site / "server" / "api.py") as url:
        config = site / "web.config"
        config.write_text(config.read_text().replace("http://127.0.0.1:5001/", url))
        server = serve(site)
        assert server.get("/api/orders/7").text == '{"text": "The API was asked for /orders/7."}'
        assert server.get("/server/api.py").status == 404


def test_the_list_of_samples_is_whole() -> None:
    """samples/README.md names every sample, and nothing else as one."""
    text = (SAMPLES / "README.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| \[([\w-]+)\]", text, re.M)) == NAMES
    for name in NAMES:
        assert (SAMPLES / name / "site.expect").is_file()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_admin_of_django_with_its_style_sheets(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """As a deployment leaves it: collectstatic has run, and a browser loads the pages."""
    pytest.importorskip("django")
    site = copy("django", tmp_path)
    subprocess.run(
        [site / "env" / "bin" / "python", "manage.py", "collectstatic", "--noinput", "--clear"],
        cwd=site,
        check=True,
        capture_output=True,
    )
    server = serve(site)
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            f"{server.url}/admin/login/",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 'id="login-form"' in done.stdout, done.stderr
    for sheet in ("base", "login"):
        server.wait_for(
            f"GET /static/admin/css/{sheet}.css -> StaticFile static/admin/css/{sheet}.css"
        )
    assert server.get("/static/site.css").body == (site / "assets" / "site.css").read_bytes()
