"""``fcgiemu mcp`` as an agent uses it: the client of the package over the pipes of a real process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="the server for agents needs mcp 2")

from mcp import Client, StdioServerParameters

from fcgiemu.errors import beside

from ..schemas import closed
from ..sites import rules, web_config, write

COMMAND = [sys.executable, "-m", "fcgiemu", "mcp"]
LIMIT = 60
OLD = '<rule name="old"><match url="^old$" /><action type="Redirect" url="{}" /></rule>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with sites, beside one that nobody may see."""
    write(
        tmp_path / "secret",
        {
            "web.config": rules(OLD.format("/hidden")),
            "site.expect": "/topsecret -> 200\n",
            "rules.xml": "<rules><rule name='topsecret' /></rules>",
            "app.settings": "topsecret\n",
        },
    )
    write(
        tmp_path / "seen",
        {
            "web.config": rules(OLD.format("/new")),
            "site.expect": "/old -> 301 /new\n/x -> 200\n",
            "changed/web.config": rules(OLD.format("/newer")),
            "bad/web.config": web_config('<no /><directoryBrowse enabled="maybe" />'),
            "linked/": "",
            "sourced/web.config": web_config(
                '<rewrite><rules configSource="rules.xml" /></rewrite>'
            ),
            "set/web.config": web_config(),
            "set/fcgiemu.toml": 'app-settings = "../../secret/app.settings"\n',
            "mapped/web.config": web_config(),
            "mapped/fcgiemu.toml": '[map]\n"D:\\\\x" = "../../secret"\n',
            "expecting/web.config": web_config(),
            "empty/a.txt": "",
        },
    )
    seen, secret = tmp_path / "seen", tmp_path / "secret"
    (seen / "linked/site").symlink_to(secret)
    (seen / "linked/web.config").symlink_to(secret / "web.config")
    (seen / "sourced/rules.xml").symlink_to(secret / "rules.xml")
    (seen / "expecting/site.expect").symlink_to(secret / "site.expect")
    return seen


