"""CorsModule: the IIS CORS Module, an extension that no server has from the start (--module
CorsModule). Its section is <cors>.

It looks at requests with an Origin header, before every other module. A preflight of an origin that
may ask is answered here, so rules, filtering and authentication do not see it. Other requests go
on, and their response gets the headers, be it an error of the server.

Documented: which rule counts, the headers, 403 for failUnlistedOrigins. Inferred, and so named:
the status of a preflight, and that Access-Control-Allow-Headers goes with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Respond
from ..http.response import Header
from .context import Context, Step

SECTION = "system.webServer/cors"
#: The status of a preflight that is answered. # inferred
PREFLIGHT = 204
_ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsRule:
    """An <add> of <cors>: an origin, ``*``, ``scheme://*`` or ``scheme://*.domain``."""

    origin: str
    allowed: bool
    credentials: bool
    #: Seconds; -1 sends nothing.
    max_age: int
    headers: tuple[str, ...]
    requested_headers: bool
    methods: tuple[str, ...]
    exposed: tuple[str, ...]

    def precision(self, origin: str) -> int:
        """How precisely the rule means an origin (in lower case); 0 where it does not."""
        own = self.origin.lower()
        if own == origin:
            return 1 << 30
        if own == _ANY:
            return 1
        scheme, star, suffix = own.partition("//*")
        if not star or not origin.startswith(scheme + "//"):
            return 0
        if not suffix:
            return 2
        return 2 + len(suffix) if suffix.startswith(".") and origin.endswith(suffix) else 0


@dataclass(frozen=True, slots=True)
class Cors:
    """The compiled <cors>."""

    rules: tuple[CorsRule, ...]
    fail_unlisted: bool

    def rule(self, origin: str) -> CorsRule | None:
        """The most precise rule for an origin, whether it allows it or not."""
        folded = origin.lower()
        best = max(self.rules, key=lambda rule: rule.precision(folded), default=None)
        return best if best is not None and best.precision(folded) else None

    @property
    def for_all(self) -> bool:
        """Whether ``*`` is the only rule: then no origin is echoed."""
        return len(self.rules) == 1 and self.rules[0].origin == _ANY


def plan(effective: Effective) -> Step | None:
    """What <cors> says about a request with an Origin. A plan: see context.py."""
    compiled = effective.view(cors)
    return None if compiled is None else partial(_look, compiled)


def cors(effective: Effective) -> Cors | None:
    """None where it is not enabled. A view: see Effective.view."""
    section = effective.section(SECTION)
    if not section.flag("enabled"):
        return None
    return Cors(tuple(map(_rule, section.items)), section.flag("failUnlistedOrigins"))


def _rule(item: Node) -> CorsRule:
    headers = item.child("allowHeaders")
    return CorsRule(
        origin=item.text("origin"),
        allowed=item.flag("allowed"),
        credentials=item.flag("allowCredentials"),
        max_age=item.integer("maxAge"),
        headers=_texts(headers, "header"),
        requested_headers=headers.flag("allowAllRequestedHeaders"),
        methods=_texts(item.child("allowMethods"), "method"),
        exposed=_texts(item.child("exposeHeaders"), "header"),
    )


def _texts(node: Node, name: str) -> tuple[str, ...]:
    return tuple(item.text(name) for item in node.items)


def _look(compiled: Cors, context: Context) -> Respond | None:
    fields = context.request.fields
    origin = fields.get("origin", "")
    if not origin:
        return None
    rule = compiled.rule(origin)
    if rule is None or not rule.allowed:
        if not compiled.fail_unlisted:
            return None
        return Respond(403, 0, f"The origin {origin} is not allowed by <cors>.")
    headers = _common(compiled, rule, origin)
    requested_method = fields.get("access-control-request-method", "")
    if context.request.method == "OPTIONS" and requested_method:
        asked_headers = fields.get("access-control-request-headers", "")
        return Respond(PREFLIGHT, headers=(*headers, *_of_preflight(rule, asked_headers)))
    if rule.exposed:
        headers.append(("Access-Control-Expose-Headers", ", ".join(rule.exposed)))
    context.extra_headers += headers
    return None


def _common(compiled: Cors, rule: CorsRule, origin: str) -> list[Header]:
    headers = [("Access-Control-Allow-Origin", _ANY if compiled.for_all else origin)]
    if not compiled.for_all:
        headers.append(("Vary", "Origin"))
    if rule.credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    return headers


def _of_preflight(rule: CorsRule, asked_headers: str) -> list[Header]:
    headers = []
    if rule.methods:
        headers.append(("Access-Control-Allow-Methods", ", ".join(rule.methods)))
    allowed = asked_headers if rule.requested_headers else ", ".join(rule.headers)
    if allowed:  # the documentation puts it on actual requests, where no browser would look
        headers.append(("Access-Control-Allow-Headers", allowed))
    if rule.max_age != -1:
        headers.append(("Access-Control-Max-Age", str(rule.max_age)))
    return headers
