"""Every sample starts and answers, with an env of its own and its static files from the server."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from ..sites import make_env
from .server import LiveServer

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(
    ("name", "package", "target", "text"),
    [
        ("hello", None, "/x", "Hello from Python"),
        ("flask", "flask", "/", "<h1>Notes</h1>"),
        ("django", "django", "/about/", '"script_name": ""'),
        ("bottle", "bottle", "/you", "Hello, you"),
    ],
)
def test_sample(
    name: str,
    package: str | None,
    target: str,
    text: str,
    tmp_path: Path,
    serve: Callable[..., LiveServer],
) -> None:
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


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_admin_of_django_with_its_style_sheets(
    tmp_path: Path, serve: Callable[..., LiveServer]
) -> None:
    """As a deployment leaves it: collectstatic has run, and a browser loads the pages."""
    pytest.importorskip("django")
    site = tmp_path / "django"
    shutil.copytree(SAMPLES / "django", site, ignore=shutil.ignore_patterns("env", "__pycache__"))
    make_env(site, Path(sysconfig.get_paths()["purelib"]))
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
