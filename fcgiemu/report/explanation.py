"""The answer of ``explain`` as JSON: a fixed contract, see docs/explain.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..config.diagnostics import Finding
from ..decision import (
    CallFastCgi,
    Decision,
    ListDirectory,
    Proxy,
    Redirect,
    Refuse,
    Respond,
    ServeFile,
)
from ..fastcgi.variables import variables
from ..http.request import make_request
from ..http.response import Response, reason_phrase
from ..http.url import UrlRefused
from ..modules import sending, static_file
from ..site import Site, refused
from ..trace import Trace
from ..worker import environ as wsgi

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


def explain(
    site: Site,
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    *,
    https: bool = False,
    remote_addr: str = "127.0.0.1",
    body_length: int | None = None,
    overrides: Mapping[str, str] | None = None,
    canned: Mapping[str, Any] | None = None,
    events: bool = True,
) -> dict[str, Any]:
    """Decide about one URL and say how; see Site.explain."""
    site.tree.refresh()
    trace = Trace() if events else None
    try:
        request = make_request(
            url,
            method,
            headers,
            https=https,
            remote_addr=remote_addr,
            body_length=body_length,
            overrides=overrides,
        )
        decision = site.decide(site.arriving(request), trace)
        decision.detailed = False
    except UrlRefused as error:
        decision = refused(error)
    response = _response(decision, canned, trace)
    answer: dict[str, Any] = {
        "request": {"method": method, "url": url},
        "outcome": _outcome(site, decision, response, canned),
        "rules": decision.rules,
        "server_variables": dict(decision.state.assigned) if decision.state else {},
        "variables": _variables(decision),
    }
    if response is not None:
        answer["response"] = {
            "status": response.status,
            "reason": response.reason,
            "headers": _header_map(response),
            "body": _text(response),
        }
    answer["findings"] = [finding.as_json() for finding in _findings(decision)]
    if trace is not None:
        answer["events"] = [event.as_json() for event in trace.events]
    return answer


def _outcome(
    site: Site, decision: Decision, response: Response | None, canned: object
) -> dict[str, Any]:
    action = decision.action
    outcome: dict[str, Any] = {
        "kind": action.kind,
        "status": None,
        "substatus": 0,
        "reason": None,
        "hresult": None,
        "message": None,
        "location": None,
        "path": decision.path,
        "query": decision.query,
        "file": None,
        "handler": decision.handler.name if decision.handler else None,
        "module": decision.module or None,
    }
    if isinstance(action, ServeFile):
        assert decision.request is not None and decision.effective is not None
        served = static_file.respond(
            action, decision.effective.view(static_file.compiled), decision.request
        )
        outcome.update(status=served.status, file=site.spelled(action.entry))
    elif isinstance(action, ListDirectory):
        outcome.update(status=200, file=site.spelled(action.entry))
    elif isinstance(action, Redirect):
        outcome.update(status=action.status, location=action.location)
    elif isinstance(action, Respond):
        outcome.update(
            status=action.status,
            substatus=action.substatus,
            message=action.message or None,
            reason=action.reason or None,
            hresult=f"0x{action.hresult:08x}" if action.hresult else None,
        )
    elif isinstance(action, Refuse):
        outcome.update(status=action.status, message=action.text)
    elif isinstance(action, Proxy):
        outcome["path"] = decision.path
    elif isinstance(action, CallFastCgi):
        outcome["environ"] = environ(site, decision)
    if response is not None and (canned is not None or not isinstance(action, Respond)):
        outcome.update(status=response.status, reason=response.reason)
    if response is not None and response.substatus:
        outcome.update(
            kind="respond",
            status=response.status,
            substatus=response.substatus,
            reason=response.reason,
            message=response.message,
            hresult=f"0x{response.hresult:08x}" if response.hresult else None,
        )
    if outcome["status"] is not None and outcome["reason"] is None:
        outcome["reason"] = reason_phrase(outcome["status"])
    return outcome


def environ(site: Site, decision: Decision) -> dict[str, str]:
    """What a WSGI application behind wfastcgi would find in its environ."""
    pairs = dict(variables(decision))
    wsgi.original_url(pairs)
    wsgi.script_name(
        pairs,
        {
            name: value
            for name, (value, _) in site.app_settings(site.application(decision.path)).items()
        },
    )
    shown = {name: pairs[name] for name in _ENVIRON if name in pairs}
    shown.update((name, value) for name, value in pairs.items() if name.startswith("HTTP_"))
    shown["wsgi.url_scheme"] = "https" if pairs["HTTPS"] == "on" else "http"
    return shown


def _response(
    decision: Decision, canned: Mapping[str, Any] | None, trace: Trace | None
) -> Response | None:
    """The response as far as it can be known: IIS's own, or the canned one of the handler sent on
    its way out.
    """
    action = decision.action
    if canned is not None and _reaches_handler(decision):
        decision.detailed = (
            True  # the handler's answer is shown as the client named by remote_addr gets it
        )
        return sending.send(decision, _canned(canned), trace)
    if isinstance(action, (Redirect, Respond, Refuse)):
        return sending.own_response(decision, detailed=False, trace=trace)
    return None


def _reaches_handler(decision: Decision) -> bool:
    """Whether a handler would run: a missing file does not matter where its answer is given."""
    action = decision.action
    if isinstance(action, Respond):
        return action.notification in (
            "MapRequestHandler",
            "ExecuteRequestHandler",
        ) and action.status in (404, 403, 405)
    return action.kind in ("static", "directory", "fastcgi", "httpPlatform", "proxy")


def _canned(canned: Mapping[str, Any]) -> Response:
    status = int(canned.get("status", 200))
    headers = canned.get("headers") or {}
    pairs = (
        list(headers.items())
        if isinstance(headers, Mapping)
        else [(str(name), str(value)) for name, value in headers]
    )
    flat = [
        (name, str(part))
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
    state = decision.state
    if state is None:
        return {}
    found = {name: state.variable(name.upper()) for name in _VARIABLES}
    if isinstance(decision.action, CallFastCgi):
        found["SCRIPT_NAME"] = decision.action.script_name
    return {name: value for name, value in found.items() if value or name == "QUERY_STRING"}


def _findings(decision: Decision) -> list[Finding]:
    found: list[Finding] = []
    if decision.effective is not None:
        found += [
            finding
            for finding in decision.effective.findings()
            if finding.span is None or finding.span.file != "applicationHost.config"
        ]
    found += decision.findings
    action = decision.action
    if isinstance(action, Respond) and action.finding is not None:
        found.insert(0, action.finding)
    return list(dict.fromkeys(found))


def _header_map(response: Response) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    for name, value in response.headers:
        if name in headers:
            headers[name] = f"{headers[name]}, {value}"
        else:
            headers[name] = value
    return headers


def _text(response: Response) -> str:
    return response.body.decode(response.charset(), "replace")
