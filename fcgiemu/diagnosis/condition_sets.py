"""Conditions of one rule beside each other: two that no text fulfils together, and two of which one
always holds.

That two patterns exclude each other is said only where no text made up from both fits both.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite.rule import Condition, Rule
from . import condition_remedies, sample_requests
from .rule_kinds import SAME

#: Words that stand for what is arbitrary in a pattern.
_WORDS = ("sample", "1", "a-b", "x/y.html")
#: The two file tests.
_TESTS = {"IsFile", "IsDirectory"}
#: Conditions of a rule that are compared, at most.
_MOST = 12


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about pairs of conditions of a rule; each kind once."""
    yield from _file_tests(rule)
    tests = [
        condition
        for condition in rule.conditions[:_MOST]
        if condition.match_type == "Pattern"
        and condition.matcher is not None
        and condition.negate == rule.match_any
        and "{" in condition.input.source
    ]
    if rule.pattern_syntax != "ECMAScript":
        return
    for one, other in combinations(tests, 2):
        if _name(one) == _name(other) and _exclude(one, other):
            yield _pair(rule, one, other)
            return


def _file_tests(rule: Rule) -> Iterator[Finding]:
    """A file and a folder at once, which nothing is."""
    tests = [
        condition
        for condition in rule.conditions
        if condition.match_type != "Pattern" and not condition.negate and not rule.match_any
    ]
    inputs = {_name(condition) for condition in tests}
    if len(inputs) == 1 and {condition.match_type for condition in tests} == _TESTS:
        url = rule.action.url.source if rule.action.url is not None else ""
        passes = rule.action.type == "None" or url in SAME
        form = "exists" if passes else "file-and-folder"
        yield finding(f"rewrite-impossible-condition/{form}", rule.span, rule=rule.name)


def _name(condition: Condition) -> str:
    return condition.input.source.strip().upper()


def _pair(rule: Rule, one: Condition, other: Condition) -> Finding:
    if rule.match_any:
        return finding(
            "rewrite-any-of-negated/patterns",
            rule.span,
            rule=rule.name,
            one=one.pattern,
            pattern=other.pattern,
        )
    are_alternatives = all(_name(condition) == _name(one) for condition in rule.conditions)
    return finding(
        f"rewrite-impossible-condition/{'both' if are_alternatives else 'merge'}",
        rule.span if are_alternatives else other.span,
        rule=rule.name,
        variable=_name(one),
        one=one.pattern,
        pattern=other.pattern,
        meant=condition_remedies.attributes(pattern=f"{one.pattern}|{other.pattern}"),
        first=condition_remedies.written(one),
        second=condition_remedies.written(other),
    )


def _exclude(one: Condition, other: Condition) -> bool:
    """Whether no text fits both patterns, as far as texts made up from them tell."""
    texts = [_texts(one), _texts(other)]
    if not all(texts):
        return False
    joined = {
        first + between + second
        for order in permutations(texts)
        for first in order[0]
        for second in order[1]
        for between in ("", "/", ".", "&")
    }
    assert one.matcher is not None and other.matcher is not None
    return not any(
        one.matcher(text) and other.matcher(text) for text in {*texts[0], *texts[1], *joined}
    )


def _texts(condition: Condition) -> set[str]:
    """Texts that a pattern matches; none where that is too hard."""
    found = {
        sample_requests.example(condition.pattern, word, turn)
        for word in _WORDS
        for turn in range(3)
    }
    return {text for text in found if text is not None} if None not in found else set()
