"""A decision and its response as values for the translation into IIS's trace events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from ..decision import Decision, Handler, Redirect, Respond, ServeFile
from ..files import FileEntry
from ..freb.traced_exchange import Answered, FileFacts, Mapping, TracedExchange
from ..hosting import Hosting
from ..http.response import Response, reason_phrase
from ..modules import (
    authentication,
    custom_error,
    default_document,
    handlers,
    loaded_modules,
    protocol_support,
    sending,
    static_file,
)
from ..trace import Event, Trace

#: Modules that genuine traces of the full IIS show, though the server's own configuration here does
#: not load them: their work is asked for (--module).
_LOADED_ELSEWHERE = frozenset({"HttpCacheModule"})
_STAGES = {
    "HttpRedirectionModule": "MapRequestHandler",
    "StaticFileModule": "ExecuteRequestHandler",
    "RewriteModule": "BeginRequest",
}


def exchange(
    hosting: Hosting, decision: Decision, events: Iterable[Event], answered: Answered | None
) -> TracedExchange:
    """The values of one request. ``answered`` is None where only an application knows."""
    request, action = decision.request, decision.action
    path, query = request.target.path, request.target.query
    kept = tuple(events)
    absent = decision.effective.view(loaded_modules.modules_not_loaded) - _LOADED_ELSEWHERE
    if not hosting.settings.arr:
        absent |= {"ApplicationRequestRouting"}
    rewritten = (decision.path, decision.query) != (path, query)
    document = decision.rewrite.path if decision.rewrite.path != decision.path else ""
    return TracedExchange(
        scheme=request.scheme,
        host=request.host,
        port=request.port,
        verb=request.method,
        target=request.target.raw,
        protocol=request.protocol,
        path=path,
        query=query,
        headers=request.headers,
        remote=(request.remote_addr, request.remote_port),
        local=(request.local_addr, request.port),
        events=kept,
        server=hosting.profile.traced_as or hosting.profile.name,
        kind=action.kind,
        module=decision.module,
        notification=_notification(decision, kept),
        decided=_decided(decision),
        hresult=action.hresult if isinstance(action, Respond) else 0,
        absent=absent,
        user=decision.user.name,
        auth_type=decision.user.scheme,
        has_user=bool(decision.user.name)
        or decision.effective.view(authentication.methods).anonymous,
        mapped=_mapped(hosting, path, request.method),
        final=_mapped(hosting, decision.path, request.method) if rewritten else None,
        of_document=_mapping(decision.handler) if document and decision.handler else None,
        final_path=decision.path,
        rewritten=rewritten,
        document=document,
        documents=_documents(hosting, decision) if document else (),
        physical=hosting.files.physical_path,
        facts=partial(_facts, hosting),
        custom_headers=decision.effective.view(protocol_support.custom_headers),
        error_file=_error_file(decision, answered),
        detailed=answered is not None and b"Detailed Error" in answered.body[:4096],
        answered=answered,
    )


def _decided(decision: Decision) -> tuple[int, int, str] | None:
    """What the deciding module set, where IIS answers itself."""
    action = decision.action
    if isinstance(action, Respond):
        reason = action.reason or reason_phrase(action.status)
        return action.status, action.substatus, reason
    if isinstance(action, Redirect):
        return action.status, 0, reason_phrase(action.status)
    return None


def _notification(decision: Decision, events: tuple[Event, ...]) -> str:
    """When the outcome was made."""
    action = decision.action
    if decision.module == "RewriteModule":
        scopes = [event.values["Scope"] for event in events if event.name == "URL_REWRITE_START"]
        return "PreBeginRequest" if scopes[-1:] == ["Global"] else "BeginRequest"
    if isinstance(action, Respond):
        return action.notification
    return _STAGES.get(decision.module, "BeginRequest")


def _mapped(hosting: Hosting, path: str, method: str) -> Mapping | None:
    """The handler of a URL, whether its file exists or not; as measured, that plays no part."""
    if not path.startswith("/"):
        return None
    chosen = hosting.effective(path).view(handlers.table).choose(path, method, None)
    return None if chosen is None else _mapping(chosen[0])


def _mapping(handler: Handler) -> Mapping:
    return Mapping(
        handler.name,
        handler.modules,
        handler.script_processor,
        handler.resource_type != "Unspecified",
        handler.origin.rpartition(":")[0] if handler.origin.count(":") > 1 else handler.origin,
    )


def _documents(hosting: Hosting, decision: Decision) -> tuple[str, ...]:
    names = hosting.effective(decision.path).view(default_document.documents)
    return tuple(name.replace("\\", "/") for name in names)


def _facts(hosting: Hosting, url_path: str) -> FileFacts | None:
    """The file that a URL path names."""
    entry = hosting.files.find(url_path)
    return None if entry is None else file_facts(hosting, entry)


def file_facts(hosting: Hosting, entry: FileEntry) -> FileFacts:
    """What a trace says of a file."""
    moment = datetime.fromtimestamp(entry.mtime_ns // 1_000_000_000, UTC)
    spelled = hosting.files.physical_path("/" + hosting.spelled(entry))
    return FileFacts(spelled, entry.is_directory, entry.size, format_datetime(moment, usegmt=True))


def _error_file(decision: Decision, answered: Answered | None) -> str | None:
    """URL path of the error file that was sent; empty for the built-in text, None for a page that
    is not CustomErrorModule's.
    """
    if answered is None or answered.status < 400 or decision.action.kind != "respond":
        return None
    entry = decision.effective.view(custom_error.error_pages).entry(
        answered.status, answered.substatus
    )
    if entry is None or entry.mode != "File" or entry.shipped or entry.prefix:
        return ""
    path = f"{entry.folder}/{entry.path}".replace("\\", "/")
    body = decision.site.files.read(path)
    return path if body is not None and body == answered.body else ""


def answered(
    hosting: Hosting, decision: Decision, response: Response | None, trace: Trace | None = None
) -> Answered | None:
    """The response to a decision as far as it can be known: ``response`` where IIS makes it itself
    or the handler's has been given, the file that is served; None where only an application knows.
    """
    action = decision.action
    if response is None and isinstance(action, ServeFile):
        return _static(hosting, decision, action)
    if response is None and isinstance(action, Respond) and _runs_a_url(decision, action):
        return None
    if response is None and isinstance(action, Redirect | Respond):
        response = sending.own_response(decision, local=False, trace=trace)
    if response is None:
        return None
    substatus = action.substatus if isinstance(action, Respond) else 0
    return Answered(
        status=response.status,
        substatus=response.substatus or (substatus if response.status >= 400 else 0),
        reason=response.reason,
        headers=tuple(response.headers),
        body=response.body,
        size=len(response.body),
    )


def _runs_a_url(decision: Decision, action: Respond) -> bool:
    """Whether the error page is a child request (ExecuteURL), whose answer is its own."""
    found = custom_error.execute_url(
        decision, action.status, action.substatus, has_entity=False, local=False
    )
    return found is not None


def _static(hosting: Hosting, decision: Decision, action: ServeFile) -> Answered:
    content = decision.effective.view(static_file.static_content)
    found = static_file.respond(action, content, decision.request)
    headers = sending.decorate(found.headers, decision.effective)
    return Answered(
        status=found.status,
        substatus=0,
        reason=reason_phrase(found.status),
        headers=tuple(headers),
        size=sum(end - start for start, end in found.ranges) + len(found.footer),
        file=file_facts(hosting, action.entry),
    )
