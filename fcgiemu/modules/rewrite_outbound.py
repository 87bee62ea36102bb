"""RewriteModule on the way out: which outbound rules concern a response, and their effect on
headers and body.
"""

from __future__ import annotations

from ..catalogue.findings import E_INVALID_DATA, Finding
from ..config.tree import Effective
from ..decision import Decision, Respond
from ..http.response import Header, body_charset
from ..rewrite import targets
from ..rewrite.inferred_behaviours import POLICY
from ..rewrite.long_searches import Postponed
from ..rewrite.outbound import (
    OutboundRule,
    OutboundRules,
    outbound,
    rewrite_body,
    rewrite_headers,
    selected,
)
from ..rewrite.regex import TooComplex
from ..rewrite.state import RewriteState
from ..rewrite.template import ExpansionError
from ..trace import Trace
from . import loaded_modules

#: Those of a response whose outbound rules failed: in SEND_RESPONSE, and before the caches.
SUBSTATUSES = (52, 53)


class Sender:
    """The outbound rules of one response. ``wants_body`` says whether the body must be complete to
    be rewritten.
    """

    def __init__(
        self,
        decision: Decision,
        compiled: OutboundRules,
        status: int,
        headers: list[Header],
        trace: Trace | None,
    ) -> None:
        self._compiled = compiled
        self._headers = list(headers)
        self._trace = trace
        self._state = _response_state(decision, status, self._headers)
        self._failure: Respond | None = None
        self._rules: list[OutboundRule] = []
        if not compiled.errors:
            try:
                self._rules = selected(compiled.rules, self._state, trace)
            except (ExpansionError, TooComplex) as error:
                self._fail(str(error))
        self.wants_body = any(not rule.header for rule in self._rules)

    def error(self) -> Respond | None:
        """The 500.52 (or .53) that replaces the response, or None; asked again after ``headers``
        and ``body``.
        """
        if (replaced := _invalid(self._compiled)) is not None:
            return replaced
        encoding = next(
            (value for name, value in self._headers if name.lower() == "content-encoding"), ""
        )
        if self.wants_body and encoding.lower() not in ("", "identity"):
            self._fail(
                "Outbound rewrite rules cannot be applied when the content of the HTTP response is"
                " encoded "
                f'("{encoding}").'
            )
        return self._failure

    def headers(self) -> list[Header]:
        """The headers after the header rules, which see what the rules before them have made.
        Raises Postponed, and can be called again then.
        """
        before = list(self._headers)
        try:
            rewrite_headers(self._rules, self._headers, self._state, self._trace)
        except Postponed:
            self._headers[:] = before
            raise
        except (ExpansionError, TooComplex) as error:
            self._fail(str(error))
        return self._headers

    def body(self, data: bytes) -> bytes:
        """The body after tag and body rules; unchanged bytes stay as they were."""
        charset = body_charset(
            next((value for name, value in self._headers if name.lower() == "content-type"), "")
        )
        try:
            text = data.decode(charset)
        except UnicodeDecodeError:
            charset = "latin-1"
            text = data.decode(charset)
        try:
            return rewrite_body(self._rules, text, self._state, self._trace).encode(
                charset, "xmlcharrefreplace"
            )
        except (ExpansionError, TooComplex) as error:
            self._fail(str(error))
            return data

    def _fail(self, message: str) -> None:
        if self._failure is None:
            self._failure = _error(self._compiled, message, E_INVALID_DATA)


def invalid(effective: Effective) -> Respond | None:
    """The error that replaces every response, since the configuration's outbound rules are not
    valid; None where they are, or where there are none.
    """
    compiled = active_rules(effective)
    return None if compiled is None else _invalid(compiled)


def _invalid(compiled: OutboundRules) -> Respond | None:
    if not compiled.errors:
        return None
    finding = compiled.errors[0]
    return _error(compiled, finding.message, finding.hresult, finding)


def _error(
    compiled: OutboundRules, message: str, hresult: int, finding: Finding | None = None
) -> Respond:
    return Respond(
        500,
        SUBSTATUSES[compiled.before_cache],
        message,
        hresult,
        reason="URL Rewrite Module Error.",
        finding=finding,
        notification="SendResponse",
    )


def sender(
    decision: Decision, status: int, headers: list[Header], trace: Trace | None = None
) -> Sender | None:
    """The outbound work for a response, or None where no configuration asks for any."""
    compiled = active_rules(decision.effective)
    return None if compiled is None else Sender(decision, compiled, status, headers, trace)


def active_rules(effective: Effective) -> OutboundRules | None:
    """The outbound rules of a configuration, or None where it asks for no work on responses."""
    if "RewriteModule" in effective.view(loaded_modules.modules_not_loaded):
        return None
    compiled = rules(effective)
    return compiled if compiled.rules or compiled.errors else None


def before_cache(effective: Effective) -> bool:
    """Whether the rules run in RELEASE_REQUEST_STATE (rewriteBeforeCache), before
    ProtocolSupportModule adds its headers.
    """
    compiled = active_rules(effective)
    return compiled is not None and compiled.before_cache


def rules(effective: Effective) -> OutboundRules:
    """The compiled outbound rules of a configuration."""
    return effective.view(outbound)


def _response_state(decision: Decision, status: int, headers: list[Header]) -> RewriteState:
    """A state that also answers RESPONSE_*; {URL} of a proxied request is the front end's path."""
    result, site = decision.rewrite, decision.site
    made = RewriteState(decision.request, result.place, site.files, site.settings.strict)
    if POLICY.outbound_url_is_rewritten and not targets.is_foreign(result.path):
        made.path, made.query, made.rewritten = result.path, result.query, result.rewritten
    made.assigned = dict(result.assigned)
    made.user = decision.user  # inferred: they run after authentication

    def response(name: str) -> str:
        if name == "STATUS":
            return str(status)
        field = name.replace("_", "-").lower()
        return next((value for key, value in headers if key.lower() == field), "")

    made.response = response
    return made