class Agent:
    """A client that has said hello."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The data of an answer."""
        got = await self.client.call_tool(tool, arguments)
        assert not got.is_error, got.content
        assert isinstance(got.structured_content, dict)
        return got.structured_content

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What is said of a question that has no answer."""
        got = await self.client.call_tool(tool, arguments)
        assert got.is_error, got.structured_content
        return "\n".join(getattr(part, "text", "") for part in got.content)


@asynccontextmanager
async def agent(folder: Path) -> AsyncIterator[Agent]:
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    server = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], str(folder)], env=environment, cwd=folder
    )
    async with Client(server) as client:
        yield Agent(client)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), LIMIT))


def test_the_tools(folder: Path) -> None:
    """What they answer is what the commands say."""
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())

    async def work() -> None:
        async with agent(folder) as asked:
            tools = (await asked.client.list_tools()).tools
            assert {tool.name for tool in tools} == {"explain", "check", "test", "diff"}
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)

            answer = await asked.ask("explain", url="/old")
            assert "redirects (301)" in answer.pop("story")
            assert answer["outcome"]["status"] == 301 and answer["rules"] == ["old"]
            assert closed("explain").is_valid(answer)

            found = await asked.ask("check", site="bad")
            assert [one["code"] for one in found["findings"]] == [
                "config-unknown-section",
                "config-bad-value",
            ]
            assert closed("check").is_valid(found["findings"])

            tested = await asked.ask("test")
            assert (tested["passed"], tested["failed"]) == (1, 1)
            assert tested["failures"][0]["file"] == "site.expect"
            tested = await asked.ask("test", expectations="/old -> 301 /new")
            assert (tested["passed"], tested["failed"]) == (1, 0)

            changed = await asked.ask("diff", old=".", new="changed", urls=["/old", "/x"])
            assert (changed["asked"], changed["changed"]) == (2, 1)
            assert closed("diff").is_valid(changed)

    run(work)
    after = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())
    assert after == before


def test_a_git_revision(folder: Path) -> None:
    site = folder / "changed"
    git = ["git", "-C", str(site), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    write(site, {"web.config": rules(OLD.format("/newest"))})

    async def work() -> None:
        async with agent(folder) as asked:
            changed = await asked.ask("diff", old="HEAD", site="changed", urls=["/old"])
            assert changed["changed"] == 1
            said = await asked.refused("diff", old="HEAD:..", site="changed", urls=["/old"])
            assert "There is no HEAD:.." in said
            subprocess.run([*git, "config", "filter.x.smudge", "touch /tmp/x"], check=True)
            said = await asked.refused("diff", old="HEAD", site="changed", urls=["/old"])
            assert "names programs to run" in said

    run(work)


LEAVES = "The path leaves the folder that this server shows."
#: A tool with arguments -> a part of what it says.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("check", {"site": ".."}, LEAVES),
    ("check", {"site": "../secret"}, LEAVES),
    ("check", {"site": "/etc"}, LEAVES),
    ("check", {"site": "linked/site"}, LEAVES),
    ("check", {"site": "linked/web.config"}, LEAVES),
    ("check", {"site": "linked"}, "There is no web.config in linked"),
    ("check", {"site": "set"}, LEAVES),
    ("check", {"site": "mapped"}, LEAVES),
    ("check", {"site": "none"}, "There is no none in the folder"),
    ("check", {"site": "empty"}, "There is no web.config in empty"),
    ("check", {"site": "empty/a.txt"}, "is not the folder of a site"),
    ("check", {"site": "a" * 5000}, "A path has at most 4096 characters"),
    ("check", {"site": "a\0b"}, "no NUL"),
    ("explain", {"url": "/", "site": "../secret"}, LEAVES),
    ("explain", {"url": "/" + "a" * 40_000}, "40001 is more than 32768"),
    ("explain", {"url": "/", "headers": {f"X-{n}": "" for n in range(200)}}, "headers: 200"),
    ("explain", {"url": "/", "headers": {"X": "a" * 40_000}}, "The headers"),
    ("explain", {"url": "/", "method": "G T"}, "The method is not one"),
    ("explain", {"url": "no url"}, "URL"),
    ("test", {"file": "../secret/site.expect"}, LEAVES),
    ("test", {"site": "expecting"}, LEAVES),
    ("test", {"file": "changed"}, "is not a file"),
    ("test", {"expectations": "nonsense"}, "write 'URL -> what comes of it'"),
    ("test", {"expectations": "#" * 2_000_000}, "is more than"),
    ("test", {"site": "changed"}, "There is no expectation."),
    ("diff", {"old": "../secret", "urls": ["/old"]}, LEAVES),
    ("diff", {"old": "linked/site", "urls": ["/old"]}, LEAVES),
    ("diff", {"old": "--upload-pack=x", "urls": ["/old"]}, "There is no --upload-pack=x"),
    ("diff", {"old": "HEAD", "urls": ["/old"]}, "not in a git repository"),
    ("diff", {"old": ".", "urls": ["/"] * 20_000}, "urls: 20000"),
    ("explain", {"url": 7}, "url"),
    ("explain", {}, "url"),
    ("remove", {}, "remove"),
]


def test_what_is_refused(folder: Path) -> None:
    """Each with a sentence, none with what lies elsewhere; the server goes on after each."""

    async def work() -> None:
        async with agent(folder) as asked:
            for tool, arguments, part in REFUSED:
                try:
                    said = await asked.refused(tool, **arguments)
                except Exception as error:  # an unknown tool is an error of the protocol
                    said = str(error)
                assert part in said, (tool, str(arguments)[:80], said)
                assert "topsecret" not in said and "Traceback" not in said
            found = await asked.ask("check", site="sourced")
            assert [one["code"] for one in found["findings"]] == ["config-unreadable"]
            assert "topsecret" not in json.dumps(found)

    run(work)


def test_secrets_are_left_out(folder: Path) -> None:
    write(
        folder / "secretive",
        {"web.config": rules(OLD.format("https://ada:topsecret@example.org/"))},
    )

    async def work() -> None:
        async with agent(folder) as asked:
            answer = await asked.ask("explain", url="/old", site="secretive")
            assert "topsecret" not in json.dumps(answer)

    run(work)


@pytest.mark.parametrize("data", [b"", b"no json\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n"])
def test_the_end_of_the_agent_is_the_end_of_the_server(data: bytes, folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(folder)], input=data, capture_output=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0


def test_a_folder_that_is_not_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(tmp_path / "none")],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 2 and "There is no folder" in done.stderr


def test_without_the_package(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['mcp'] = None; from fcgiemu.cli import main; main(['mcp'])"
    done = subprocess.run(
        [sys.executable, "-c", hidden],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "fcgiemu: The server for agents needs the package mcp, which is not installed."
        f" Run: {beside('fcgiemu[mcp]')}\n",
    )
