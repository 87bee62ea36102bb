"""RequestFilteringModule: refusals by URL, verb, extension, segment, length, each with its
substatus (404.5 to 404.20, 413.1).

The order of the checks is inferred, but for hidden segments before extensions, which is measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

from ..config.merge import Node
from ..config.tree import KEPT_PATHS, Effective
from ..decision import Respond
from ..http.request import Request
from ..http.url import double_escaped, encode_path
from .context import Context, Step

MODULE = "RequestFilteringModule"
SECTION = "system.webServer/security/requestFiltering"
MAX_URL_SEGMENTS = 32  # the site's limits/@maxUrlSegments, not reachable from web.config

#: Measured: refusals carry Connection: close.
_CLOSE = (("Connection", "close"),)
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(slots=True, kw_only=True)
class FilteringRule:
    """A <filteringRule>: what it scans and the strings it denies."""

    name: str
    scan_url: bool
    scan_query: bool
    scan_all: bool
    deny_unescaped_percent: bool
    headers: tuple[str, ...]
    extensions: frozenset[str]
    strings: tuple[str, ...]

    def hit(self, request: Request, path: str, query: str) -> bool:
        if self.extensions and _extension(path.rpartition("/")[2]) not in self.extensions:
            return False
        texts = [request.fields.get(name, "") for name in self.headers]
        if self.scan_url or self.scan_all:
            texts.append(path)
        if self.scan_query or self.scan_all:
            texts.append(unquote(query))
        if self.scan_all:
            texts += request.fields.values()
        if (
            self.deny_unescaped_percent
            and (self.scan_query or self.scan_all)
            and _STRAY_PERCENT.search(query)
        ):
            return True  # http.sys has refused a stray % of the path already
        return any(string in text.lower() for text in texts for string in self.strings)


class RequestFilter:
    """The compiled section."""

    def __init__(self, section: Node) -> None:
        limits = section.child("requestLimits")
        self.max_content_length: int = limits.integer("maxAllowedContentLength")
        self.max_url: int = limits.integer("maxUrl")
        self.max_query: int = limits.integer("maxQueryString")
        self.header_limits = {
            item.text("header").lower(): item.integer("sizeLimit")
            for item in limits.child("headerLimits").items
        }
        self.allow_double_escaping: bool = section.flag("allowDoubleEscaping")
        self.allow_high_bit: bool = section.flag("allowHighBitCharacters")
        self.unescape_query: bool = section.flag("unescapeQueryString")
        self.remove_server_header: bool = section.flag("removeServerHeader")
        verbs = section.child("verbs")
        self.verbs = {item.text("verb"): item.flag("allowed") for item in verbs.items}
        self.unlisted_verbs: bool = verbs.flag("allowUnlisted")
        extensions = section.child("fileExtensions")
        self.extensions = {
            item.text("fileExtension").lower(): item.flag("allowed") for item in extensions.items
        }
        self.unlisted_extensions: bool = extensions.flag("allowUnlisted")
        self.hidden = frozenset(
            item.text("segment").lower() for item in section.child("hiddenSegments").items
        )
        self.url_sequences = _strings(section.child("denyUrlSequences"), "sequence")
        self.query_sequences = _strings(section.child("denyQueryStringSequences"), "sequence")
        self.allowed_urls = frozenset(_strings(section.child("alwaysAllowedUrls"), "url"))
        self.allowed_queries = frozenset(
            _strings(section.child("alwaysAllowedQueryStrings"), "queryString")
        )
        self.rules = [_rule(item) for item in section.child("filteringRules").items]
        #: Paths that have passed what looks at nothing else.
        self._passed: set[str] = set()
        self._scans = bool(self.url_sequences or self.query_sequences or self.rules)
        denied = sorted(name for name, allowed in self.extensions.items() if not allowed)
        patterns = [re.escape(name) + "(?:/|$)" for name in (*denied,)] + [
            f"/{re.escape(name)}(?:/|$)" for name in self.hidden
        ]
        #: One search that says whether hidden segments or denied extensions can concern a path at
        #: all.
        self._suspicious = re.compile("|".join(patterns) or "(?!)", re.IGNORECASE).search

    def refusal(self, request: Request, path: str, query: str, original: bool) -> Respond | None:
        """The refusal of ``path``, or None. ``original`` = the URL the client sent, not a rewritten
        one.
        """
        if path.count("/") > MAX_URL_SEGMENTS and path.rstrip("/").count("/") > MAX_URL_SEGMENTS:
            return _refuse(404, 20, "a request with too many URL segments")
        if original and (refused := self._request(request)) is not None:
            return refused
        if len(query) > self.max_query:
            return self._long(path) or _refuse(
                404, 15, "a request where the query string is too long"
            )
        if path not in self._passed:
            if (refused := self._path(path)) is not None:
                return refused
            if len(self._passed) >= KEPT_PATHS:
                self._passed.clear()
            self._passed.add(path)
        return (
            (self._sequences(path, query) or self._rules(request, path, query))
            if self._scans
            else None
        )

    def lets_pass(self, path: str) -> bool:
        """Whether nothing that looks at paths, but the number of segments, has anything to say to
        one, whatever else the request is.
        """
        return not self._scans and self._path(path) is None

    def _long(self, path: str) -> Respond | None:
        if len(path) * 3 > self.max_url and len(encode_path(path)) > self.max_url:
            return _refuse(404, 14, "a request where the URL is too long")
        return None

    def _path(self, path: str) -> Respond | None:
        """What the path alone is refused for."""
        if (refused := self._long(path)) is not None:
            return refused
        if not self.allow_double_escaping and double_escaped(path):
            return _refuse(404, 11, "a request that contains a double escape sequence")
        if not self.allow_high_bit and not path.isascii():
            return _refuse(404, 12, "a request that contains high bit characters")
        if not self.unlisted_extensions or self._suspicious(path):
            return self._segments(path)
        return None

    def _request(self, request: Request) -> Respond | None:
        if request.body_length is not None and request.body_length > self.max_content_length:
            return too_large()
        for name, limit in self.header_limits.items():
            if len(request.fields.get(name, "")) > limit:
                return _refuse(431, 0, f"a request whose header '{name}' is too long")
        if (self.verbs or not self.unlisted_verbs) and not self.verbs.get(
            request.method, self.unlisted_verbs
        ):
            return _refuse(404, 6, "the HTTP verb")
        return None

    def _segments(self, path: str) -> Respond | None:
        segments = path.lower().split("/")[1:]
        if not self.hidden.isdisjoint(segments):
            return _refuse(404, 8, "a path in the URL that contains a hiddenSegment section")
        for segment in segments if any(segments[:-1]) else segments[-1:]:
            extension = _extension(segment)
            if extension == "." and segment is not segments[-1]:
                continue
            if not self.extensions.get(
                extension, self.unlisted_extensions or segment is not segments[-1]
            ):
                return _refuse(404, 7, "the file extension")
        return None

    def _sequences(self, path: str, query: str) -> Respond | None:
        if self.url_sequences and path.lower() not in self.allowed_urls:
            if any(sequence in path.lower() for sequence in self.url_sequences):
                return _refuse(404, 5, "the URL sequence")
        if self.query_sequences and query.lower() not in self.allowed_queries:
            texts = (
                [query.lower(), unquote(query).lower()] if self.unescape_query else [query.lower()]
            )
            if any(sequence in text for text in texts for sequence in self.query_sequences):
                return _refuse(404, 18, "a query string sequence")
        return None

    def _rules(self, request: Request, path: str, query: str) -> Respond | None:
        for rule in self.rules:
            if rule.hit(request, path, query):
                return _refuse(404, 19, f"the request by the rule '{rule.name}'")
        return None


def request_filter(effective: Effective) -> RequestFilter:
    """Compile <requestFiltering> of a configuration. A view: see Effective.view."""
    return RequestFilter(effective.section(SECTION))


def plan(effective: Effective) -> Step | None:
    """The refusal of the URL that the client sent. A plan: see context.py."""
    return partial(_filter, effective.view(request_filter), True)


def child_plan(effective: Effective) -> Step | None:
    """The refusal of the URL of a child request. A plan: see context.py."""
    return partial(_filter, effective.view(request_filter), False)


def _filter(section: RequestFilter, original: bool, context: Context) -> Respond | None:
    state = context.state
    refusal = section.refusal(context.request, state.path, state.query, original)
    if refusal is not None and context.trace is not None:
        context.trace.add(
            "MODULE_SET_RESPONSE_ERROR_STATUS",
            ModuleName=MODULE,
            Notification="BEGIN_REQUEST",
            HttpStatus=refusal.status,
            HttpSubStatus=refusal.substatus,
            HttpReason=refusal.message,
        )
    return refusal


def too_large() -> Respond:
    """The refusal of a body with more bytes than maxAllowedContentLength, told by its length or
    counted.
    """
    return _refuse(413, 1, "a request that exceeds the request content length")


def _refuse(status: int, substatus: int, what: str) -> Respond:
    return Respond(
        status,
        substatus,
        f"The request filtering module is configured to deny {what}.",
        headers=_CLOSE,
    )


def _extension(segment: str) -> str:
    """The extension with its dot; "." for a name without one."""
    dot = segment.rfind(".")
    return segment[dot:] if dot >= 0 else "."


def _strings(node: Node, name: str) -> tuple[str, ...]:
    return tuple(item.text(name).lower() for item in node.items)


def _rule(node: Node) -> FilteringRule:
    return FilteringRule(
        name=node.text("name"),
        scan_url=node.flag("scanUrl"),
        scan_query=node.flag("scanQueryString"),
        scan_all=node.flag("scanAllRaw"),
        deny_unescaped_percent=node.flag("denyUnescapedPercent"),
        headers=tuple(
            item.text("requestHeader").lower() for item in node.child("scanHeaders").items
        ),
        extensions=frozenset(
            item.text("fileExtension").lower() for item in node.child("appliesTo").items
        ),
        strings=tuple(item.text("string").lower() for item in node.child("denyStrings").items),
    )
