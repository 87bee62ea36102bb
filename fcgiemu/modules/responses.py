"""Whole responses without a server: what IIS makes itself, error pages that run a URL among it.

``explain`` shows them; ``serve`` sends the same through the same functions.
"""

from __future__ import annotations

from ..decision import CallFastCgi, Decision, Proxy, Redirect, Respond, ServeFile
from ..http.response import Response, reason_phrase
from ..trace import Trace
from . import application_request_routing, custom_error, sending, static_file
from .pipeline import decide_error_page

#: Bytes of a file that is shown as an error page.
MAX_PAGE = 1 << 20


def made_by_iis(decision: Decision, local: bool, trace: Trace | None = None) -> Response | None:
    """The response to a redirect, a custom response or an error; None where a program answers
    (an error page may be one).
    """
    action = decision.action
    if isinstance(action, Respond):
        url = custom_error.execute_url(decision, action.status, action.substatus, False, local)
        if url is not None:
            return _child(decide_error_page(decision, url, action.status), local)
    if isinstance(action, (Redirect, Respond)):
        return _sent(decision, sending.own_response(decision, local, trace))
    return None


def handled(decision: Decision, response: Response, trace: Trace | None = None) -> Response | None:
    """A handler's response on its way out; None where a program answers its error."""
    if isinstance(decision.action, Proxy):
        response.headers = application_request_routing.front_headers(
            decision, response.headers, trace
        )
    local = decision.request.is_local
    url = custom_error.execute_url(decision, response.status, 0, bool(response.body), local)
    if url is not None:
        return _child(decide_error_page(decision, url, response.status), local)
    return _sent(decision, sending.send(decision, response, trace))


def _sent(decision: Decision, response: Response) -> Response:
    """With what modules have set at the beginning."""
    response.headers += decision.extra_headers
    return response


def _child(decision: Decision, local: bool) -> Response | None:
    """The response of an error page's own request."""
    action = decision.action
    if isinstance(action, CallFastCgi):
        return None
    if not isinstance(action, ServeFile):
        return made_by_iis(decision, local)
    body = decision.site.files.read(decision.rewrite.path, MAX_PAGE)
    if body is None:
        return None
    content = decision.effective.view(static_file.static_content)
    served = static_file.respond(action, content, decision.request)
    return sending.send(
        decision, Response(served.status, reason_phrase(served.status), served.headers, body)
    )
