"""What is wrong with rewrite rules that IIS accepts: groups that nothing fills, variables that may
not be set, conditions without a variable, rules that take too much.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence

from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..rewrite import targets
from ..rewrite.rule import Rule
from . import reference_remedies, route_patterns, rule_patterns
from .condition_remedies import written
from .rule_kinds import SAME, is_universal, stops_for, stops_for_dots
from .rule_order import Before


def findings(
    everything: Sequence[Rule],
    own: Sequence[Rule],
    outside: Container[Span] = (),
    above: Sequence[Rule] = (),
) -> list[Finding]:
    """Findings about the rules ``own`` of one file, which stand among ``everything`` that its
    folder has; ``outside`` are the places of those that a <location> of it inherits, ``above`` the
    rules of the folder above.
    """
    found = []
    mine = set(map(id, own))
    before, leaves_files = Before(outside, above), False
    for rule in everything:
        if id(rule) in mine:
            if rule.page_rule is None:
                found += [
                    *rule_patterns.findings(rule),
                    *route_patterns.findings(rule),
                    *_conditions(rule),
                    *_references(rule),
                    *_variables(rule),
                ]
            found += before.findings(rule)
            found += _catch_all(rule) if not leaves_files else ()
            found += before.overwritten(rule)
            found += before.idle(rule)
        before.add(rule)
        leaves_files = leaves_files or stops_for(rule, "IsFile") or stops_for_dots(rule)
    return found


def _references(rule: Rule) -> Iterator[Finding]:
    """{R:n} and {C:n} that nothing captures: 500.50 for the requests that the rule applies to."""
    texts = [
        template.source
        for template in (rule.action.url, rule.action.reason, rule.action.description)
        if template
    ]
    texts += [variable.value.source for variable in rule.variables]
    groups = 0 if rule.negate else reference_remedies.count(rule.pattern or "", rule)
    inputs = [condition.input.source for condition in rule.conditions]
    for text in [*texts, *inputs]:
        for number in map(int, re.findall(r"\{R:(\d{1,2})\}", text)):
            if number > groups:
                meant = reference_remedies.of_rule(rule, text, number, groups)
                yield finding(
                    f"rewrite-bad-reference/{'not' if rule.negate else 'rule' if meant else 'few'}",
                    rule.span,
                    rule=rule.name,
                    number=number,
                    meant=meant,
                )
    for text in texts:
        if re.search(r"\{C:\d{1,2}\}", text) and not rule.conditions:
            meant = reference_remedies.of_pattern(rule, text)
            yield finding(
                f"rewrite-bad-reference/{'no-condition' if meant else 'condition'}",
                rule.span,
                rule=rule.name,
                meant=meant,
            )
        elif rule.conditions:
            yield from _captures(rule, text)


#: A host in a target, or the end of one, that a condition is to fill.
_HOST = re.compile(r"(?i)(https?://)([\w.-]*)\{C:\d\}(?=[/:?#{]|$)")


def _with_host(rule: Rule, text: str) -> str:
    """A target with {HTTP_HOST} for what a negated condition on it was to fill; "" where that host
    is not one which the condition leaves out: it would be a loop.
    """
    host = _HOST.match(text)
    fits = host is not None and any(
        condition.input.source.strip().upper() in ("{HTTP_HOST}", "{SERVER_NAME}")
        and condition.matcher is not None
        and condition.negate
        and condition.matcher(f"{host[2]}example.org") is not None
        for condition in rule.conditions
    )
    return _HOST.sub(r"\g<1>\g<2>{HTTP_HOST}", text) if fits else ""


def _captures(rule: Rule, text: str) -> Iterator[Finding]:
    """{C:n} of a text that the conditions cannot fill: only one that is not negated and compares
    with a pattern has groups, and without trackAllCaptures the last of them counts.
    """
    numbers = [int(number) for number in re.findall(r"\{C:(\d{1,2})\}", text)]
    if not numbers:
        return
    counts = [
        reference_remedies.count(condition.pattern, rule)
        for condition in rule.conditions
        if condition.match_type == "Pattern" and not condition.negate
    ]
    highest = max(numbers)
    if not counts:
        meant = _with_host(rule, text)
        form = "host"
        if not meant:
            meant = reference_remedies.of_pattern(rule, text)
            form = "all-negated" if meant else "negated"
    elif rule.match_any and not highest <= min(counts):
        meant = reference_remedies.of_conditions(rule, text, highest, counts)
        form = "alternatives" if highest > max(counts) else "any" if meant else "each"
    elif not rule.match_any and highest > (sum(counts) if rule.track_all_captures else counts[-1]):
        is_last = not rule.track_all_captures and highest <= max(counts)
        meant = reference_remedies.of_conditions(rule, text, highest, counts)
        form = "last" if is_last else "groups" if meant else "more"
    else:
        return
    yield finding(
        f"rewrite-bad-reference/{form}", rule.span, rule=rule.name, number=highest, meant=meant
    )


#: Request headers as variables, without the HTTP_ that makes them one.
_HEADER = re.compile(r"X_\w+|ACCEPT(?:_\w+)?|AUTHORIZATION|COOKIE|HOST|ORIGIN|REFERER|USER_AGENT")


def _variables(rule: Rule) -> Iterator[Finding]:
    for variable in rule.variables:
        meant = variable.name.strip("{}").upper().replace("-", "_")
        if meant != variable.name.upper() or _HEADER.fullmatch(meant):
            meant = meant if meant.startswith("HTTP_") or "{" in variable.name else f"HTTP_{meant}"
            yield finding(
                f"rewrite-variable-name{'' if variable.allowed else '/alone'}",
                variable.span,
                rule=rule.name,
                variable=variable.name,
                meant=meant,
            )
        elif not variable.allowed:
            yield finding(
                "rewrite-variable-not-allowed",
                variable.span,
                rule=rule.name,
                variable=variable.name,
            )


def _conditions(rule: Rule) -> Iterator[Finding]:
    for condition in rule.conditions:
        source = condition.input.source.strip()
        if (
            re.match(r"%\{\w+\}", source)
            or condition.match_type != "Pattern"
            and re.fullmatch(r"[A-Z_]{3,}", source)
        ):
            yield finding(
                "rewrite-literal-condition/variable",
                condition.span,
                rule=rule.name,
                text=source,
                name=source.strip("%{}"),
            )
            continue
        value = condition.input.constant
        if (
            value is None
            or "{" in condition.input.source
            or condition.match_type != "Pattern"
            or condition.matcher is None
        ):
            continue
        holds = (condition.matcher(value) is not None) != condition.negate
        effect = (
            "always holds"
            if holds
            else "never holds" + ("" if rule.match_any else ", so the rule never applies")
        )
        is_name = re.fullmatch(r"%?\{?[A-Z_]{3,}\}?%?", value)
        yield finding(
            f"rewrite-literal-condition/{'near' if is_name else 'text'}",
            condition.span,
            rule=rule.name,
            text=value,
            pattern=condition.pattern,
            effect=effect,
            name=value.strip("{}%"),
            condition=written(condition),
        )


def _catch_all(rule: Rule) -> Iterator[Finding]:
    target = rule.action.url.source.strip() if rule.action.url is not None else ""
    if rule.action.type != "Rewrite" or targets.is_foreign(target) or target in SAME:
        return
    folder = target.partition("{")[0].replace("\\", "/").rstrip("/")
    if folder and "{" in target and "." not in folder.rpartition("/")[2]:
        return  # another folder is the site, with the files in it
    if re.search(r"(?i)\.[cm]?js$", target):
        return  # a Node application sends its files itself, and its sources lie beside them
    if is_universal(rule) and not rule.conditions:
        yield finding(
            "rewrite-catch-all",
            rule.span,
            rule=rule.name,
        )
