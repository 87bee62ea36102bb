"""Every sample starts and answers, with an env of its own and its static files from the server."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import make_env
from .server import LiveServer

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(("name", "package", "target", "text"), [
    ("hello", None, "/x", "Hello from Python"),
    ("flask", "flask", "/", "<h1>Notes</h1>"),
    ("django", "django", "/about/", '"script_name": ""'),
    ("bottle", "bottle", "/you", "Hello, you"),
])
def test_sample(name: str, package: str | None, target: str, text: str, tmp_path: Path,
                serve: Callable[..., LiveServer]) -> None:
    if package is not None:
        pytest.importorskip(package)
    site = tmp_path / name
    shutil.copytree(SAMPLES / name, site, ignore=shutil.ignore_patterns("env", "__pycache__"))
    make_env(site, Path(sysconfig.get_paths()["purelib"]))
    server = serve(site)
    answer = server.get(target)
    assert answer.status == 200 and text in answer.text
    css = server.get("/static/site.css")
    assert css.status == 200 and css.body == (SAMPLES / name / "static" / "site.css").read_bytes()
    server.wait_for("GET /static/site.css -> StaticFile")
    assert server.get("/static/missing.css").status == (200 if name == "hello" else 404)
