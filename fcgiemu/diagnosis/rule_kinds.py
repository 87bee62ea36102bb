"""What kind of rule one is: for every URL, a fallback for what is not a file, one that stops."""

from __future__ import annotations

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
