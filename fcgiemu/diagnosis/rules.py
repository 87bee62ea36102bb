"""What is wrong with rewrite rules that IIS accepts: those that never apply, and those that take
too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue import finding
from ..config.diagnostics import Finding
from ..rewrite import compose
from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Condition, Rule
from . import patterns

#: Patterns that every URL matches, as people write them.
_UNIVERSAL = frozenset(
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
#: Patterns that every URL matches but the root folder's.
_NOT_EMPTY = frozenset({".", ".+", "(.+)", "^.+", "^(.+)", "^.+$", "^(.+)$", ".+$", "(.+)$"})
_PREFIX = re.compile(r"\^[\w/-]+")
#: Targets that leave a URL as it is: such a rule only stops, or sets variables.
_SAME = frozenset({"{R:0}", "{R:1}", "{URL}", "/{R:0}", "/{R:1}"})
_REGEX_SIGNS = re.compile(r"[\[\](){}+?|^$\\]|\.\*")


def is_universal(rule: Rule) -> bool:
    """Whether a rule's pattern takes every URL."""
    if rule.pattern is None:
        return True
    if rule.pattern_syntax == "Wildcard":
        return rule.pattern == "*" and not rule.negate
    return (
        rule.pattern_syntax == "ECMAScript"
        and not rule.negate
        and rule.pattern.strip() in _UNIVERSAL
    )


def stops(rule: Rule) -> bool:
    """Whether no rule behind this one is asked where it applies."""
    return rule.stop_processing or rule.action.type in (
        "Redirect",
        "CustomResponse",
        "AbortRequest",
    )


def findings(everything: Sequence[Rule], own: Sequence[Rule]) -> list[Finding]:
    """Findings about the rules ``own`` of one file, which stand among ``everything`` that its
    folder has.
    """
    found = []
    mine = set(map(id, own))
    before = _Before()
    for rule in everything:
        if id(rule) in mine:
            if rule.page_rule is None:
                found += [
                    *_pattern(rule),
                    *_conditions(rule),
                    *_references(rule),
                    *_variables(rule),
                ]
            found += before.findings(rule)
            found += _catch_all(rule)
            found += before.overwritten(rule)
        before.add(rule)
    return found


