"""``explain --run``: the real chain is asked once, its programs end with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fcgiemu.cli import main

from ..node import needs_node, node_config
from ..sites import write

HELLO = Path(__file__).parents[2] / "samples" / "hello"


def test_an_application_answers() -> None:
    result = CliRunner().invoke(main, ["explain", str(HELLO), "/", "--run", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["outcome"]["status"] is None
    assert answer["answered"]["status"] == 200
    assert "text/" in answer["answered"]["headers"]["Content-Type"]
    assert answer["answered"]["body"]


def test_an_error_keeps_its_substatus_and_the_story_says_it() -> None:
    result = CliRunner().invoke(main, ["explain", str(HELLO), "/web.config", "--run"])
    assert result.exit_code == 0, result.output
    assert "=> run: 404.8 Not Found" in result.stdout


def test_what_the_application_prints_is_shown(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "def app(environ, start_response):\n"
        "    print('seen', environ['PATH_INFO'], flush=True)\n"
        "    start_response('202 Accepted', [('Content-Type', 'text/plain')])\n"
        "    return [b'taken']\n"
    )
    (tmp_path / "web.config").write_text(
        "<configuration><appSettings><add key='WSGI_HANDLER' value='app.app'/></appSettings>"
        "<system.webServer><handlers><add name='py' path='*' verb='*' modules='FastCgiModule'"
        " scriptProcessor='C:\\Python\\python.exe|C:\\Python\\wfastcgi.py'"
        " resourceType='Unspecified'/></handlers></system.webServer></configuration>"
    )
    result = CliRunner().invoke(main, ["explain", str(tmp_path), "/x", "--run"])
    assert result.exit_code == 0, result.output
    assert "=> run: 202 Accepted (text/plain)" in result.stdout
    assert "seen /x" in result.stdout


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--remote-addr", "10.0.0.1"], "--remote-addr 127.0.0.1"),
        (["--remote-addr", "nowhere"], "'nowhere' does not appear to be"),
        (["--body-length", "5"], "without a body"),
        (["--batch", "-"], "one URL"),
    ],
)
def test_what_cannot_be_asked(options: list[str], expected: str) -> None:
    result = CliRunner().invoke(main, ["explain", str(HELLO), "/", "--run", *options])
    assert result.exit_code == 2, result.output
    assert expected in result.output


@needs_node
def test_a_developer_error_of_iisnode_says_that_it_is_one(tmp_path: Path) -> None:
    write(tmp_path, {"server.js": "throw new Error('no');\n", "web.config": node_config()})
    result = CliRunner().invoke(main, ["explain", str(tmp_path), "/server.js", "--run"])
    assert "=> run: 200 OK (text/html)" in result.stdout
    assert "developer error 500.1" in result.stdout
