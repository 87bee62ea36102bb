"""HttpRedirectionModule: <httpRedirect>, after rewriting and authorization."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from ..config.tree import Effective
from ..decision import Redirect
from ..http.request import Request
from ..http.url import encode_location
from ..rewrite.state import RewriteState
from .context import Context, Step

SECTION = "system.webServer/httpRedirect"
_STATUS = {"Permanent": 301, "Found": 302, "Temporary": 307, "PermRedirect": 308}
_VARIABLE = re.compile(r"\$[SQPV0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRedirect:
    """The compiled section; ``folder`` is the one of the file that sets it."""

    destination: str
    exact: bool
    child_only: bool
    status: int
    folder: str
    wildcards: tuple[tuple[re.Pattern[str], str], ...]


def plan(effective: Effective) -> Step | None:
    """The redirect of a URL. A plan: see context.py."""
    rule = effective.view(http_redirection)
    return None if rule is None else partial(_redirect, rule)


def _redirect(rule: HttpRedirect, context: Context) -> Redirect | None:
    return redirection(rule, context.request, context.state)


def http_redirection(effective: Effective) -> HttpRedirect | None:
    """None where redirection is off. A view: see Effective.view."""
    section = effective.section(SECTION)
    if not section.flag("enabled"):
        return None
    folder = section.file.directory if section.file is not None else ""
    if section.location:
        folder += "/" + section.location
    wildcards = tuple(
        (
            re.compile(
                "".join(
                    "(.*)" if char == "*" else re.escape(char) for char in item.text("wildcard")
                ),
                re.IGNORECASE,
            ),
            item.text("destination"),
        )
        for item in section.items
    )
    return HttpRedirect(
        destination=section.text("destination"),
        exact=section.flag("exactDestination"),
        child_only=section.flag("childOnly"),
        status=_STATUS[section.text("httpResponseStatus")],
        folder=folder,
        wildcards=wildcards,
    )


def redirection(rule: HttpRedirect, request: Request, state: RewriteState) -> Redirect | None:
    """The redirect for the current URL, or None."""
    below = (
        state.path[len(rule.folder) :]
        if state.path.lower().startswith(rule.folder.lower())
        else state.path
    )
    target = _destination(rule, below, state)
    if target is None:
        return None
    if target.startswith("/"):
        target = f"{request.scheme}://{request.authority}{target}"
    return Redirect(rule.status, encode_location(target))


def _destination(rule: HttpRedirect, below: str, state: RewriteState) -> str | None:
    query = "?" + state.query if state.query else ""
    values = {"$S": below, "$Q": query, "$P": state.query, "$V": state.path}
    if not rule.destination:
        for pattern, destination in rule.wildcards:
            found = pattern.fullmatch(below) or pattern.fullmatch(below.lstrip("/"))
            if found:
                captures = {f"${number}": text for number, text in enumerate(found.groups())}
                return _expand(destination, {**values, **captures})
        return None
    if rule.child_only and "/" in below.strip("/"):
        return None
    if _VARIABLE.search(rule.destination):
        return _expand(rule.destination, values)
    if rule.destination == "!":
        return None
    if rule.exact:
        return rule.destination
    if rule.child_only:
        return rule.destination.rstrip("/") + "/" + below.lstrip("/") + query
    return rule.destination.rstrip("/") + below + query


def _expand(text: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match[0], ""), text)
