"""What to write for a ``{R:n}`` or ``{C:n}`` that nothing fills: another number, another variable,
or a group around what the pattern leaves open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Condition, Rule
from .condition_remedies import attributes, quoted, written

#: A part of a pattern that stands for texts of some length.
_OPEN = re.compile(r"(?:\\[dwDW]|\[[^\]]*\]|\.)[*+]\??")
#: A target whose host is a reference.
_IS_HOST = r"(?i)://(?:www\.)?\{{{}\}}"


#: Names of variables about the user, whom no part of a URL names.
_OF_USERS = re.compile(r"(?i)user|auth|login|logon|account|principal")


def with_groups(pattern: str, syntax: str) -> str:
    """A pattern with a group around each open part that is in none; "" where a group comes before
    those that it has, so that their numbers would change.
    """
    if syntax != "ECMAScript":
        return ""
    made, depth, at, begun = "", 0, 0, False
    while at < len(pattern):
        found = _OPEN.match(pattern, at) if not depth else None
        if found is not None:
            made, at, begun = f"{made}({found[0]})", found.end(), True
            continue
        part = re.compile(r"\\.|\[[^\]]*\]|.", re.DOTALL).match(pattern, at)
        text = part[0] if part else pattern[at]
        if text == "(" and begun:
            return ""
        depth += {"(": 1, ")": -1}.get(text, 0)
        made, at = made + text, at + len(text)
    return made


def as_group(pattern: str) -> str:
    """An anchored pattern with a group around all of it."""
    start, end = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    inner = pattern[start : len(pattern) - end]
    return f"{'^' * start}({inner}){'$' * end}"


def of_rule(rule: Rule, text: str, number: int, groups: int) -> str:
    """What to write for ``{R:number}`` in a text of a rule whose pattern has fewer groups; "" where
    each of them is used, and nothing tells what another one is to hold.
    """
    used = {int(one) for known, _ in texts(rule) for one in re.findall(r"\{R:(\d)\}", known)}
    pattern = rule.pattern or ""
    if not rule.negate and (not groups or groups in used):
        grouped = with_groups(pattern, rule.pattern_syntax)
        if grouped and count(grouped, rule) >= max(used):
            return f"{attributes(url=grouped)} in <match>"
        if groups in used and groups:
            return ""
    if rule.negate:
        return _written(rule, text, _as_url(text, f"{{R:{number}}}"))
    return _written(rule, text, text.replace(f"{{R:{number}}}", f"{{R:{groups}}}"))


def of_pattern(rule: Rule, text: str) -> str:
    """What to write for the ``{C:n}`` of a text where no condition has groups: those of the rule's
    own pattern; "" where they are the host of a target, or a variable about the user.
    """
    if any(one.value.source == text and _OF_USERS.search(one.name) for one in rule.variables):
        return ""
    groups = 0 if rule.negate else count(rule.pattern or "", rule)
    made = text
    for number in sorted(set(re.findall(r"\{C:(\d)\}", text))):
        name = f"{{C:{number}}}"
        if re.search(_IS_HOST.format(f"C:{number}"), made):
            return ""
        if rule.negate:
            made = _as_url(made, name)
        else:
            made = made.replace(name, f"{{R:{min(int(number), groups)}}}")
    return _written(rule, text, made)


def of_conditions(rule: Rule, text: str, number: int, counts: Sequence[int]) -> str:
    """What to write for ``{C:number}`` in a text of a rule whose conditions have fewer groups;
    ``counts`` are those of the patterns that may fill it. "" where that is not known.
    """
    groups = sum(counts) if rule.track_all_captures else counts[-1]
    if re.search(_IS_HOST.format(f"C:{number}"), text):
        return _written(rule, text, text.replace(f"{{C:{number}}}", "{HTTP_HOST}"))
    if groups and not rule.match_any:
        used = f"{{C:{groups}}}" in text
        other = text.replace(f"{{C:{number}}}", f"{{C:{groups}}}")
        return "" if used else _written(rule, text, other)
    own = 0 if rule.negate else count(rule.pattern or "", rule)
    is_free = not any("{R:" in known for known, _ in texts(rule))
    if own >= number and is_free or all(map(_is_switch, _able(rule))):
        return of_pattern(rule, text)
    if number > 1 or rule.pattern_syntax != "ECMAScript":
        return ""
    if rule.match_any and any(_is_part(one.pattern) for one in _able(rule)):
        return ""  # one of all of another pattern would hold something else
    made = []
    for condition in _able(rule) if rule.match_any else _able(rule)[-1:]:
        if not count(condition.pattern, rule):
            grouped = attributes(pattern=as_group(condition.pattern))
            made.append(f"{grouped} in the condition {written(condition)}")
    return " and ".join(made)


def _is_part(pattern: str) -> bool:
    """Whether a pattern has a group that does not hold all of it."""
    group = re.search(r"(?<!\\)\((?!\?)", pattern)
    return group is not None and re.fullmatch(r"\^?\([^()]*\)\$?", pattern) is None


def of_outbound(pattern: str, value: str, number: int, groups: int) -> str:
    """What to write for ``{R:number}`` in the value of an outbound rule."""
    grouped = with_groups(pattern, "ECMAScript") if not groups else ""
    if grouped:
        return f"{attributes(pattern=grouped)} in <match>"
    made = value.replace(f"{{R:{number}}}", f"{{R:{groups}}}")
    return f"{attributes(value=made)} in <action>"


def texts(rule: Rule) -> Iterator[tuple[str, str]]:
    """The texts of a rule that may hold references, and the name of the attribute that each is."""
    action = rule.action
    for name, template in (
        ("url", action.url),
        ("statusReason", action.reason),
        ("statusDescription", action.description),
    ):
        if template is not None:
            yield template.source, name
    for variable in rule.variables:
        yield variable.value.source, "value"
    for condition in rule.conditions:
        yield condition.input.source, "input"


#: Variables of few values, of which nobody wants a part.
_SWITCHES = frozenset({"{HTTPS}", "{REQUEST_METHOD}", "{SERVER_PORT}", "{SERVER_PORT_SECURE}"})


def _is_switch(condition: Condition) -> bool:
    return condition.input.source.strip().upper() in _SWITCHES


def _able(rule: Rule) -> list[Condition]:
    """The conditions that may have groups."""
    return [one for one in rule.conditions if one.match_type == "Pattern" and not one.negate]


def count(pattern: str, rule: Rule) -> int:
    """The groups of a pattern of a rule; many where it is not valid, which is said already."""
    try:
        return capture_count(pattern, rule.pattern_syntax, rule.ignore_case)
    except PatternError:
        return 99


def _as_url(text: str, reference: str) -> str:
    """A text with the whole path in the place of a reference."""
    return re.sub(rf"/?{re.escape(reference)}", "{URL}", text)


def _written(rule: Rule, text: str, made: str) -> str:
    """A text as the attribute that it is."""
    name = next((name for known, name in texts(rule) if known == text), "url")
    places: Iterable[str] = ()
    if name == "value":
        places = (
            f" in <set name={quoted(variable.name)}>"
            for variable in rule.variables
            if variable.value.source == text
        )
    elif name == "input":
        places = (
            f" in the condition {written(one)}"
            for one in rule.conditions
            if one.input.source == text
        )
    else:
        places = (" in <action>",)
    return f"{name}={quoted(made)}{next(iter(places), '')}"
