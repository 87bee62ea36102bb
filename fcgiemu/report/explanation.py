"""How the answer of ``explain`` is made as JSON: a fixed contract, see docs/explain.md and
``schemas/json/explain.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict, assert_never

from ..catalogue.findings import Finding, FindingJson
from ..decision import (
    Abort,
    CallAspNetCore,
    CallFastCgi,
    CallHttpPlatform,
    CallIisnode,
    Decision,
    ListDirectory,
    Outcome,
    Proxy,
    Redirect,
    Refused,
    Respond,
    ServeFile,
)
from ..fastcgi.wfastcgi import is_wfastcgi
from ..freb import translate
from ..freb.translated_event import as_json
from ..hosting import Hosting
from ..http.response import Response, reason_phrase
from ..modules import (
    custom_error,
    iisnode_request,
    responses,
    rewrite_outbound,
    sending,
    static_file,
    webdav,
)
from ..modules.acted_modules import notifications
from ..modules.fastcgi_variables import variables
from ..modules.reasons import reasons
from ..pages.story import NotificationJson
from ..rewrite.state import RewriteState
from ..trace import Trace
from ..worker import environ as wsgi
from . import traced_exchanges


class CannedResponse(TypedDict, total=False):
    """What stands in for the answer of the chosen handler."""

    status: int
    reason: str
    headers: Mapping[str, str | list[str]] | Sequence[tuple[str, str]]
    body: str | bytes


class RequestJson(TypedDict):
    """The request as it was asked about."""

    method: str
    url: str


class ErrorPageJson(TypedDict):
    """The entry of httpErrors that answers an error; ``status`` is what the client gets, None where
    only a program knows it.
    """

    mode: str
    path: str
    status: int | None


class SettingJson(TypedDict):
    """A setting that counts, and where it was set."""

    value: str | int | bool
    origin: str


class IisnodeJson(TypedDict):
    """What iisnode makes of a request: the script, the URL and the headers that Node gets, the
    variables that it sets, and its settings.
    """

    script: str
    url: str
    headers: dict[str, str]
    environment: dict[str, str]
    settings: dict[str, SettingJson]


class OutcomeJson(TypedDict):
    """What comes of a request; see docs/explain.md."""

    kind: str
    status: int | None
    substatus: int
    reason: str | None
    hresult: str | None
    message: str | None
    location: str | None
    path: str
    query: str
    file: str | None
    handler: str | None
    module: str | None
    environ: NotRequired[dict[str, str]]
    #: The server of a web farm that the first request of a new client gets: ``address:port``.
    server: NotRequired[str]
    iisnode: NotRequired[IisnodeJson]
    error_page: NotRequired[ErrorPageJson]
    #: What to do about an error, where there is something to do.
    hints: NotRequired[list[str]]


class ResponseJson(TypedDict):
    """A response as far as it can be known."""

    status: int
    reason: str
    headers: dict[str, str]
    body: str


class AnsweredJson(TypedDict):
    """What a client got from the whole chain, once; ``status`` is 0 where the connection was reset,
    ``remark`` what the server's log says of it, ``output`` what programs printed meanwhile.
    """

    status: int
    substatus: int
    reason: str
    headers: dict[str, str]
    body: str
    remark: str
    output: str


class Explanation(TypedDict):
    """The answer of ``explain``: public API, which only gains keys."""

    #: As given in a batch line; any JSON value.
    id: NotRequired[object]
    request: RequestJson
    outcome: OutcomeJson
    rules: list[str]
    server_variables: dict[str, str]
    variables: dict[str, str]
    response: NotRequired[ResponseJson]
    #: With ``--run`` only.
    answered: NotRequired[AnsweredJson]
    findings: list[FindingJson]
    #: Why, in sentences, the decisive one first; the notifications with the modules that acted,
    #: empty where http.sys answers. Both are absent without events.
    why: NotRequired[list[str]]
    pipeline: NotRequired[list[NotificationJson]]
    events: NotRequired[list[dict[str, Any]]]
    #: The same in the form of IIS's failed-request tracing; absent without events, empty where
    #: http.sys answers.
    trace: NotRequired[list[dict[str, object]]]


#: What a WSGI application sees of the request, beside whatever else IIS sent.
_ENVIRON = (
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SERVER_NAME",
    "SERVER_PORT",
    "HTTPS",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REMOTE_ADDR",
    "AUTH_TYPE",
    "AUTH_USER",
    "AUTH_PASSWORD",
    "LOGON_USER",
    "REMOTE_USER",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "URL",
    "SCRIPT_FILENAME",
    "PATH_TRANSLATED",
    "APPL_PHYSICAL_PATH",
    "APPL_MD_PATH",
    "DOCUMENT_ROOT",
    "UNENCODED_URL",
    "IIS_WasUrlRewritten",
    "IIS_UrlRewriteModule",
)
#: Variables whose values before and after a rewrite people look for.
_VARIABLES = (
    "URL",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "HTTP_URL",
    "REQUEST_URI",
    "UNENCODED_URL",
    "CACHE_URL",
    "HTTP_X_ORIGINAL_URL",
    "IIS_WasUrlRewritten",
)


def explanation(
    hosting: Hosting,
    outcome: Outcome,
    method: str,
    url: str,
    *,
    canned: CannedResponse | None = None,
    trace: Trace | None = None,
) -> Explanation:
    """What was decided about ``url``, and how, in the shape of ``fcgiemu explain --json``."""
    response = _response(outcome, canned, trace)
    decision = outcome if isinstance(outcome, Decision) else None
    found: Explanation = {
        "request": {"method": method, "url": url},
        "outcome": _outcome(hosting, outcome, response, canned),
        "rules": list(decision.rules) if decision else [],
        "server_variables": dict(decision.rewrite.assigned) if decision else {},
        "variables": _variables(decision) if decision else {},
        "findings": [finding.as_json() for finding in _findings(decision)] if decision else [],
    }
    if response is not None:
        found["response"] = {
            "status": response.status,
            "reason": response.reason,
            "headers": header_map(response),
            "body": response.body.decode(response.charset(), "replace"),
        }
    if trace is not None:
        found["events"] = [event.as_json() for event in trace.events]
        found["why"] = (
            reasons(decision, found["events"])
            if decision is not None
            else [f"http.sys refuses it: {found['outcome']['message']}"]
        )
        found["pipeline"] = notifications(decision) if decision is not None else []
        found["trace"] = _in_iis_form(hosting, decision, response, trace) if decision else []
    return found


def _in_iis_form(
    hosting: Hosting, decision: Decision, response: Response | None, trace: Trace
) -> list[dict[str, object]]:
    answer = traced_exchanges.answered(hosting, decision, response)
    told = traced_exchanges.exchange(hosting, decision, trace.events, answer)
    return as_json(translate.translate(told))


def _outcome(
    hosting: Hosting, outcome: Outcome, response: Response | None, canned: object
) -> OutcomeJson:
    decided = outcome if isinstance(outcome, Decision) else None
    found: OutcomeJson = {
        "kind": outcome.kind if isinstance(outcome, Refused) else outcome.action.kind,
        "status": None,
        "substatus": 0,
        "reason": None,
        "hresult": None,
        "message": None,
        "location": None,
        "path": decided.path if decided else "",
        "query": decided.query if decided else "",
        "file": None,
        "handler": decided.handler.name if decided and decided.handler else None,
        "module": decided.module if decided else "http.sys",
    }
    if isinstance(outcome, Refused):
        found["status"], found["message"] = outcome.status, outcome.text
    else:
        _add_action(found, hosting, outcome)
        if response is not None and canned is not None and _reaches_handler(outcome):
            found["substatus"], found["message"], found["hresult"] = 0, None, None
            found.pop("hints", None)
            found["status"], found["reason"] = response.status, response.reason
        elif response is not None and not isinstance(outcome.action, Respond):
            found["status"], found["reason"] = response.status, response.reason
        _add_error_page(found, outcome, response, canned is not None)
        if response is not None and response.substatus:
            found["kind"] = "respond"
            found["status"], found["substatus"] = response.status, response.substatus
            found["reason"], found["message"] = response.reason, response.message
            found["hresult"] = _hresult(response.hresult)
            if response.substatus in rewrite_outbound.SUBSTATUSES:
                found["module"] = "RewriteModule"
    if found["status"] is not None and found["reason"] is None:
        found["reason"] = reason_phrase(found["status"])
    return found


def _add_action(found: OutcomeJson, hosting: Hosting, decision: Decision) -> None:
    """What an action says of the outcome."""
    action = decision.action
    match action:
        case ServeFile():
            content = decision.effective.view(static_file.static_content)
            found["status"] = static_file.respond(action, content, decision.request).status
            found["file"] = hosting.spelled(action.entry)
        case ListDirectory():
            found["status"], found["file"] = 200, hosting.spelled(action.entry)
        case Redirect():
            found["status"], found["location"] = action.status, action.location
        case Respond():
            found["status"], found["substatus"] = action.status, action.substatus
            found["message"], found["reason"] = action.message or None, action.reason or None
            found["hresult"] = _hresult(action.hresult)
            if action.hints:
                found["hints"] = list(action.hints)
        case Proxy():
            if action.server:
                found["server"] = action.server
        case CallFastCgi():
            found["environ"] = environ(hosting, decision, action)
        case CallIisnode():
            found["iisnode"] = _iisnode(hosting, decision, action)
        case CallHttpPlatform() | CallAspNetCore() | Abort():
            pass
        case _:
            assert_never(action)


def _add_error_page(
    found: OutcomeJson, decision: Decision, response: Response | None, canned: bool
) -> None:
    """Say where an error page runs a URL or redirects: the client gets another status then."""
    status = found["status"]
    if status is None or status < 400:
        return
    local = canned and decision.request.is_local
    entry = custom_error.replacement(decision, status, found["substatus"], canned, local)
    if entry is not None and entry.mode != "File":
        got = response.status if response is not None else None
        found["error_page"] = {"mode": entry.mode, "path": entry.path, "status": got}


def _hresult(number: int) -> str | None:
    return f"0x{number:08x}" if number else None


def environ(hosting: Hosting, decision: Decision, action: CallFastCgi) -> dict[str, str]:
    """What a WSGI application behind wfastcgi would find in its environ; the variables that another
    program gets.
    """
    texts = dict(variables(decision, action))
    if not is_wfastcgi(action.handler.script_processor):
        return {name: value for name, value in texts.items() if _is_shown(name)}
    pairs: dict[str, str | bytes] = {**texts}
    wsgi.original_url(pairs)
    settings = hosting.app_settings(hosting.application(decision.path))
    wsgi.script_name(pairs, {name: value for name, (value, _) in settings.items()})
    texts = {name: value for name, value in pairs.items() if isinstance(value, str)}
    shown = {name: texts[name] for name in _ENVIRON if name in texts}
    shown.update((name, value) for name, value in texts.items() if name.startswith("HTTP_"))
    shown["wsgi.url_scheme"] = "https" if texts["HTTPS"] == "on" else "http"
    return shown


def _iisnode(hosting: Hosting, decision: Decision, action: CallIisnode) -> IisnodeJson:
    application = hosting.application(decision.path)
    return {
        "script": action.script.lstrip("/"),
        "url": action.target,
        "headers": dict(iisnode_request.added_headers(decision, action)),
        "environment": iisnode_request.environment(hosting, application, action),
        "settings": {
            name: {"value": setting.value, "origin": setting.origin}
            for name, setting in action.settings
        },
    }


def _is_shown(name: str) -> bool:
    return name in _ENVIRON or name == "ORIG_PATH_INFO" or name.startswith("HTTP_")


def _response(
    outcome: Outcome, canned: CannedResponse | None, trace: Trace | None
) -> Response | None:
    """The response as far as it can be known: IIS's own as a remote client gets it, or the canned
    one of the handler, sent on its way out, as the client named by remote_addr gets it. Outbound
    rules that are not valid replace any.
    """
    if isinstance(outcome, Refused):
        return sending.refusal(outcome)
    if canned is not None and _reaches_handler(outcome):
        return responses.handled(outcome, _canned(canned), trace)
    if isinstance(outcome.action, (Redirect, Respond)):
        return responses.made_by_iis(outcome, local=False, trace=trace)
    error = rewrite_outbound.invalid(outcome.effective) if _reaches_handler(outcome) else None
    return None if error is None else sending.failed(outcome, error)


def _reaches_handler(decision: Decision) -> bool:
    """Whether a handler would run: a missing file does not matter where its answer is given."""
    action = decision.action
    if isinstance(action, Respond):
        return (
            decision.module != webdav.MODULE
            and action.notification
            in (
                "MapRequestHandler",
                "ExecuteRequestHandler",
            )
            and action.status in (404, 403, 405)
        )
    return action.kind in translate.HANDLED


def _canned(canned: CannedResponse) -> Response:
    status = int(canned.get("status", 200))
    headers = canned.get("headers") or {}
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    flat = [
        (str(name), str(part))
        for name, value in pairs
        for part in (value if isinstance(value, list) else [value])
    ]
    body = canned.get("body", "")
    response = Response(status, str(canned.get("reason") or reason_phrase(status)), flat)
    response.body = (
        body.encode(response.charset(), "replace") if isinstance(body, str) else bytes(body)
    )
    return response


def _variables(decision: Decision) -> dict[str, str]:
    """The URL variables as the handler finds them, after all rewriting."""
    state = RewriteState.of(decision.request, decision.site.files, decision.rewrite)
    found = {name: state.variable(name.upper()) for name in _VARIABLES}
    if isinstance(decision.action, CallFastCgi):
        found["SCRIPT_NAME"] = decision.action.script_name
    return {name: value for name, value in found.items() if value or name == "QUERY_STRING"}


def _findings(decision: Decision) -> list[Finding]:
    found = [
        finding
        for finding in decision.effective.findings()
        if finding.span is None or finding.span.file != "applicationHost.config"
    ]
    found += decision.findings
    action = decision.action
    if isinstance(action, Respond) and action.finding is not None:
        found.insert(0, action.finding)
    return list(dict.fromkeys(map(decision.site.tree.as_written, found)))


def header_map(response: Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        if name in headers:
            headers[name] = f"{headers[name]}, {value}"
        else:
            headers[name] = value
    return headers
