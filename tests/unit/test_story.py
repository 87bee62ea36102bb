"""``fcgiemu explain`` for people: the story, its width and colours, the page, and shell
completion.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main
from fcgiemu.pages.story import fragment
from fcgiemu.report.explanation_text import ROLES, as_page, lines, story, told
from fcgiemu.site import Site

from ..sites import POSIX_ONLY, python_handler, web_config, write

CONFIG = web_config(
    python_handler("handler.fcgi")
    + """<rewrite><rules>
<rule name="Never"><match url="^never" /><action type="None" /></rule>
<rule name="Guarded"><match url="^(a)/(.*)" /><conditions><add input="{HTTP_HOST}" pattern="^www\\.(.*)" /></conditions>
<serverVariables><set name="HTTP_X_A" value="{R:2}" /></serverVariables><action type="Rewrite" url="handler.fcgi/{R:2}" /></rule>
<rule name="Move"><match url="^old$" /><action type="Redirect" url="/new" /></rule>
</rules><allowedServerVariables><add name="HTTP_X_A" /></allowedServerVariables></rewrite>""",
    {"WSGI_HANDLER": "app.app"},
)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site({"web.config": CONFIG, "b.txt": ""})


def test_the_story_says_why(site: Site) -> None:
    text = story(site.explain("/a/x?q=1", headers={"Host": "www.example.org"}))
    for words in (
        "web.config:2 rule 'Never'",
        "'a/x' does not match ^never",
        "does not apply",
        "{R:1}='a' {R:2}='x'",
        "condition {HTTP_HOST} = 'www.example.org' matching ^www\\.(.*): true  {C:0}='www.example.org' {C:1}='example.org'",
        "sets HTTP_X_A to 'x'",
        "rewrites to /handler.fcgi/x?q=1",
        "the request goes on as /handler.fcgi/x",
        "handler 'Python' takes it: path handler.fcgi (web.config:1:",
        "=> FastCGI, handler 'Python'",
    ):
        assert words in text, words
    text = story(site.explain("/b.txt"))
    assert (
        "passed over: 'Python' (handler.fcgi), 'ASPClassic' (*.asp)" in text
        and "b.txt: found, b.txt" in text
    )


def test_only_what_matched(site: Site) -> None:
    text = story(site.explain("/old"), only_matching=True)
    assert "rule 'Move'" in text and "redirects (301) to http://localhost/new" in text
    assert "Never" not in text and "Guarded" not in text
    assert "passed over" not in story(site.explain("/b.txt"), only_matching=True)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_width_is_respected(site: Site, width: int) -> None:
    answer = site.explain("/b.txt")
    wrapped = story(answer, width=width).splitlines()
    assert max(len(line) for line in wrapped if " " in line.strip()) <= width + 4
    assert len(wrapped) >= len(story(answer).splitlines())


def test_every_role_can_be_shown(site: Site) -> None:
    used = {
        line.role
        for url in ("/a/x", "/old", "/b.txt", "/web.config")
        for line in lines(site.explain(url))
    }
    assert used <= set(ROLES)
    assert story(site.explain("/old"), lambda text, role: f"<{role}>{text}").startswith(
        "<request>GET /old"
    )


class Page(HTMLParser):
    """What a page refers to, and whether its tags match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in ("meta", "link", "br", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(site: Site) -> None:
    text = as_page(site.explain("/a/x?'<script>", headers={"Host": "www.x"})).decode()
    page = Page()
    page.feed(text)
    assert page.open == [] and page.outside == []
    assert "<script>" not in text and "HTTP_X_A" in text


def test_the_page_has_the_parts_of_the_live_page(site: Site) -> None:
    """The reason, the notifications, and rules with their lines and what was captured."""
    answer = site.explain("/a/x", headers={"Host": "www.example.org"})
    text = as_page(answer, site.files.configuration).decode()
    for part in (
        '<p class="reason">Rule &#39;Guarded&#39; (web.config:3) rewrites /a/x to /handler.fcgi/x;',
        '<li class="acted">Begin<wbr>Request<small>RewriteModule</small>',
        '<li class="acted answered">Execute<wbr>Request<wbr>Handler<small>FastCgiModule ← answers',
        '<mark>www.<mark class="c" title="group 1">example.org</mark></mark>',
        "&lt;match url=&#34;^(a)/(.*)&#34; /&gt;",
        "rewrites to <code>/handler.fcgi/x</code>",
    ):
        assert part in text, part
    assert fragment(told(answer, site.files.configuration)) in text


@POSIX_ONLY
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_in_chromium(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(as_page(site.explain("/a/x", headers={"Host": "www.x"})))
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "<h1>GET /a/x</h1>" in done.stdout and 'class="action"' in done.stdout, done.stderr


def test_the_command(site: Site, tmp_path: Path) -> None:
    write(tmp_path, {})
    result = CliRunner().invoke(main, ["explain", str(site.path), "/old", "--only-matching"])
    assert result.exit_code == 0 and "\x1b[" not in result.output and "Never" not in result.output
    assert (
        "\x1b[" in CliRunner().invoke(main, ["explain", str(site.path), "/old"], color=True).output
    )
    result = CliRunner().invoke(
        main, ["explain", str(site.path), "/old", "--html", str(tmp_path / "x.html")]
    )
    assert result.exit_code == 0 and (tmp_path / "x.html").read_bytes().startswith(
        b"<!DOCTYPE html>"
    )
    assert (
        CliRunner()
        .invoke(main, ["explain", str(site.path), "/old", "--html", str(tmp_path)])
        .exit_code
        == 2
    )


@pytest.mark.parametrize(
    ("shell", "word"),
    [("bash", "complete "), ("zsh", "#compdef fcgiemu"), ("fish", "complete --no-files")],
)
def test_completion(shell: str, word: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0 and word in result.output and "_FCGIEMU_COMPLETE" in result.output
    assert CliRunner().invoke(main, ["completion", "csh"]).exit_code == 2


def test_commands_are_completed() -> None:
    from click.shell_completion import BashComplete

    found = BashComplete(main, {}, "fcgiemu", "_FCGIEMU_COMPLETE").get_completions([], "ex")
    assert [item.value for item in found] == ["explain"]
