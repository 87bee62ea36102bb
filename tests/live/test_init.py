"""From a folder with a framework's files to its first page, with what ``fcgiemu init`` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main

from ..sites import make_env, write
from .server import LiveServer

WSGI = "def go(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
SITES: list[tuple[str, dict[str, str | bytes]]] = [
    ("", {"web_app.py": WSGI}),
    (
        "flask",
        {
            "app.py": "from flask import Flask\napp = Flask(__name__)\n"
            "@app.route('/')\ndef index():\n    return 'hello'\n"
        },
    ),
    ("bottle", {"x.py": "import bottle\napp = bottle.Bottle()\napp.route('/')(lambda: 'hello')\n"}),
    (
        "django",
        {
            "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
            "shop/__init__.py": "",
            "shop/settings.py": "SECRET_KEY = 'x'\nROOT_URLCONF = 'shop.urls'\n"
            "ALLOWED_HOSTS = ['*']\n",
            "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\n"
            "urlpatterns = [path('', lambda request: HttpResponse('hello'))]\n",
        },
    ),
    ("", {"index.html": "hello"}),
]


@pytest.mark.parametrize(("module", "files"), SITES)
def test_the_first_page(
    module: str,
    files: dict[str, str | bytes],
    tmp_path: Path,
    serve: Callable[..., LiveServer],
) -> None:
    if module:
        package = pytest.importorskip(module)
        place = Path(package.__file__).parent
        make_env(tmp_path, place if module == "bottle" else place.parent)
    write(tmp_path, {**files, "static/site.css": "body {}"})
    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 0
    server = serve(tmp_path)
    assert (server.get("/").status, server.get("/").text) == (200, "hello")
    if module != "django":  # which serves none by itself
        assert server.get("/static/site.css").text == "body {}"
