"""What a version of a site does with a request, so that versions can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import assert_never
from urllib.parse import urlsplit

from ..decision import (
    PROCESS_KINDS,
    Abort,
    Action,
    CallAspNetCore,
    CallFastCgi,
    CallHttpPlatform,
    CallIisnode,
    CallProcess,
    Decision,
    ListDirectory,
    Outcome,
    Proxy,
    Redirect,
    Refused,
    Respond,
    ServeFile,
)
from ..http.request import Request
from ..http.url import UrlRefused, canonicalize

#: Redirects that are followed, as browsers do before they give up (Chromium: 20).
MAX_HOPS = 20
#: Redirects whose way is remembered.
_MAX_REMEMBERED = 10_000

#: Kind, and what tells destinations of the kind apart.
Destination = tuple[str, ...]


def destination(decision: Outcome) -> Destination:
    """Where a request goes."""
    if isinstance(decision, Refused):
        return "status", str(decision.status)
    action = decision.action
    match action:
        case CallFastCgi() | CallHttpPlatform() | CallAspNetCore() | CallIisnode():
            return action.kind, action.handler.name, decision.path, decision.query
        case ServeFile() | ListDirectory():
            return action.kind, decision.site.spelled(action.entry).lower()
        case Redirect():
            return "redirect", str(action.status), action.location
        case Respond():
            return "status", f"{action.status}.{action.substatus}"
        case Proxy():
            return "proxy", action.url
        case Abort():
            return (action.kind,)
        case _:
            assert_never(action)


def shown(where: Destination) -> str:
    """A destination in a few words."""
    if where[0] == "status":
        return where[1]
    if where[0] == "fastcgi" or where[0] in PROCESS_KINDS:
        kind, handler, path, query = where
        return f"{kind} {handler} {path}" + (f"?{query}" if query else "")
    return " ".join(where)


def status(decision: Outcome) -> int:
    """The status where IIS itself sets it, else 0."""
    if isinstance(decision, Refused):
        return decision.status
    action = decision.action
    if isinstance(action, Redirect | Respond):
        return action.status
    return 200 if isinstance(action, ServeFile | ListDirectory) else 0


def rules(decision: Outcome) -> tuple[str, ...]:
    """The rules that applied."""
    return () if isinstance(decision, Refused) else decision.rules


def kind(decision: Outcome) -> str:
    """What kind of outcome this is: the word that flows are counted by."""
    if isinstance(decision, Refused):
        return str(decision.status)
    action = decision.action
    if isinstance(action, Redirect):
        return f"redirect {action.status}"
    if isinstance(action, Respond):
        return f"{action.status}.{action.substatus}"
    return action.kind


def label(decision: Outcome) -> str:
    """The kind, and by which rule: the words that group changes."""
    words = kind(decision)
    if isinstance(decision, Refused):
        return words
    action = decision.action
    if isinstance(action, CallFastCgi | CallProcess):
        words += f" '{action.handler.name}'"
    return f"{words} by rule '{decision.rules[-1]}'" if decision.rules else words


class Way:
    """Follows redirects through a version of the site."""

    def __init__(self, decide: Callable[[Request], Decision]) -> None:
        self._decide = decide
        self._known: dict[tuple[str, str], int] = {}

    def hops(self, request: Request, outcome: Outcome) -> int:
        """How many redirects a client meets, MAX_HOPS in a loop. One to another host is the
        last.
        """
        count = 0
        action = _action(outcome)
        steps: list[tuple[str, str]] = []
        while isinstance(action, Redirect) and count < MAX_HOPS:
            count += 1
            step = request.scheme + "://" + request.authority, action.location
            if step in self._known:
                count = min(MAX_HOPS, count + self._known[step])
                break
            steps.append(step)
            following = _followed(request, action.location)
            if following is None:
                break
            request, action = following, self._decide(following).action
        if len(self._known) > _MAX_REMEMBERED:
            self._known.clear()
        for number, step in enumerate(steps, 1):
            self._known[step] = max(count - number, 0)
        return count


def _action(outcome: Outcome) -> Action | None:
    return None if isinstance(outcome, Refused) else outcome.action


def _followed(request: Request, location: str) -> Request | None:
    """The next request of a browser; None at another host. Raises nothing."""
    match = re.match(r"(?i)(https?)://([^/?#]*)([^#]*)", location)
    if match is None or match[2].lower() != request.authority.lower():
        return None
    scheme, target = match[1].lower(), match[3] or "/"
    try:
        port = urlsplit(location).port or (443 if scheme == "https" else 80)
        return Request(
            method="GET",
            target=canonicalize(target if target.startswith("/") else f"/{target}"),
            headers=request.headers,
            scheme=scheme,
            host=request.host,
            port=port,
            remote_addr=request.remote_addr,
            fields=request.fields,
        )
    except (UrlRefused, ValueError):
        return None
