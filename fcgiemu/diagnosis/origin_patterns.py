"""Conditions on {HTTP_ORIGIN} that let other origins in than those that are meant: a pattern finds
its text anywhere, so that ``https://a.example`` fits https://a.example.evil.test too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite.outbound import OutboundRule
from ..rewrite.pattern_errors import PatternError
from ..rewrite.regex import TooComplex, compile_pattern
from ..rewrite.rule import Condition, Rule
from . import rewrite_patterns
from .sample_requests import example

_ORIGIN = "{HTTP_ORIGIN}"
#: A host that nobody means, as the end of a name and as a name of its own.
_FOREIGN = "evil.test"
_SCHEME = re.compile(r"https?://")


def of_inbound(rule: Rule) -> Iterator[Finding]:
    """Findings about the conditions of a rule that lets origins in: it sets a variable for those
    that fit, or refuses those that do not.
    """
    refuses = rule.action.type in ("CustomResponse", "AbortRequest")
    for condition in rule.conditions if rule.pattern_syntax == "ECMAScript" else ():
        if condition.negate if refuses else bool(rule.variables) and not condition.negate:
            yield from _of_condition(rule.name, condition)


def of_outbound(rule: OutboundRule) -> Iterator[Finding]:
    """Findings about the conditions of a rule that names an origin in the response."""
    if rule.header.lower() == "access-control-allow-origin":
        for condition in rule.conditions:
            if not condition.negate and rewrite_patterns.is_regex(condition.pattern):
                yield from _of_condition(rule.name, condition)


def _of_condition(name: str, condition: Condition) -> Iterator[Finding]:
    pattern = condition.pattern.strip()
    if condition.input.source.strip().upper() != _ORIGIN or condition.match_type != "Pattern":
        return
    origins = list(_origins(pattern))
    if not origins or _fits(pattern, f"https://{_FOREIGN}", condition.ignore_case):
        return  # everybody is let in on purpose
    for origin in origins:
        for foreign in _foreign(origin):
            if _fits(pattern, foreign, condition.ignore_case):
                meant = _anchored(pattern, origins, condition.ignore_case)
                yield finding(
                    f"rewrite-origin-pattern{'' if meant else '/unknown'}",
                    condition.span,
                    rule=name,
                    pattern=pattern,
                    foreign=foreign,
                    meant=meant,
                )
                return


def _origins(pattern: str) -> Iterator[str]:
    """An origin that each alternative of a pattern is meant for."""
    for branch in rewrite_patterns.branches(pattern):
        text = example(branch, "sample")
        host = _SCHEME.sub("", text or "").partition(":")[0]
        if text and "." in host and not re.fullmatch(r"[\d.]+|localhost", host):
            yield text if _SCHEME.match(text) else f"https://{text.lstrip('/:.')}"


def _foreign(origin: str) -> list[str]:
    """Origins of others that hold the text of one."""
    scheme, _, host = origin.partition("://")
    if ":" in host:
        return [f"{scheme}://evil{host}"]
    return [f"{scheme}://{host}.{_FOREIGN}", f"{scheme}://evil{host}"]


def _anchored(pattern: str, origins: Sequence[str], ignore_case: bool) -> str:
    """The pattern with what it lacks at its ends; "" where that does not keep others out."""
    inner = pattern.removeprefix("^")
    inner = inner if inner.endswith("\\$") else inner.removesuffix("$")
    if len(rewrite_patterns.branches(pattern)) > 1:
        inner = f"(?:{pattern})"
    below = [origin.replace("://", "://www.") for origin in origins if "//" not in pattern]
    wrong = [foreign for origin in origins for foreign in _foreign(origin)]
    for start in ("^", "^https?://(?:[\\w-]+\\.)*"):
        meant = f"{start}{inner}$"
        if all(_fits(meant, origin, ignore_case) for origin in (*origins, *below)) and not any(
            _fits(meant, foreign, ignore_case) for foreign in wrong
        ):
            return meant
    return ""


def _fits(pattern: str, text: str, ignore_case: bool) -> bool:
    try:
        return compile_pattern(pattern, ignore_case).search(text) is not None
    except (PatternError, TooComplex):
        return False
