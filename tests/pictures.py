"""The pictures of docs/gallery.md and docs/ui.md, taken again: ``python -m tests.pictures`` (playwright,
chromium, flask).

``python -m tests.pictures FOLDER`` takes every view in light and dark, wide and of a telephone's
width instead, to be looked at.
"""

from __future__ import annotations

import shutil
import sys
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


MOVED = """
      <rewriteMaps>
        <rewriteMap name="Moved pages">
          <add key="old-pgae" value="about.html" />
          <add key="opening-hours" value="about.html" />
        </rewriteMap>
      </rewriteMaps>"""
MOVED_RULE = r"""
        <rule name="Moved pages" stopProcessing="true">
          <match url="^([\w-]+)$" />
          <conditions>
            <add input="{Moved pages:{R:1}}" pattern="(.+)" />
          </conditions>
          <action type="Rewrite" url="{C:1}" />
        </rule>"""
#: The views of the live page by the name of their picture, and what is waited for.
VIEWS = {
    "requests": ("requests", "tbody tr:nth-child(5)"),
    "request": ("requests/1", ".pipeline"),
    "compare": ("compare/1/2", ".pipeline"),
    "playground": ("playground", ".answer"),
    "rules": ("rules", ".source div"),
    "identity": ("identity", "#name"),
}
#: Those that stand in the documentation.
SHOWN = ("requests", "request", "playground")


def site(folder: Path) -> Path:
    """A site with an application that fails for one URL, and a map with a misspelt key."""
    rules = RULES.replace("<rewrite>", "<rewrite>" + MOVED).replace(
        "<rules>", "<rules>" + MOVED_RULE
    )
    config = web_config(python_handler("orders/*") + rules, {"WSGI_HANDLER": "app.app"})
    made = write(folder / "shop", {"app.py": APP, "web.config": config, "about.html": "<p>About"})
    make_env(made, Path(sysconfig.get_paths()["purelib"]))
    return made


def take(folder: Path, to: Path, *, every: bool) -> None:
    """The error page of a failing application, the page of ``explain --html`` and the live page."""
    shop, story = site(folder), folder / "story.html"
    CliRunner().invoke(
        main,
        ["explain", str(shop), "/order.php?id=7", "--html", str(story)],
        catch_exceptions=False,
    )
    with sync_playwright() as browsers, LiveServer(shop, ["--ui"]) as server:
        live = server.wait_for(r"ui +(http://\S+)")[1]
        for path in ("/old-page", "/order.php?id=7", "/orders/7", "/orders/8", "/opening-hours"):
            server.get(path)
        browser = browsers.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        looks = [("light", 1100), ("dark", 1100), ("light", 360), ("dark", 360)]
        for scheme, width in looks if every else looks[:1]:
            page = browser.new_page(
                viewport={"width": width, "height": 680},
                color_scheme="dark" if scheme == "dark" else "light",
                reduced_motion="reduce",
            )
            end = f"-{scheme}-{width}" if every else ""
            pages = {"error": f"{server.url}/orders/8", "explain": story.as_uri()}
            if every:
                pages["missing"] = f"{server.url}/old-page"
            for name, address in pages.items():
                page.goto(address)
                page.screenshot(path=to / f"{name}{end}.png", full_page=every)
            page.goto(live)
            for name in VIEWS if every else SHOWN:
                view, awaited = VIEWS[name]
                page.evaluate("place => { location.hash = place }", f"#/{view}")
                page.wait_for_selector(awaited)
                page.screenshot(path=to / f"{name}{end}.png", full_page=every)
            page.close()
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        take(
            Path(temporary),
            Path(sys.argv[1]) if len(sys.argv) > 1 else TO,
            every=len(sys.argv) > 1,
        )
