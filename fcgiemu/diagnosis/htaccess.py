"""What people bring along from Apache's mod_rewrite, which IIS takes as plain text: $1 and %1 for
groups, %{NAME} for variables, !-f and -d for file tests, ! before a pattern, flags in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Rule

#: $1, %1 (but no encoded character), %{NAME}.
_EXPANSION = re.compile(
    r"\$(?P<rule>[0-9])|%(?P<condition>[1-9])(?![0-9A-Fa-f])|%\{(?P<name>\w+)\}"
)
#: A group without its colon or its braces: {R1}, {R.1}, [R:1], (R:1).
_GROUP = re.compile(r"\{([RC])[.;_-]?(\d)\}|[\[(]([RC]):(\d)[\])]")
#: File tests as a pattern -> matchType.
_TESTS = {"-f": "IsFile", "-d": "IsDirectory"}
_FLAGS = re.compile(r"\s*\[(?:NC|OR|L|R(?:=\d+)?|QSA|PT)(?:,\w+(?:=\d+)?)*\]$")


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about a rule that was translated from a .htaccess file by hand, in part."""
    url = rule.action.url.source if rule.action.url is not None else ""
    meant = _GROUP.sub(_group, url)
    if meant != url:
        yield finding(
            "rewrite-apache-syntax/group", rule.span, rule=rule.name, text=url, meant=meant
        )
    elif (meant := _EXPANSION.sub(_expansion, url)) != url and _is_meant(rule, url):
        yield finding(
            "rewrite-apache-syntax/target", rule.span, rule=rule.name, text=url, meant=meant
        )
    if flags := _FLAGS.search(rule.pattern or "") or _FLAGS.search(url):
        yield finding(
            "rewrite-apache-syntax/flags", rule.span, rule=rule.name, text=flags[0].strip()
        )
    for condition in rule.conditions:
        pattern = condition.pattern.strip()
        test = _TESTS.get(pattern.lstrip("!"))
        if condition.match_type != "Pattern":
            continue
        if test is not None:
            meant = f'matchType="{test}"' + (' negate="true"' if pattern.startswith("!") else "")
            yield finding(
                "rewrite-apache-syntax/test",
                condition.span,
                rule=rule.name,
                text=pattern,
                meant=meant,
            )
        elif re.match(r"![\^(\\\w]", pattern):
            yield finding(
                "rewrite-apache-syntax/negation",
                condition.span,
                rule=rule.name,
                text=pattern,
                meant=pattern[1:],
            )
        elif flags := _FLAGS.search(pattern):
            yield finding(
                "rewrite-apache-syntax/flags",
                condition.span,
                rule=rule.name,
                text=flags[0].strip(),
            )


def _group(found: re.Match[str]) -> str:
    return f"{{{found[1] or found[3]}:{found[2] or found[4]}}}"


def _expansion(found: re.Match[str]) -> str:
    if found["name"]:
        return f"{{{found['name']}}}"
    return f"{{R:{found['rule']}}}" if found["rule"] else f"{{C:{found['condition']}}}"


def _is_meant(rule: Rule, url: str) -> bool:
    """Whether $1 in a target may be a group: the pattern has one, and no {R:n} is used."""
    numbers = [int(found["rule"] or 0) for found in _EXPANSION.finditer(url)]
    if "%{" in url:
        return True
    if "{R:" in url or "{C:" in url:
        return False
    try:
        groups = capture_count(rule.pattern or "", rule.pattern_syntax, rule.ignore_case)
    except PatternError:
        return True
    in_conditions = any(found["condition"] for found in _EXPANSION.finditer(url))
    return max(numbers) <= groups and (bool(groups) or in_conditions and bool(rule.conditions))
