"""The pictures of docs/gallery.md, taken anew: ``python -m tests.pictures`` (playwright, chromium, flask).

Those of the live page (requests, request, playground) are taken by hand: their story takes a person.
"""

from __future__ import annotations

import shutil
import sysconfig
import tempfile
from pathlib import Path

from click.testing import CliRunner
from playwright.sync_api import sync_playwright

from fcgiemu.cli import main

from .live.server import LiveServer
from .sites import make_env, python_handler, web_config, write

TO = Path(__file__).parents[1] / "docs" / "ui"
APP = """from flask import Flask

app = Flask(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = True
ORDERS = {7: "a lamp"}


@app.get("/orders/<int:number>")
def order(number):
    print("looking for order", number)
    return describe(ORDERS[number])


def describe(text):
    return f"Your order: {text}"
"""
RULES = r"""
    <rewrite>
      <rules>
        <rule name="Old orders" stopProcessing="true">
          <match url="^order\.php$" />
          <conditions>
            <add input="{REQUEST_METHOD}" pattern="^GET$" />
            <add input="{QUERY_STRING}" pattern="^id=(\d+)$" />
          </conditions>
          <action type="Redirect" url="/orders/{C:1}" appendQueryString="false" />
        </rule>
      </rules>
    </rewrite>
"""


def take(folder: Path) -> None:
    """The error page of a failing application, and the page of ``explain --html``."""
    config = web_config(python_handler() + RULES, {"WSGI_HANDLER": "app.app"})
    site = write(folder / "shop", {"app.py": APP, "web.config": config})
    make_env(site, Path(sysconfig.get_paths()["purelib"]))
    story = folder / "story.html"
    CliRunner().invoke(
        main,
        ["explain", str(site), "/order.php?id=7", "--html", str(story)],
        catch_exceptions=False,
    )
    with sync_playwright() as browsers, LiveServer(site) as server:
        browser = browsers.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 680})
        for name, address in (("error", f"{server.url}/orders/8"), ("explain", story.as_uri())):
            page.goto(address)
            page.screenshot(path=TO / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        take(Path(temporary))