def _pattern(rule: Rule) -> Iterator[Finding]:
    pattern = (rule.pattern or "").strip()
    is_regex = rule.pattern_syntax == "ECMAScript"
    wants_slash = patterns.begins(pattern) == {"/"} if is_regex else pattern.startswith("/")
    if wants_slash and not rule.negate:
        meant = patterns.without_first(pattern, "/") if is_regex else pattern.lstrip("/")
        meant = "^.*$" if meant in ("^*", "*") and is_regex else meant
        yield finding(
            "rewrite-leading-slash", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    if re.search(r"\\\?[\w-]+=|^\^?https\?*:", pattern) and not rule.negate:
        yield finding(
            "rewrite-query-in-pattern",
            rule.span,
            rule=rule.name,
            pattern=pattern,
        )
    if (
        rule.pattern_syntax == "ECMAScript"
        and re.search(r"(?:^|[\w/.-]{2}|/)\*", pattern)
        and not (_REGEX_SIGNS.search(pattern))
    ):
        meant = pattern.replace(".", "\\.").replace("*", ".*")
        yield finding(
            "rewrite-wildcard-as-regex",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            meant=f"^{meant}$",
        )

    yield from _syntax(rule, pattern)


#: Signs that are special in regular expressions, as people write them for wildcards by mistake.
_NOT_WILDCARD = re.compile(r"[\^$()\\|\[]|\.\*")
#: A host name, as it stands in patterns.
_HOST = re.compile(
    r"\^?(?:www\\?\.[\w-]+|[\w-]+)(?:\\?\.[\w-]+)*\\?\.(?:com|org|net|edu|gov|io)(?:/|\$|$)"
)


def _syntax(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Patterns in the syntax of another kind, or of another input."""
    if rule.negate:
        return
    if rule.pattern_syntax == "Wildcard" and _NOT_WILDCARD.search(pattern):
        meant = re.sub(r"\(?\.[*+]\??\)?", "*", pattern.strip("^$")).replace("\\", "")
        yield finding(
            "rewrite-regex-as-wildcard", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    elif rule.pattern_syntax == "ECMAScript" and re.match(r"/[\w-]+/", pattern):
        yield finding(
            "rewrite-slash-inside",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            meant=f"^{pattern[1:]}",
        )
    elif rule.pattern_syntax == "ECMAScript" and _HOST.match(pattern):
        yield finding("rewrite-query-in-pattern", rule.span, rule=rule.name, pattern=pattern)


def _references(rule: Rule) -> Iterator[Finding]:
    """{R:n} and {C:n} that nothing captures: 500.50 for the requests that the rule applies to."""
    texts = [
        template.source
        for template in (rule.action.url, rule.action.reason, rule.action.description)
        if template
    ]
    texts += [variable.value.source for variable in rule.variables]
    try:
        groups = (
            0
            if rule.negate
            else capture_count(rule.pattern or "", rule.pattern_syntax, rule.ignore_case)
        )
    except PatternError:
        groups = 99  # no count: that the pattern is not valid is said already
    inputs = [condition.input.source for condition in rule.conditions]
    for text in [*texts, *inputs]:
        for number in map(int, re.findall(r"\{R:(\d{1,2})\}", text)):
            if number > groups:
                yield finding(
                    "rewrite-bad-reference/rule",
                    rule.span,
                    rule=rule.name,
                    number=number,
                    groups=groups,
                )
    for text in texts:
        if re.search(r"\{C:\d{1,2}\}", text) and not rule.conditions:
            yield finding(
                "rewrite-bad-reference/condition",
                rule.span,
                rule=rule.name,
            )
        elif rule.conditions:
            yield from _captures(rule, [int(n) for n in re.findall(r"\{C:(\d{1,2})\}", text)])


def _captures(rule: Rule, numbers: list[int]) -> Iterator[Finding]:
    """{C:n} that the conditions cannot fill: only one that is not negated and compares with a
    pattern has groups, and without trackAllCaptures the last of them counts.
    """
    if not numbers:
        return
    counts = [
        _groups(condition, rule.pattern_syntax)
        for condition in rule.conditions
        if condition.match_type == "Pattern" and not condition.negate
    ]
    highest = max(numbers)
    if not counts:
        yield finding("rewrite-bad-reference/negated", rule.span, rule=rule.name, number=highest)
    elif rule.match_any and not highest <= min(counts):
        yield finding("rewrite-bad-reference/any", rule.span, rule=rule.name, number=highest)
    elif not rule.match_any:
        groups = sum(counts) if rule.track_all_captures else counts[-1]
        if highest > groups:
            form = "last" if not rule.track_all_captures and highest <= max(counts) else "groups"
            yield finding(
                f"rewrite-bad-reference/{form}", rule.span, rule=rule.name, number=highest
            )


def _groups(condition: Condition, syntax: str) -> int:
    try:
        return capture_count(condition.pattern, syntax, condition.ignore_case)
    except PatternError:
        return 99  # no count: that the pattern is not valid is said already


def _variables(rule: Rule) -> Iterator[Finding]:
    for variable in rule.variables:
        if not variable.allowed:
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
        )


class _Before:
    """The rules before one that stop: those that take every URL, those that take a prefix, and all
    by their pattern.
    """

    def __init__(self) -> None:
        self._universal: list[Rule] = []
        self._prefixes: list[Rule] = []
        self._fallbacks: list[Rule] = []
        self._rewriting: list[Rule] = []
        self._same: dict[tuple[object, ...], Rule] = {}

    def overwritten(self, rule: Rule) -> Iterator[Finding]:
        """That a rule for every URL replaces what earlier rewrites have made, which do not stop."""
        url = rule.action.url.source if rule.action.url is not None else ""
        replaces = rule.action.type == "Rewrite" and is_universal(rule) and not rule.conditions
        if not replaces or "{R:" in url or "{URL}" in url or rule.page_rule is not None:
            return
        for earlier in self._rewriting:
            if rule.base.startswith(earlier.base):
                yield finding(
                    "rewrite-overwritten",
                    earlier.span,
                    rule=earlier.name,
                    later=rule.name,
                    where=rule.span,
                )

    def add(self, rule: Rule) -> None:
        if rule.action.type == "Rewrite" and not rule.stop_processing and rule.page_rule is None:
            self._rewriting.append(rule)
        if rule.page_rule is not None or not stops(rule):
            return
        takes_all = is_universal(rule) or (rule.pattern or "").strip() in _NOT_EMPTY
        if takes_all and not rule.negate and not _is_fallback(rule):
            self._universal.append(rule)
        elif is_universal(rule) and _is_fallback(rule):
            self._fallbacks.append(rule)
        elif (
            rule.pattern_syntax == "ECMAScript"
            and not rule.negate
            and _PREFIX.fullmatch(rule.pattern or "")
        ):
            self._prefixes.append(rule)
        self._same.setdefault(_pattern_of(rule), rule)

    def findings(self, rule: Rule) -> Iterator[Finding]:
        """That an earlier rule takes every URL this one would match."""
        same = self._same.get(_pattern_of(rule))
        candidates = [
            *self._universal,
            *(earlier for earlier in self._prefixes if _is_prefix(earlier, rule)),
            *([same] if same is not None else []),
        ]
        for earlier in candidates:
            if not rule.base.startswith(earlier.base) or (
                rule.base != earlier.base and earlier is same
            ):
                continue
            if not is_universal(earlier) and earlier in self._universal and _takes_root(rule):
                continue
            if not earlier.conditions or _conditions_of(earlier) == _conditions_of(rule):
                yield finding(
                    "rewrite-never-reached",
                    rule.span,
                    rule=rule.name,
                    earlier=earlier.name,
                    where=earlier.span,
                )
                return
        for earlier in self._fallbacks:
            if rule.base.startswith(earlier.base) and not _is_about_files(rule):
                excluded = any(
                    condition.match_type == "IsFile" and condition.negate
                    for condition in rule.conditions
                )
                yield finding(
                    f"rewrite-never-reached{'' if excluded else '/files'}",
                    rule.span,
                    rule=rule.name,
                    earlier=earlier.name,
                    where=earlier.span,
                )
                return


def _is_fallback(rule: Rule) -> bool:
    """Whether a rule takes every URL that is not an existing file or folder."""
    return (
        rule.action.type == "Rewrite"
        and bool(rule.conditions)
        and not rule.match_any
        and all(
            condition.match_type != "Pattern" and condition.negate for condition in rule.conditions
        )
    )


def _is_about_files(rule: Rule) -> bool:
    """Whether a rule may be meant for the URLs of existing files, or does nothing."""
    return (
        rule.action.type == "None"
        or any(
            condition.match_type != "Pattern"
            for condition in rule.conditions
            if not condition.negate
        )
        or re.search(r"\\\.\(?\w", rule.pattern or "") is not None
    )


def _pattern_of(rule: Rule) -> tuple[object, ...]:
    return rule.pattern, rule.pattern_syntax, rule.negate, rule.ignore_case, rule.base


def _is_prefix(earlier: Rule, rule: Rule) -> bool:
    """Whether an anchored literal begins the pattern of a later rule."""
    if (
        rule.pattern_syntax != "ECMAScript"
        or rule.negate
        or rule.base != earlier.base
        or not (earlier.ignore_case or not rule.ignore_case)
        or "|" in (rule.pattern or "")
    ):
        return False
    text = rule.pattern or ""
    rest = text[len(earlier.pattern or "") :]
    return text.startswith(earlier.pattern or "\0") and not rest.startswith(("?", "*", "{"))


def _takes_root(rule: Rule) -> bool:
    """Whether a rule applies to the root folder, whose path is empty."""
    return rule.matcher is None or (rule.matcher("") is not None) != rule.negate


def _conditions_of(rule: Rule) -> tuple[object, ...]:
    def key(condition: Condition) -> tuple[object, ...]:
        return (
            condition.input.source,
            condition.match_type,
            condition.pattern,
            condition.ignore_case,
            condition.negate,
        )

    return rule.match_any, *sorted(map(repr, map(key, rule.conditions)))


def _catch_all(rule: Rule) -> Iterator[Finding]:
    target = rule.action.url.source.strip() if rule.action.url is not None else ""
    if rule.action.type != "Rewrite" or compose.is_foreign(target) or target in _SAME:
        return
    if is_universal(rule) and not rule.conditions:
        yield finding(
            "rewrite-catch-all",
            rule.span,
            rule=rule.name,
        )
