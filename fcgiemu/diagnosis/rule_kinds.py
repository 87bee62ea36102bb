"""What kind of rule one is: for every URL, a fallback for what is not a file, one that stops."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..rewrite.rule import Rule

#: Patterns that every URL matches, as people write them.
UNIVERSAL = frozenset(
    {
        "",
        ".*",
        "(.*)",
        "^.*$",
        "^(.*)$",
        "^.*",
        "^(.*)",
        ".*$",
        "(.*)$",
        "^",
        "$",
        "(.*)?",
        "(?:.*)",
        ".?",
        "(.*)/?",
    }
)

#: Targets that leave a URL as it is: such a rule only stops, or sets variables.
SAME = frozenset({"{R:0}", "{R:1}", "{URL}", "/{R:0}", "/{R:1}"})


def is_universal(rule: Rule) -> bool:
    """Whether a rule's pattern takes every URL."""
    if rule.pattern is None:
        return True
    if rule.pattern_syntax == "Wildcard":
        return rule.pattern == "*" and not rule.negate
    return (
        rule.pattern_syntax == "ECMAScript"
        and not rule.negate
        and rule.pattern.strip() in UNIVERSAL
    )


def stops(rule: Rule) -> bool:
    """Whether no rule behind this one is asked where it applies."""
    return rule.stop_processing or rule.action.type in (
        "Redirect",
        "CustomResponse",
        "AbortRequest",
    )


def stops_for(rule: Rule, test: str) -> bool:
    """Whether no rule behind this one is asked for existing files (``test`` is IsFile) or folders
    (IsDirectory).
    """
    tests = [one for one in rule.conditions if one.match_type == test and not one.negate]
    decides = rule.match_any or len(rule.conditions) == 1
    return bool(tests) and decides and is_universal(rule) and stops(rule)


#: Patterns that every URL with a dot matches, as those of files have one.
_DOTS = re.compile(r"\^?(?:\(?\.[*+]\)?)?(?:\\\.|\[\.\])(?:\(?\.[*+]\)?)?\$?")


def stops_for_dots(rule: Rule) -> bool:
    """Whether no rule behind this one is asked for a URL with a dot."""
    pattern = (rule.pattern or "").strip()
    is_open = not pattern.startswith("^") or "." in pattern[:3]
    return (
        rule.pattern_syntax == "ECMAScript"
        and not rule.negate
        and not rule.conditions
        and stops(rule)
        and is_open
        and _DOTS.fullmatch(pattern) is not None
    )


def is_left_before(rule: Rule, rules: Sequence[Rule], test: str) -> bool:
    """Whether one of ``rules`` before this one stops for existing files or folders."""
    return any(stops_for(earlier, test) for earlier in rules[: rules.index(rule)])


def is_fallback(rule: Rule) -> bool:
    """Whether a rule takes every URL that is not an existing file or folder."""
    return (
        rule.action.type == "Rewrite"
        and bool(rule.conditions)
        and not rule.match_any
        and all(
            condition.match_type != "Pattern" and condition.negate for condition in rule.conditions
        )
    )
