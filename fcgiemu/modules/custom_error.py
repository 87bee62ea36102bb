"""CustomErrorModule: the page for a status, detailed for local clients, one line for remote ones."""

from __future__ import annotations

from .. import pages
from ..decision import Decision, Respond
from ..http.response import reason_phrase

#: Bodies measured for remote clients without an error file; other statuses say the same in the same form. # inferred
_ONE_LINERS = {
    401: "You do not have permission to view this directory or page.",
    403: "You do not have permission to view this directory or page.",
    404: "The resource you are looking for has been removed, had its name changed, or is temporarily unavailable.",
    405: "The page you are looking for cannot be displayed because an invalid method (HTTP verb) is being used.",
    413: "The page was not displayed because the request entity is too large.",
    500: "The page cannot be displayed because an internal server error has occurred.",
}


def page(decision: Decision, action: Respond, reason: str, detailed: bool) -> tuple[str, bytes]:
    """Content-Type and body of an error."""
    if detailed:
        return "text/html; charset=utf-8", pages.detailed_error(decision, action, reason)
    return "text/html", one_liner(action.status).encode()


def one_liner(status: int) -> str:
    """The built-in text for a status: what remote clients get."""
    return _ONE_LINERS.get(status, f"The page cannot be displayed: {reason_phrase(status)}.")
