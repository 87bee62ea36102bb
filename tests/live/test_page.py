"""The site of the Azure page of 2015 in shape: its two rules, its handler, its proxy functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import make_env, write
from .server import LiveServer

SAMPLE = Path(__file__).parents[2] / "samples" / "azure-page-2015"


def site(folder: Path, form: str) -> Path:
    files = {path.name: path.read_bytes() for path in SAMPLE.iterdir() if path.is_file()}
    files["web.config"] = files[f"web.{form}.config"]
    return write(folder, {**files, "static/site.css": "body {}\n"})


@pytest.mark.parametrize("form", ["2.7", "3.4"])
def test_both_forms_answer_through_fastcgi(
    form: str, tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site(tmp_path, form))
    answer = server.get("/a/b?x=1")
    assert (answer.status, answer.reason) == (200, "OK")
    assert "at /a/b" in answer.text
    assert answer.headers["server"] == "Microsoft-IIS/10.0"
    css = server.get("/static/site.css")
    assert (css.status, css.body, css.headers["content-type"]) == (200, b"body {}\n", "text/css")
    assert "StaticFile static/site.css" in server.wait_for(r"GET /static/site.css -> (.*)")[1]


@pytest.mark.parametrize("form", ["2.7", "3.4"])
def test_with_an_env_of_its_own(
    form: str, tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """The site's own packages win: this env holds a werkzeug that is none."""
    site(tmp_path, form)
    library = make_env(tmp_path)
    write(library, {"werkzeug/__init__.py": "__version__ = 'the site\\'s own'\n"})
    write(
        tmp_path,
        {
            "app.py": "import werkzeug\n\ndef wsgi_app(environ, start_response):\n"
            "    start_response('200 OK', [])\n    return [werkzeug.__version__.encode()]\n"
        },
    )
    assert serve(tmp_path).get("/").text == "the site's own"


def test_strict_sends_static_files_to_python_as_iis_does(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    server = serve(site(tmp_path, "3.4"), "--strict")
    assert "at /static/site.css" in server.get("/static/site.css").text


def test_the_pages_prefix_mapping(tmp_path: Path, serve: Callable[..., LiveServer]) -> None:
    site(tmp_path, "3.4")
    config = (tmp_path / "web.config").read_text()
    start, end = config.index("<conditions>"), config.index("</conditions>") + len("</conditions>")
    mapped = (
        '<match url="^/static/.*" ignoreCase="true" />'
        '<action type="Rewrite" url="^/FlaskWebProject/static/.*" appendQueryString="true" />'
    )
    write(
        tmp_path,
        {
            "web.config": config[:start] + mapped + config[end:],
            "FlaskWebProject/static/site.css": "h1 {}\n",
        },
    )
    assert serve(tmp_path).get("/static/site.css").body == b"h1 {}\n"


def test_a_swallowed_import_error_is_shown(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    site(tmp_path, "3.4")
    write(
        tmp_path,
        {
            "app.py": "import a_package_that_is_not_there\n",
            "ptvs_virtualenv_proxy.py": SWALLOWING_PROXY,
        },
    )
    answer = serve(tmp_path).get("/")
    assert answer.status == 500
    assert '"app.wsgi_app" could not be imported' in answer.text
    assert "No module named 'a_package_that_is_not_there'" in answer.text


#: A proxy script of a site that hides why an import failed, as the one of 2015 does.
SWALLOWING_PROXY = """
import os

def get_venv_handler():
    name = os.environ["WSGI_ALT_VIRTUALENV_HANDLER"]
    try:
        return __import__(name.split(".")[0])
    except ImportError:
        pass
    raise ValueError('"%s" could not be imported' % name)
"""


def test_links_in_a_site_neither_stop_the_server_nor_lead_out(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    write(
        tmp_path,
        {
            "site/web.config": "<configuration />",
            "site/a.css": "",
            "outside/web.config": "<configuration",
            "outside/x.css": "",
        },
    )
    for name, target in (("loop", "."), ("again", "."), ("out", "../outside")):
        (tmp_path / "site" / name).symlink_to(target)
    server = serve(tmp_path / "site")
    assert server.get("/loop/a.css").status == 200
    assert server.get("/out/x.css").status == 404
