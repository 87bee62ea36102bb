"""SEND_RESPONSE: what happens to every response on its way out, whoever made it.

Order as in IIS's traces: headers of the handler, Server and custom headers, outbound rules, error
pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..config.tree import Effective
from ..decision import Decision, Redirect, Refused, Respond, configuration_error
from ..http.response import (
    SERVER,
    Header,
    Response,
    http_sys_body,
    reason_phrase,
    redirect_body,
)
from ..trace import Trace
from . import custom_error, outbound, protocol_support, request_filtering

#: Headers that applications cannot set through FastCGI output: the server writes its own.
_SERVER_OWNED = frozenset(
    {"server", "date", "connection", "keep-alive", "transfer-encoding", "upgrade"}
)
_JOINED = frozenset({"cache-control", "content-type"})


def added_headers(effective: Effective) -> tuple[Header, ...]:
    """Server and the configured headers. A view: see Effective.view."""
    server = (
        ()
        if effective.view(request_filtering.compiled).remove_server_header
        else (("Server", SERVER),)
    )
    return server + effective.view(protocol_support.custom_headers)


def decorate(headers: Iterable[Header], effective: Effective) -> list[Header]:
    """The handler's headers with the server's: same names are both sent, but Cache-Control and
    Content-Type are joined.
    """
    result = [pair for pair in headers if pair[0].lower() not in _SERVER_OWNED]
    for name, value in effective.view(added_headers):
        if name.lower() in _JOINED:
            for index, (key, present) in enumerate(result):
                if key.lower() == name.lower():
                    result[index] = (key, f"{present},{value}")
                    break
            else:
                result.append((name, value))
        else:
            result.append((name, value))
    return result


def send(decision: Decision, response: Response, trace: Trace | None = None) -> Response:
    """A complete response of a handler on its way out: the server's headers, outbound rules, and
    error pages.
    """
    local = decision.request.is_local
    status = response.status
    if status >= 400 and (not response.body or custom_error.replaces(decision, status, local)):
        return _replaced(decision, response, local, trace)
    response.headers = decorate(response.headers, decision.effective)
    return _outbound(decision, response, trace)


def _replaced(decision: Decision, response: Response, local: bool, trace: Trace | None) -> Response:
    """A handler's error with the server's page for a body; its other headers stay."""
    errors = custom_error.SECTION
    if decision.effective.view(
        custom_error.compiled
    ).existing == "PassThrough" and not decision.effective.errors(errors):
        response.headers = decorate(response.headers, decision.effective)
        return _outbound(decision, response, trace)
    own = ("content-type", "content-length", "content-encoding", "connection")
    kept = tuple(pair for pair in response.headers if pair[0].lower() not in own)
    action = Respond(
        response.status,
        0,
        reason=response.reason,
        headers=kept,
        notification="ExecuteRequestHandler",
    )
    return own_response(replace(decision, action=action), local, trace)


def _outbound(decision: Decision, response: Response, trace: Trace | None) -> Response:
    sender = outbound.sender(decision, response.status, response.headers, trace)
    if sender is None:
        return response
    body = response.body
    headers = response.headers
    if sender.error() is None:
        headers = sender.headers()
        body = sender.body(body) if sender.wants_body else body
    error = sender.error()
    if error is not None:
        return failed(decision, error)
    had_length = bool(response.header("content-length"))
    response.headers = [pair for pair in headers if pair[0].lower() != "content-length"]
    if had_length or body != response.body:
        response.headers.append(("Content-Length", str(len(body))))
    response.body = body
    return response


def failed(decision: Decision, error: Respond) -> Response:
    """The response that takes the place of one whose outbound rules failed."""
    response = own_response(
        replace(decision, action=error, module="RewriteModule"),
        decision.request.is_local,
        outbound_rules=False,
    )
    response.substatus, response.message = error.substatus, error.message
    return response


def refusal(refused: Refused) -> Response:
    """The answer of http.sys."""
    body = http_sys_body(refused.heading, refused.status, refused.text)
    return Response(
        refused.status,
        reason_phrase(refused.status),
        [
            ("Content-Type", "text/html; charset=us-ascii"),
            ("Server", "Microsoft-HTTPAPI/2.0"),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
        ],
        body,
    )


def own_response(
    decision: Decision, detailed: bool, trace: Trace | None = None, outbound_rules: bool = True
) -> Response:
    """The whole response where IIS itself makes it: redirects, custom responses, errors."""
    action = decision.action
    if isinstance(action, Redirect):
        body = redirect_body(action.location)
        headers = [("Content-Type", "text/html; charset=UTF-8"), ("Location", action.location)]
        if decision.module == "HttpRedirectionModule":
            headers += decision.effective.view(protocol_support.redirect_headers)
        response = Response(action.status, reason_phrase(action.status), headers, body)
    else:
        assert isinstance(action, Respond)
        response = _error(decision, action, detailed)
    closing = [pair for pair in response.headers if pair[0].lower() == "connection"]
    response.headers = decorate(response.headers, decision.effective) + closing
    response.headers.append(("Content-Length", str(len(response.body))))
    if outbound_rules:
        response = _outbound(decision, response, trace)
    if decision.request.method == "HEAD":
        response.body = b""
    return response


def _error(decision: Decision, action: Respond, detailed: bool) -> Response:
    reason = action.reason or reason_phrase(action.status)
    if action.status < 400:
        return Response(action.status, reason, list(action.headers))
    broken = decision.effective.errors(custom_error.SECTION)
    if broken and action.substatus != 19:  # measured: bad httpErrors fails error responses only
        action = configuration_error(broken[0], "SendResponse")
        response = custom_error.page(decision, action, reason_phrase(500), detailed)
        response.substatus, response.message, response.hresult = 19, action.message, action.hresult
        return response
    return custom_error.page(decision, action, reason, detailed)
