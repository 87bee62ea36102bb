"""Findings that follow from another one of the same rule: when that is corrected they are gone, so
they are not said beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue.findings import Finding
from ..rewrite.pattern import capture_count
from ..rewrite.pattern_errors import PatternError
from ..rewrite.rule import Rule
from . import condition_sets, rewrite_conditions
from .rule_kinds import is_for_start

#: A condition that never holds, or always.
_IMPOSSIBLE = "rewrite-impossible-condition"
#: What a rule does that has one.
_OF_IMPOSSIBLE = frozenset(
    {
        "redirect-chain",
        "redirect-loop",
        "rewrite-catch-all",
        "rewrite-hides-file",
        "rewrite-inverted-test",
        "rewrite-takes-files",
    }
)
#: What comes of a target without a scheme: a path that holds an address, which is redirected again.
_OF_SCHEME = frozenset({"redirect-chain", "redirect-loop"})
_INSIDE = re.compile(r"://\S*://")
#: What is said of the parts of a pattern that is refused as a whole.
_OF_REFUSED = frozenset(
    {
        "rewrite-anchor",
        "rewrite-backslash",
        "rewrite-leading-slash",
        "rewrite-slash-inside",
        "rewrite-unanchored",
        "rewrite-unescaped-dot",
        "rewrite-wildcard-as-regex",
    }
)


def left_out(found: Sequence[Finding], rules: Sequence[Rule]) -> Iterator[Finding]:
    """The findings of a file with these rules, without those that follow from others."""
    starts = {one.span for one in found if one.code == "rewrite-start-page"}
    refused = {one.span for one in found if one.code == "rewrite-bad-pattern"}
    refused |= {rule.span for rule in (rules if refused else ()) if not _is_valid(rule)}
    impossible = {one.span for one in found if one.code == _IMPOSSIBLE}
    followed = {
        span
        for rule in (rules if impossible else ())
        for spans in [{rule.span, *(condition.span for condition in rule.conditions)}]
        if spans & impossible
        for span in spans
    }
    has_no_scheme = any(one.code == "rewrite-target-scheme" for one in found)
    other_syntax = {one.span for one in found if one.code == "rewrite-regex-as-wildcard"}
    for one in found:
        is_of_syntax = one.code == "rewrite-bad-reference" and one.span in other_syntax
        is_of_scheme = has_no_scheme and one.code in _OF_SCHEME and _INSIDE.search(one.message)
        is_of_refused = one.code in _OF_REFUSED and one.span in refused
        is_of_impossible = one.code in _OF_IMPOSSIBLE and one.span in followed
        is_of_start = one.span in starts and one.code in _OF_IMPOSSIBLE | _OF_REFUSED
        follows = is_of_refused or is_of_impossible or is_of_scheme or is_of_start or is_of_syntax
        if one.span is None or not follows:
            yield one


def _is_valid(rule: Rule) -> bool:
    """Whether the pattern of a rule itself is one that IIS takes."""
    try:
        capture_count(rule.pattern or "", rule.pattern_syntax, rule.ignore_case)
    except PatternError:
        return False
    return True


def is_impossible(rule: Rule) -> bool:
    """Whether a condition of a rule never holds, or always, or its pattern takes all in place of
    the empty path, and what it does follows from that.
    """
    if is_for_start(rule):
        return True
    found = [*rewrite_conditions.findings(rule, ()), *condition_sets.findings(rule)]
    return any(one.code == _IMPOSSIBLE for one in found)
