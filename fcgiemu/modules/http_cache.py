"""HttpCacheModule: which answers of an application the output cache keeps, by <caching><profiles>.

IIS Express does not have the module; a server of one's own does (--module HttpCacheModule). What is
decided here is data; the server keeps the answers.

Inferred, and so named: that the key is the path without the query unless varyByQueryString says
otherwise, what ``location`` sends as Cache-Control, and that an answer with Set-Cookie is not kept.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallFastCgi, Decision
from ..http.response import Header, Response
from . import loaded_modules

MODULE = "HttpCacheModule"
SECTION = "system.webServer/caching"
#: location -> what Cache-Control says to clients. # inferred
CACHE_CONTROL = {
    "Any": "public",
    "Client": "private",
    "Downstream": "public",
    "None": "no-cache",
    "ServerAndClient": "private",
}
#: Where the server itself keeps the answer.
_AT_SERVER = frozenset({"Any", "Server", "ServerAndClient"})

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheProfile:
    """An <add> of <profiles>. ``seconds`` None: until something changes."""

    seconds: float | None
    location: str
    headers: tuple[str, ...]
    #: Names of query parameters; ``*`` is the whole query.
    parameters: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        """Whether the server keeps answers."""
        return self.location in _AT_SERVER


@dataclass(frozen=True, slots=True)
class Caching:
    """The compiled section: extension (``*`` = any) -> profile."""

    profiles: dict[str, CacheProfile]
    max_response: int

    def profile(self, path: str) -> CacheProfile | None:
        """The profile for a URL path."""
        extension = posixpath.splitext(path)[1].lower()
        return self.profiles.get(extension) or self.profiles.get("*")


def caching(effective: Effective) -> Caching | None:
    """None where nothing is cached. A view: see Effective.view."""
    if MODULE in effective.view(loaded_modules.modules_not_loaded):
        return None
    section = effective.section(SECTION)
    found = {
        item.text("extension").lower(): _profile(item)
        for item in section.child("profiles").items
        if item.text("policy") in ("CacheForTimePeriod", "CacheUntilChange")
    }
    if not found or not section.flag("enabled"):
        return None
    return Caching(found, section.integer("maxResponseSize"))


def _profile(item: Node) -> CacheProfile:
    timed = item.text("policy") == "CacheForTimePeriod"
    return CacheProfile(
        seconds=item.seconds("duration") if timed else None,
        location=item.text("location"),
        headers=tuple(name.lower() for name in _names(item.text("varyByHeaders"))),
        parameters=_names(item.text("varyByQueryString")),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[,;\s]+", text)))


def profile_of(decision: Decision) -> CacheProfile | None:
    """The profile for the answer to a decision; None where it is not to be cached."""
    found = decision.effective.view(caching)
    request = decision.request
    if (
        found is None
        or not isinstance(decision.action, CallFastCgi)
        or request.method not in ("GET", "HEAD")
        or "range" in request.fields
    ):
        return None
    return found.profile(decision.path)


def key_of(decision: Decision, profile: CacheProfile) -> Key:
    """What two requests must have in common to get the same answer."""
    request = decision.request
    query = decision.query
    parts = [request.scheme, request.fields.get("host", ""), decision.path.lower()]
    parts += [request.fields.get(name, "") for name in profile.headers]
    if "*" in profile.parameters:
        parts.append(query)
    elif profile.parameters:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
        parts += [
            f"{name}={value}"
            for parameter in profile.parameters
            for name, value in given
            if name.lower() == parameter.lower()
        ]
    return tuple(parts)


def cache_control(profile: CacheProfile) -> list[Header]:
    """What clients are told."""
    value = CACHE_CONTROL.get(profile.location)
    if value is None:
        return []
    age = f", max-age={profile.seconds:.0f}" if profile.seconds and value != "no-cache" else ""
    return [("Cache-Control", value + age)]


def may_be_kept(response: Response, limit: int) -> bool:
    """Whether an answer may be given again."""
    return (
        response.status == 200 and len(response.body) <= limit and not response.header("set-cookie")
    )
