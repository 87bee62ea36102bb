"""The language server: the other files of this folder behind the protocol, over stdin and stdout.

One check of a site runs at a time, in a thread; while it runs, and while somebody types, the newest
texts wait for their turn. Whatever a message asks for is answered from the text as it is then, so
that nothing waits for a check. Documents come whole (full synchronisation): the lines of the
protocol are those of XML, and there is no state that could get out of step.

Texts over MAX_TEXT characters are checked, and nothing else is offered for them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer

from ..catalogue.findings import Finding
from ..report.findings import address
from ..version import __version__
from . import completing, examining, fixing, hovering
from .examining import Examined
from .outline import Outline
from .positions import Positions

MAX_TEXT = 1 << 20
#: Seconds without a change before a check begins, and how often it may be put off.
PAUSE, PATIENCE = 0.15, 10
_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
}
_KINDS = {
    "element": types.CompletionItemKind.Class,
    "attribute": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "variable": types.CompletionItemKind.Variable,
    "map": types.CompletionItemKind.Module,
}
_SOURCE = "fcgiemu"
#: Files on disk that change what is found.
_WATCHED = ("*.config", "fcgiemu.toml", "pyproject.toml")


class EditorServer(LanguageServer):
    """What the server knows: the state of each site, and outlines by document and version."""

    def __init__(self) -> None:
        super().__init__(
            _SOURCE,
            __version__,
            text_document_sync_kind=types.TextDocumentSyncKind.Full,
            max_workers=4,
        )
        self.sites: dict[Path, _Watch] = {}
        #: One check at a time, whatever the number of sites.
        self.checking = ThreadPoolExecutor(1)
        self._outlines: dict[str, Outline] = {}

    def positions(self, uri: str) -> Positions | None:
        """The outline of a document and its positions; None where it is too long."""
        text = self.workspace.get_text_document(uri).source
        known = self._outlines.get(uri)
        if known is None or known.text != text:
            self._outlines.pop(uri, None)
            if len(text) > MAX_TEXT:
                return None
            known = self._outlines[uri] = Outline(text)
        return Positions(known, self.encoding)

    @property
    def encoding(self) -> str:
        """What the columns of positions count."""
        return types.PositionEncodingKind(self.workspace.position_encoding or "utf-16").value

    def forget(self, uri: str) -> None:
        """A document has been closed."""
        self._outlines.pop(uri, None)

    def texts(self, site: Path) -> dict[Path, str]:
        """The open web.config files below a site."""
        found = {}
        for uri, document in self.workspace.text_documents.items():
            path = _path(uri)
            if path is not None and is_checked(path) and path.is_relative_to(site):
                found[path] = document.source
        return found

    def watch(self, uri: str) -> None:
        """Check the site of a document soon."""
        path = _path(uri)
        if path is None or not is_checked(path):
            return
        site = examining.site_of(path, self.folders())
        if site not in self.sites:
            self.sites[site] = _Watch(self, site)
        self.sites[site].changed.set()

    def elsewhere(self, uri: str) -> completing.Elsewhere:
        """What other files of the site of a document have, as it was when it was checked last."""
        path = _path(uri)
        for site, watch in list(self.sites.items()):
            if path is not None and path.is_relative_to(site):
                return watch.last.elsewhere
        return completing.Elsewhere()

    def folders(self) -> list[Path]:
        """The folders that are open in the editor."""
        opened = [folder.uri for folder in self.workspace.folders.values()]
        opened += [self.workspace.root_uri] if self.workspace.root_uri else []
        return [path for path in map(_path, opened) if path is not None]


class _Watch:
    """Checks one site again and again, as its texts change."""

    def __init__(self, server: EditorServer, site: Path) -> None:
        self.server = server
        self.site = site
        self.changed = asyncio.Event()
        self.last = Examined()
        self.published: set[Path] = set()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await self.changed.wait()
            for _ in range(PATIENCE):
                self.changed.clear()
                await asyncio.sleep(PAUSE)
                if not self.changed.is_set():
                    break
            self.changed.clear()
            texts = self.server.texts(self.site)
            work = partial(_examined, self.site, texts, self.server.encoding)
            loop = asyncio.get_running_loop()
            found, problems = await loop.run_in_executor(self.server.checking, work)
            if not found.trouble:
                self.last = found
            self._publish(texts, problems)

    def _publish(
        self, texts: dict[Path, str], problems: dict[Path, list[types.Diagnostic]]
    ) -> None:
        """Tell the editor what is wrong in each file, and that nothing is any more."""
        for path in {*problems, *self.published, *texts}:
            self.server.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(_uri(path), problems.get(path, []))
            )
        self.published = set(problems)


def _examined(
    site: Path, texts: dict[Path, str], encoding: str
) -> tuple[Examined, dict[Path, list[types.Diagnostic]]]:
    """What is found, and as diagnostics. An error of ours is one as well: the server goes on."""
    try:
        found = examining.examine(site, texts)
        problems = {
            path: list(_diagnostics(_text(path, texts), findings, encoding))
            for path, findings in found.findings.items()
        }
    except Exception as error:
        found, problems = Examined(trouble=f"check has failed: {error!r}"), {}
    if found.trouble:
        start = types.Range(types.Position(0, 0), types.Position(0, 0))
        told = types.Diagnostic(start, found.trouble, types.DiagnosticSeverity.Error)
        told.source = _SOURCE
        problems = {path: [told] for path in texts}
    return found, problems


def _text(path: Path, texts: dict[Path, str]) -> str:
    if path in texts:
        return texts[path]
    try:
        return path.read_bytes()[: MAX_TEXT + 1].decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _diagnostics(
    text: str, findings: Iterable[Finding], encoding: str
) -> Iterable[types.Diagnostic]:
    positions = Positions(Outline(text), encoding) if len(text) <= MAX_TEXT else None
    for finding in findings:
        if positions is not None:
            where = positions.range(*examining.range_of(positions.outline, finding))
        else:
            line = finding.span.line - 1 if finding.span is not None else 0
            where = types.Range(types.Position(line, 0), types.Position(line + 1, 0))
        yield types.Diagnostic(
            where,
            f"{finding.message}\n{finding.hint}".strip(),
            _SEVERITIES[finding.severity],
            finding.code,
            types.CodeDescription(address(finding.code)),
            source=_SOURCE,
            data={"fix": finding.fix},
        )


# -- files -----------------------------------------------------------------------------------------


def _path(uri: str) -> Path | None:
    """The path of a document; None where it is not a file."""
    found = uris.to_fs_path(uri) if uri.startswith("file:") else None
    return Path(os.path.abspath(found)) if found else None


def _uri(path: Path) -> str:
    return uris.from_fs_path(str(path)) or path.as_uri()


def is_checked(path: Path) -> bool:
    """Whether a file is one that ``check`` reads."""
    return path.name.lower() == "web.config"


# -- the messages ----------------------------------------------------------------------------------


def make() -> EditorServer:
    """The server with everything that it answers."""
    server = EditorServer()
    feature: Callable[..., Callable[[Callable[..., object]], object]] = server.feature
    for name in (
        types.TEXT_DOCUMENT_DID_OPEN,
        types.TEXT_DOCUMENT_DID_CHANGE,
        types.TEXT_DOCUMENT_DID_SAVE,
    ):
        feature(name)(_changed)
    feature(types.TEXT_DOCUMENT_DID_CLOSE)(_closed)
    feature(types.INITIALIZED)(_initialized)
    feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)(_changed_on_disk)
    triggers = types.CompletionOptions(trigger_characters=["<", '"', "{", " ", "/", ","])
    for name, answer, options in (
        (types.TEXT_DOCUMENT_COMPLETION, _completion, (triggers,)),
        (types.TEXT_DOCUMENT_HOVER, _hover, ()),
        (
            types.TEXT_DOCUMENT_CODE_ACTION,
            _actions,
            (types.CodeActionOptions([types.CodeActionKind.QuickFix]),),
        ),
    ):
        feature(name, *options)(server.thread()(answer))
    return server


async def _changed(
    server: EditorServer,
    params: (
        types.DidOpenTextDocumentParams
        | types.DidChangeTextDocumentParams
        | types.DidSaveTextDocumentParams
    ),
) -> None:
    server.watch(params.text_document.uri)


async def _closed(server: EditorServer, params: types.DidCloseTextDocumentParams) -> None:
    """The file counts again as it is on disk."""
    server.forget(params.text_document.uri)
    server.watch(params.text_document.uri)


async def _initialized(server: EditorServer, _params: types.InitializedParams) -> None:
    """Ask to be told of files that change on disk, where the editor can tell."""
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    if watching is None or not watching.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions(
        [types.FileSystemWatcher(f"**/{name}") for name in _WATCHED]
    )
    name = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    await server.client_register_capability_async(
        types.RegistrationParams([types.Registration("files", name, options)])
    )


async def _changed_on_disk(
    server: EditorServer, _params: types.DidChangeWatchedFilesParams
) -> None:
    """Check every site again: a file may be inherited, or named, by any of them."""
    for watch in server.sites.values():
        watch.changed.set()


def _completion(
    server: EditorServer, params: types.CompletionParams
) -> types.CompletionList | None:
    uri = params.text_document.uri
    positions = server.positions(uri)
    if positions is None:
        return None
    found = completing.proposals(
        positions.outline, positions.offset(params.position), server.elsewhere(uri)
    )
    in_snippets = _takes_snippets(server.client_capabilities)
    items = [
        _item(positions, proposal, in_snippets, number) for number, proposal in enumerate(found)
    ]
    return types.CompletionList(False, items)


def _takes_snippets(client: types.ClientCapabilities) -> bool:
    completion = client.text_document and client.text_document.completion
    return bool(
        completion and completion.completion_item and completion.completion_item.snippet_support
    )


def _item(
    positions: Positions, proposal: completing.Proposal, in_snippets: bool, number: int
) -> types.CompletionItem:
    text = proposal.snippet if in_snippets else completing.plain(proposal.snippet)
    words = proposal.documentation
    formats = types.InsertTextFormat
    return types.CompletionItem(
        label=proposal.label,
        kind=_KINDS[proposal.kind],
        detail=proposal.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, words) if words else None,
        sort_text=f"{number:04}",
        insert_text_format=formats.Snippet if in_snippets else formats.PlainText,
        text_edit=types.TextEdit(positions.range(proposal.begin, proposal.end), text),
    )


def _hover(server: EditorServer, params: types.HoverParams) -> types.Hover | None:
    positions = server.positions(params.text_document.uri)
    if positions is None:
        return None
    found = hovering.hover(positions.outline, positions.offset(params.position))
    if found is None:
        return None
    text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
    return types.Hover(text, positions.range(found.begin, found.end))


def _actions(server: EditorServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    uri = params.text_document.uri
    positions = server.positions(uri)
    found: list[types.CodeAction] = []
    for diagnostic in params.context.diagnostics if positions is not None else ():
        if positions is not None and diagnostic.source == _SOURCE:
            found += _fixes(positions, uri, diagnostic)
    return found


def _fixes(
    positions: Positions, uri: str, diagnostic: types.Diagnostic
) -> Iterable[types.CodeAction]:
    begin = positions.offset(diagnostic.range.start)
    code, message = str(diagnostic.code), str(diagnostic.message)
    told = diagnostic.data if isinstance(diagnostic.data, dict) else {}
    for fix in fixing.fixes(positions.outline, begin, code, message, str(told.get("fix", ""))):
        edits = [types.TextEdit(positions.range(*edit[:2]), edit[2]) for edit in fix.edits]
        yield types.CodeAction(
            fix.title,
            types.CodeActionKind.QuickFix,
            [diagnostic],
            is_preferred=fix.is_sure,
            edit=types.WorkspaceEdit({uri: edits}),
        )


def run() -> None:
    """Serve until the editor says exit or goes away.

    Nothing but the protocol goes to stdout. The process ends at once then: a check that still runs
    holds nothing that has to be kept.
    """
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    make().start_io(stdin, stdout)
    sys.stderr.flush()
    os._exit(0)
