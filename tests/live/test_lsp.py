"""``fcgiemu lsp`` as an editor uses it: a real client over the pipes of a real process."""

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

pytest.importorskip("pygls", reason="the language server needs pygls")

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from fcgiemu.errors import beside

from ..sites import web_config, write

COMMAND = (sys.executable, "-m", "fcgiemu", "lsp", "--stdio")
#: Nothing here takes as long; a hung server fails the test and not the whole run.
LIMIT = 60


class Editor(LanguageClient):
    """A client that keeps what the server has published last of each document."""

    def __init__(self) -> None:
        super().__init__("tests", "1")
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.versions: dict[Path, int] = {}

        self.asked: asyncio.Queue[types.Registration] = asyncio.Queue()

        @self.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            for one in params.registrations:
                self.asked.put_nowait(one)

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def keep(params: types.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(params)

    def open(self, path: Path, text: str) -> None:
        self.versions[path] = 1
        item = types.TextDocumentItem(path.as_uri(), "xml", 1, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def type(self, path: Path, text: str) -> None:
        self.versions[path] += 1
        document = types.VersionedTextDocumentIdentifier(self.versions[path], path.as_uri())
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def codes(self, path: Path, wanted: set[str]) -> list[types.Diagnostic]:
        """Wait until exactly these codes are published of a file."""
        while True:
            got = await self.published.get()
            if got.uri == path.as_uri() and {str(one.code) for one in got.diagnostics} == wanted:
                return list(got.diagnostics)

    async def labels(self, path: Path, line: int, column: int) -> set[str]:
        """What is offered at a place."""
        where = types.Position(line, column)
        document = types.TextDocumentIdentifier(path.as_uri())
        found = await self.text_document_completion_async(types.CompletionParams(document, where))
        assert isinstance(found, types.CompletionList)
        return {item.label for item in found.items}


@asynccontextmanager
async def editor(
    folder: Path, encodings: list[types.PositionEncodingKind] | None = None
) -> AsyncIterator[Editor]:
    """A client with a server that has been initialized; both end whatever happens."""
    client = Editor()
    await client.start_io(*COMMAND, cwd=folder)
    process = client._server
    assert process is not None
    try:
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        params = types.InitializeParams(
            types.ClientCapabilities(
                general=general,
                workspace=types.WorkspaceClientCapabilities(
                    did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(True)
                ),
            ),
            root_uri=folder.as_uri(),
            workspace_folders=[types.WorkspaceFolder(folder.as_uri(), "site")],
        )
        await client.initialize_async(params)
        client.initialized(types.InitializedParams())
        yield client
        await client.shutdown_async(None)
        client.exit(None)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await client.stop()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), LIMIT))


def test_typing(tmp_path: Path) -> None:
    """Findings come and go with the text that is not saved, in other files of the site too."""
    file, below = tmp_path / "web.config", tmp_path / "sub" / "web.config"
    write(tmp_path, {"web.config": web_config(), "sub/web.config": web_config("<no />")})

    async def work() -> None:
        async with editor(tmp_path) as client:
            client.open(file, web_config())
            (found,) = await client.codes(below, {"config-unknown-section"})
            assert found.severity == types.DiagnosticSeverity.Error and found.source == "fcgiemu"
            client.type(file, web_config('<directoryBrowse enabled="maybe" />'))
            (found,) = await client.codes(file, {"config-bad-value"})
            assert (found.range.start.line, found.range.end.character) > (0, 0)
            client.type(file, "<configuration><system.webServer>")
            await client.codes(file, {"config-malformed-xml"})
            client.type(file, web_config())
            await client.codes(file, set())
            client.open(below, web_config())
            await client.codes(below, set())
            document = types.TextDocumentIdentifier(below.as_uri())
            client.text_document_did_close(types.DidCloseTextDocumentParams(document))
            await client.codes(below, {"config-unknown-section"})

    run(work)
    assert file.read_text() == web_config()


def test_files_that_change_on_disk(tmp_path: Path) -> None:
    """The server asks to be told, and is."""
    file, below = tmp_path / "web.config", tmp_path / "sub" / "web.config"
    write(tmp_path, {"web.config": web_config(), "sub/web.config": web_config()})

    async def work() -> None:
        async with editor(tmp_path) as client:
            asked = await client.asked.get()
            assert asked.method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            client.open(file, web_config())
            await client.codes(file, set())
            write(tmp_path, {"sub/web.config": web_config("<no />")})
            event = types.FileEvent(below.as_uri(), types.FileChangeType.Changed)
            client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
            (found,) = await client.codes(below, {"config-unknown-section"})
            assert found.code_description is not None
            assert found.code_description.href.endswith("#config-unknown-section")

    run(work)


