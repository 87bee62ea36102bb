"""SEND_RESPONSE: what happens to every response on its way out, whatever made it.

The order is that of genuine traces: ProtocolSupportModule (Server and the configured headers),
DynamicCompressionModule, RewriteModule (outbound rules), CustomErrorModule. So outbound rules see
what the handler sent: of an error that IIS makes itself an empty body without Content-Type. The
error page comes after them; it sets the body and Content-Type, all other headers stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..config.tree import Effective
from ..decision import CallWebServer, Decision, Redirect, Refused, Respond, configuration_error
from ..http.response import (
    SERVER,
    Header,
    Response,
    http_sys_body,
    ordered,
    reason_phrase,
    redirect_body,
    set_header,
)
from ..trace import Trace
from . import (
    application_request_routing,
    authentication,
    custom_error,
    protocol_support,
    request_filtering,
    rewrite_outbound,
)

#: Headers that applications cannot set through FastCGI output: the server writes its own.
_SERVER_OWNED = frozenset(
    {"server", "date", "connection", "keep-alive", "transfer-encoding", "upgrade"}
)
_JOINED = frozenset({"cache-control", "content-type"})
#: Headers of a response that say nothing of the error page that takes its body's place.
_REPLACED = frozenset({"content-type", "content-length", "content-encoding"})
_HANDLER = "ExecuteRequestHandler"


def added_headers(effective: Effective) -> tuple[Header, ...]:
    """Server and the configured headers. A view: see Effective.view."""
    server = (
        ()
        if effective.view(request_filtering.request_filter).remove_server_header
        else (("Server", SERVER),)
    )
    return server + effective.view(protocol_support.custom_headers)


def decorate(
    headers: Iterable[Header], effective: Effective, *, names_server: bool = False
) -> list[Header]:
    """The handler's headers with the server's: same names are both sent, but Cache-Control and
    Content-Type are joined. With ``names_server`` the handler's Server, or none, is sent in place
    of the server's own.
    """
    dropped = _SERVER_OWNED - {"server"} if names_server else _SERVER_OWNED
    result = [pair for pair in headers if pair[0].lower() not in dropped]
    for name, value in effective.view(added_headers):
        if names_server and (name, value) == ("Server", SERVER):
            continue
        if name.lower() in _JOINED:
            for index, (key, present) in enumerate(result):
                if key.lower() == name.lower():
                    result[index] = (key, f"{present},{value}")
                    break
            else:
                result.append((name, value))
        else:
            result.append((name, value))
    return ordered(result)


def names_server(decision: Decision) -> bool:
    """Whether what answers has the say over Server: a process of httpPlatform (measured; without
    one there is none at all) or of aspNetCore, or another server where <proxy> says so.
    """
    if isinstance(decision.action, CallWebServer):
        return True
    return application_request_routing.passes_server(decision)


def handler_headers(decision: Decision, status: int, headers: Iterable[Header]) -> list[Header]:
    """A handler's headers with the server's and, for a 401 of whomever, the challenges of what is
    enabled (measured for the modules; that an application's 401 gets them too is inferred).
    """
    decorated = decorate(headers, decision.effective, names_server=names_server(decision))
    if status == 401:
        decorated += authentication.challenges(decision.effective, decision.request)
    return decorated


def send(decision: Decision, response: Response, trace: Trace | None = None) -> Response:
    """A complete response of a handler on its way out: the server's headers, outbound rules, and
    error pages.
    """
    local = decision.request.is_local
    length = response.header("content-length")
    body = response.body
    failure = _decorated_and_rewritten(decision, response, trace)
    if failure is not None:
        return failed(decision, failure)
    if custom_error.answers(decision, response, local):
        error = Respond(response.status, reason=response.reason, notification=_HANDLER)
        return _with_page(decision, response, error, local)
    if response.body is not body and (length or response.body != body):
        set_header(response, "Content-Length", str(len(response.body)))
    response.headers = ordered(response.headers)
    return response


def failed(decision: Decision, error: Respond) -> Response:
    """The response that takes the place of one whose outbound rules failed."""
    response = Response(error.status, error.reason)
    response.headers = decorate(error.headers, decision.effective)
    response.substatus, response.message = error.substatus, error.message
    failing = replace(decision, action=error, module="RewriteModule")
    return _with_page(failing, response, error, decision.request.is_local)


def _decorated_and_rewritten(
    decision: Decision, response: Response, trace: Trace | None
) -> Respond | None:
    """The server's headers and the outbound rules; these come first with rewriteBeforeCache. The
    error where the rules fail.
    """
    first = rewrite_outbound.before_cache(decision.effective)
    failure = _outbound(decision, response, trace) if first else None
    response.headers = handler_headers(decision, response.status, response.headers)
    return failure if first else _outbound(decision, response, trace)


def _outbound(decision: Decision, response: Response, trace: Trace | None) -> Respond | None:
    """Apply the outbound rules; the error where they fail."""
    sender = rewrite_outbound.sender(decision, response.status, response.headers, trace)
    if sender is None:
        return None
    if (error := sender.error()) is not None:
        return error
    response.headers = sender.headers()
    if sender.wants_body:
        response.body = sender.body(response.body)
    return sender.error()


def _with_page(decision: Decision, response: Response, error: Respond, local: bool) -> Response:
    """The response with CustomErrorModule's page for a body."""
    invalid = custom_error.errors(decision.effective)
    if invalid and error.substatus != 19:  # measured: bad httpErrors fails error responses only
        error = configuration_error(invalid[0], "SendResponse")
        response.status, response.reason = 500, reason_phrase(500)
        response.substatus, response.message, response.hresult = 19, error.message, error.hresult
    page = custom_error.page(decision, error, response.reason, local)
    if page is not None:
        response.status, response.reason, response.body = page.status, page.reason, page.body
        replaced = _REPLACED | {name.lower() for name, _ in page.headers}
        kept = [pair for pair in response.headers if pair[0].lower() not in replaced]
        response.headers = [*page.headers, *kept]
    return _finished(decision, response)


def _finished(decision: Decision, response: Response) -> Response:
    """A response that IIS makes itself, with its length; HEAD gets no body."""
    set_header(response, "Content-Length", str(len(response.body)))
    response.headers = ordered(response.headers)
    if decision.request.method == "HEAD":
        response.body = b""
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


def own_response(decision: Decision, local: bool, trace: Trace | None = None) -> Response:
    """The whole response where IIS itself makes it: redirects, custom responses, errors.

    ``local`` = as a client on the server's own machine gets it.
    """
    action = decision.action
    if isinstance(action, Redirect):
        response = _redirect(decision, action)
    else:
        assert isinstance(action, Respond)
        reason = action.reason or reason_phrase(action.status)
        response = Response(action.status, reason, list(action.headers), action.body)
    closing = [pair for pair in response.headers if pair[0].lower() == "connection"]
    failure = _decorated_and_rewritten(decision, response, trace)
    response.headers += closing
    if failure is not None:
        return failed(decision, failure)
    if (
        isinstance(action, Respond)
        and action.status >= 400
        and not custom_error.keeps_own_page(decision, action)
    ):
        return _with_page(decision, response, action, local)
    return _finished(decision, response)


def _redirect(decision: Decision, action: Redirect) -> Response:
    headers = [("Content-Type", "text/html; charset=UTF-8"), ("Location", action.location)]
    if decision.module == "HttpRedirectionModule":
        headers += decision.effective.view(protocol_support.redirect_headers)
    body = redirect_body(action.location)
    return Response(action.status, reason_phrase(action.status), headers, body)
