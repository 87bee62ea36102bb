"""Outbound rules that IIS accepts and that fail for the responses they are meant for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.tree import Effective
from ..rewrite import targets
from ..rewrite.compiler import inbound
from ..rewrite.outbound import OutboundRule, outbound
from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Rule
from . import origin_patterns, reference_remedies, rewrite_conditions


def findings(effective: Effective) -> Iterator[Finding]:
    """Findings about the outbound rules of a configuration."""
    rules = effective.view(outbound).rules
    for rule in rules:
        yield from _references(rule)
        yield from origin_patterns.of_outbound(rule)
        before = rule.pre_condition.conditions if rule.pre_condition is not None else ()
        for condition in (*before, *rule.conditions):
            yield from rewrite_conditions.outbound(rule.name, condition)
    bodies = [rule for rule in rules if not rule.header]
    inward = effective.view(inbound).rules
    if bodies and any(map(_forwards, inward)) and not any(map(_asks_plainly, inward)):
        yield finding("rewrite-compressed-body", bodies[0].span, rule=bodies[0].name)


def _references(rule: OutboundRule) -> Iterator[Finding]:
    """{R:n} of a value beyond the groups of the pattern."""
    if rule.value is None:
        return
    try:
        groups = 0 if rule.negate else capture_count(rule.pattern, "ECMAScript", True)
    except PatternError:
        return  # a wildcard pattern, or one that is not valid, which has been said
    for number in map(int, re.findall(r"\{R:(\d{1,2})\}", rule.value.source)):
        if number > groups and ("*" not in rule.pattern or "." in rule.pattern):
            yield finding(
                "rewrite-bad-reference/outbound",
                rule.span,
                rule=rule.name,
                number=number,
                meant=reference_remedies.of_outbound(
                    rule.pattern, rule.value.source, number, groups
                ),
            )


def _forwards(rule: Rule) -> bool:
    """Whether a rule gives requests to another server."""
    url = rule.action.url.source if rule.action.url is not None else ""
    return rule.action.type == "Rewrite" and targets.is_foreign(url)


def _asks_plainly(rule: Rule) -> bool:
    """Whether a rule asks for an answer that is not compressed."""
    return any(variable.name.upper() == "HTTP_ACCEPT_ENCODING" for variable in rule.variables)