def test_completion_hover_and_fix(tmp_path: Path) -> None:
    file = tmp_path / "web.config"
    rule = '<rule name="é😀"><match url="x" /><action type="Rewrite" url="{" /></rule>'
    maps = '<rewriteMaps><rewriteMap name="Pages" /></rewriteMaps>'
    text = web_config(f"\n<rewrite><rules>{rule}</rules>{maps}</rewrite>\n<handlrs />\n<\n")
    lines = text.splitlines()
    where = lines[1].index('url="{') + len('url="{')

    async def work() -> None:
        async with editor(tmp_path) as client:
            client.open(file, text)
            document = types.TextDocumentIdentifier(file.as_uri())
            # the smiley takes two units of UTF-16
            labels = await client.labels(file, 1, where + 1)
            assert {"QUERY_STRING", "R:1", "Pages:"} <= labels
            assert {"handlers", "/system.webServer"} <= await client.labels(file, 3, 1)
            hover = await client.text_document_hover_async(
                types.HoverParams(document, types.Position(1, 3))
            )
            assert hover is not None and "system.webServer/rewrite" in str(hover.contents)
            client.type(file, web_config("<handlrs />"))
            (found,) = await client.codes(file, {"config-unknown-section"})
            actions = await client.text_document_code_action_async(
                types.CodeActionParams(document, found.range, types.CodeActionContext([found]))
            )
            (action,) = actions or []
            assert isinstance(action, types.CodeAction) and action.edit and action.edit.changes
            (edit,) = action.edit.changes[file.as_uri()]
            assert (edit.new_text, edit.range) == ("handlers", found.range)

    run(work)


@pytest.mark.parametrize("encoding", list(types.PositionEncodingKind))
def test_units_of_positions(encoding: types.PositionEncodingKind, tmp_path: Path) -> None:
    """The client says what a column counts."""
    file = tmp_path / "web.config"
    text = web_config('<directoryBrowse enabled="é😀" />')
    units = {"utf-8": 6, "utf-16": 3, "utf-32": 2}

    async def work() -> None:
        async with editor(tmp_path, [encoding]) as client:
            client.open(file, text)
            (found,) = await client.codes(file, {"config-bad-value"})
            begin, end = found.range.start.character, found.range.end.character
            assert (begin, end - begin) == (text.index("é"), units[str(encoding.value)])

    run(work)


def test_what_is_not_ours(tmp_path: Path) -> None:
    """Other files, places that do not exist and a large text are answered, with nothing."""
    file, other = tmp_path / "web.config", tmp_path / "web.Release.config"
    large = web_config("<rewrite><rewriteMaps><rewriteMap name='a'>" + "<!-- -->" * 150_000)

    async def work() -> None:
        async with editor(tmp_path) as client:
            client.open(other, "<configuration><")
            assert "system.webServer" in await client.labels(other, 0, 16)
            client.open(file, "<configuration />")
            assert await client.labels(file, 99, 99) == {"configuration"}
            client.type(file, large)
            document = types.TextDocumentIdentifier(file.as_uri())
            hover = types.HoverParams(document, types.Position(0, 3))
            assert await client.text_document_hover_async(hover) is None
            (found,) = await client.codes(file, {"config-malformed-xml"})
            untitled = types.TextDocumentItem("untitled:web.config", "xml", 1, "<configuration><")
            client.text_document_did_open(types.DidOpenTextDocumentParams(untitled))
            client.type(file, web_config())
            await client.codes(file, set())

    run(work)


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, {"web.config": web_config(), "fcgiemu.toml": "strikt = true"})
    file = tmp_path / "web.config"

    async def work() -> None:
        async with editor(tmp_path) as client:
            client.open(file, web_config())
            (found,) = await client.codes(file, {"None"})
            assert "Did you mean strict?" in str(found.message)
            (tmp_path / "fcgiemu.toml").write_text("strict = true")
            client.type(file, web_config())
            await client.codes(file, set())

    run(work)


def test_the_end_of_the_editor_is_the_end_of_the_server(tmp_path: Path) -> None:
    """As when it crashes: its end of the pipe closes."""
    done = subprocess.run(
        COMMAND, input=b"", capture_output=True, timeout=LIMIT, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_messages_that_are_none(tmp_path: Path) -> None:
    """The server goes on after a body that is not JSON."""
    good = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "shutdown"}).encode()
    end = json.dumps({"jsonrpc": "2.0", "method": "exit"}).encode()
    data = b"".join(
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in (b"{no", good, end)
    )
    done = subprocess.run(
        COMMAND, input=data, capture_output=True, timeout=LIMIT, cwd=tmp_path, check=False
    )
    assert b'"id":1' in done.stdout.replace(b" ", b"")


def test_without_the_package(tmp_path: Path) -> None:
    """One sentence that names what to install."""
    hidden = "import sys; sys.modules['pygls'] = None; from fcgiemu.cli import main; main(['lsp'])"
    done = subprocess.run(
        [sys.executable, "-c", hidden],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=tmp_path,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "fcgiemu: The language server needs pygls, which is not installed."
        f" Run: {beside('fcgiemu[lsp]')}\n"
    )
