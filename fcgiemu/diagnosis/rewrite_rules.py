"""What is wrong with rewrite rules that IIS accepts: those that never apply, and those that take
too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from urllib.parse import unquote

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite import targets
from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Condition, Rule
from . import rewrite_patterns, sample_requests

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
    before, leaves_files = _Before(), False
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
            found += _catch_all(rule) if not leaves_files else ()
            found += before.overwritten(rule)
        before.add(rule)
        leaves_files = leaves_files or _stops_for_files(rule)
    return found


def _stops_for_files(rule: Rule) -> bool:
    """Whether no rule behind this one is asked for existing files."""
    of_files = [one for one in rule.conditions if one.match_type == "IsFile" and not one.negate]
    decides = rule.match_any or len(rule.conditions) == 1
    return bool(of_files) and decides and is_universal(rule) and stops(rule)


def _pattern(rule: Rule) -> Iterator[Finding]:
    pattern = (rule.pattern or "").strip()
    is_regex = rule.pattern_syntax == "ECMAScript"
    wants_slash = rewrite_patterns.begins(pattern) == {"/"} if is_regex else pattern.startswith("/")
    if wants_slash and not rule.negate:
        meant = rewrite_patterns.without_first(pattern, "/") if is_regex else pattern.lstrip("/")
        meant = "^.*$" if meant in ("^*", "*") and is_regex else meant
        yield finding(
            "rewrite-leading-slash", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    if re.search(r"\\\?[\w-]+=|^\^?\(?https?\??\)?:", pattern) and not rule.negate:
        yield finding(
            "rewrite-query-in-pattern",
            rule.span,
            rule=rule.name,
            pattern=pattern,
        )
    if not rule.negate and (decoded := _decoded(pattern)):
        yield finding(
            "rewrite-encoded-pattern", rule.span, rule=rule.name, pattern=pattern, meant=decoded
        )
    if is_regex and _is_wildcard(pattern):
        meant = f"^{as_regex(pattern.lstrip('/'))}$"
        yield finding(
            "rewrite-wildcard-as-regex", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    yield from _syntax(rule, pattern)


def _is_wildcard(pattern: str) -> bool:
    """Whether a regular expression was meant as a wildcard pattern."""
    is_plain = _REGEX_SIGNS.search(pattern) is None
    return is_plain and re.search(r"(?:^|[\w/.-]{2}|/)\*", pattern) is not None


def as_regex(wildcard: str) -> str:
    """The regular expression for a wildcard pattern, without anchors."""
    return wildcard.replace(".", "\\.").replace("*", ".*")


def _decoded(pattern: str) -> str:
    """A pattern with encoded characters, such as %20, as the decoded path that it meets has them;
    "" for one without.
    """
    text = re.sub(r"(?:%[0-9A-Fa-f]{2})+", lambda found: unquote(found[0]), pattern)
    return "" if text == pattern or "\ufffd" in text or "%" in text else text


#: Top-level domains that no file name ends with.
_DOMAINS = "com|org|net|edu|gov|io|info|eu|de|uk|fr|nl|us|ca|au|it|ch|at|biz|dev|app|local"
#: A host name at the start of a pattern.
_HOST = re.compile(
    rf"\^?(?:[\w-]+(?:\\?\.[\w-]+)*\\?\.(?:{_DOMAINS})|www\\?\.[\w-]+(?:\\?\.[\w-]+)+)(?:/|\$|$)"
)
#: Variables that hold a part of the URL.
_OF_URLS = frozenset(
    {"{HTTP_HOST}", "{SERVER_NAME}", "{URL}", "{PATH_INFO}", "{REQUEST_URI}", "{UNENCODED_URL}"}
)
#: A dot that is most likely meant as one: in a host name, or before the extension of a file.
_HOST_DOT = re.compile(r"(?<=[\w)?])(?<!\\)\.(?=[A-Za-z]{2,}(?:\.|\$|/|$))|(?<=www)\.(?=[\w(])")
_FILE_DOT = re.compile(
    r"(?<=^\^)\.(?=well-known|git\b|env\b)|(?<=\w)\.(?=(?:html?|php\d?|aspx?|jsp|css|js|xml|txt|json|py|cgi)(?:\$|$))"
)


def _syntax(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Patterns in the syntax of another kind, or of another input."""
    texts = [(condition.pattern, condition.span) for condition in rule.conditions]
    if rule.pattern_syntax != "ECMAScript":
        form = "" if rule.pattern_syntax == "Wildcard" else "/exact"
        for text, span in [(pattern, rule.span), *texts]:
            if rewrite_patterns.is_regex(text) or form and "*" in text:
                lossy = not form and not rewrite_patterns.has_wildcard(text)
                yield finding(
                    f"rewrite-regex-as-wildcard{'/none' if lossy else form}",
                    span,
                    rule=rule.name,
                    pattern=text,
                    meant=rewrite_patterns.as_wildcard(text),
                )
        return
    yield from _wildcards(rule)
    hosts = [
        (condition.pattern, condition.span, _HOST_DOT)
        for condition in rule.conditions
        if condition.input.source.strip().upper() in ("{HTTP_HOST}", "{SERVER_NAME}")
    ]
    for text, span, dot in [(pattern, rule.span, _FILE_DOT), *hosts]:
        if dot.search(text):
            meant = dot.sub(r"\\.", text)
            yield finding("rewrite-unescaped-dot", span, rule=rule.name, pattern=text, meant=meant)
    if not rule.negate:
        yield from _unanchored(rule, pattern)


def _wildcards(rule: Rule) -> Iterator[Finding]:
    """Conditions on parts of a URL that were meant as wildcard patterns."""
    for condition in rule.conditions:
        text, name = condition.pattern, condition.input.source.strip().upper()
        if condition.match_type == "Pattern" and name in _OF_URLS and _is_wildcard(text):
            start = "^/" if name not in ("{HTTP_HOST}", "{SERVER_NAME}") else "^"
            meant = f"{start}{as_regex(text.lstrip('/'))}$"
            yield finding(
                "rewrite-wildcard-as-regex",
                condition.span,
                rule=rule.name,
                pattern=text,
                meant=meant,
            )


def _unanchored(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Patterns that match where they are not meant to."""
    if re.match(r"/[\w-]+/", pattern) or re.fullmatch(r"/[\w-]+\$?", pattern):
        meant = f"^{pattern[1:]}"
        yield finding(
            "rewrite-slash-inside", rule.span, rule=rule.name, pattern=pattern, meant=meant
        )
    elif _HOST.match(pattern) or re.search(r"\w\?[\w-]+=", pattern):
        yield finding("rewrite-query-in-pattern", rule.span, rule=rule.name, pattern=pattern)
    elif (word := re.match(r"[A-Za-z][\w-]*/", pattern)) and rule.action.type in (
        "Rewrite",
        "Redirect",
    ):
        yield finding(
            "rewrite-unanchored", rule.span, rule=rule.name, pattern=pattern, text=word[0]
        )


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
    """The rules before one that stop, by what every URL begins with that they take, and the
    rewrites that do not stop.
    """

    def __init__(self) -> None:
        self._stopping: dict[tuple[str, str], list[tuple[int, Rule]]] = {}
        self._bases: set[str] = set()
        self._rewriting: list[Rule] = []
        self._count = 0

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
        self._count += 1
        if rule.page_rule is not None:
            return
        if rule.action.type == "Rewrite" and not rule.stop_processing:
            self._rewriting.append(rule)
        if stops(rule):
            key = (rule.base, "" if rule.negate else rule.prefix.lower())
            self._stopping.setdefault(key, []).append((self._count, rule))
            self._bases.add(rule.base)

    def findings(self, rule: Rule) -> Iterator[Finding]:
        """That an earlier rule takes every URL this one would match."""
        paths = sample_requests.paths(rule)
        first = next(paths, None) if self._stopping and rule.page_rule is None else None
        candidates = self._candidates(rule, first) if first is not None else []
        texts = [first or "", *paths] if candidates else []
        for earlier in candidates:
            form = _takes(earlier, rule, texts)
            if form == "/files" and not any(texts):
                continue  # for the root alone, which is a folder
            if form is not None:
                if not form and _takes(rule, earlier, list(sample_requests.paths(earlier))) == "":
                    form = "/same"
                yield finding(
                    f"rewrite-never-reached{form}",
                    rule.span,
                    rule=rule.name,
                    earlier=earlier.name,
                    where=earlier.span,
                )
                return

    def _candidates(self, rule: Rule, text: str) -> list[Rule]:
        """Earlier rules that may take a URL path, in order."""
        found: list[tuple[int, Rule]] = []
        for base in self._bases:
            if rule.base.startswith(base):
                below = f"{rule.base}/{text}"[len(base) + 1 :].lower()
                for end in range(len(below) + 1):
                    found += self._stopping.get((base, below[:end]), ())
        return [earlier for _, earlier in sorted(found, key=itemgetter(0))]


def _takes(earlier: Rule, rule: Rule, texts: Sequence[str]) -> str | None:
    """Whether an earlier rule takes every URL that a later one would: "", or "/files" where it
    leaves those of existing files; None where it does not.
    """
    if rule.ignore_case and not earlier.ignore_case and not is_universal(earlier):
        return None
    for text in texts:
        below = f"{rule.base}/{text}"[len(earlier.base) + 1 :]
        if earlier.matcher and (earlier.matcher(below) is not None) == earlier.negate:
            return None
    held = [_holds(condition, rule, texts) for condition in earlier.conditions]
    tests = [
        condition
        for condition, holds in zip(earlier.conditions, held, strict=True)
        if not holds and condition.match_type != "Pattern" and condition.negate
    ]
    if earlier.match_any:
        both = {condition.match_type for condition in tests} == {"IsFile", "IsDirectory"}
        return "" if any(held) or both or not held else None
    if all(held):
        return ""
    leaves_files = len(tests) == held.count(False) and not _is_about_files(rule)
    return None if not leaves_files else "" if _excludes_files(rule) else "/files"


def _holds(condition: Condition, rule: Rule, texts: Sequence[str]) -> bool:
    """Whether a condition of an earlier rule holds for every URL of a later one: it has the same,
    or the URLs themselves fulfil it.
    """
    if not rule.match_any and any(_same(condition, other) for other in rule.conditions):
        return True
    verdicts = [sample_requests.path_holds(condition, f"{rule.base}/{text}") for text in texts]
    return all(verdicts)


def _same(one: Condition, other: Condition) -> bool:
    """Whether two conditions hold for the same requests."""
    if one.input.source.strip().upper() != other.input.source.strip().upper():
        return False
    if one.input.source.strip().upper() == "{HTTPS}" and one.matcher and other.matcher:
        first, second = one.matcher, other.matcher
        return all(
            ((first(value) is not None) != one.negate)
            == ((second(value) is not None) != other.negate)
            for value in ("on", "off")
        )
    return (one.match_type, one.pattern, one.ignore_case, one.negate) == (
        other.match_type,
        other.pattern,
        other.ignore_case,
        other.negate,
    )


def _excludes_files(rule: Rule) -> bool:
    return any(
        condition.match_type == "IsFile" and condition.negate for condition in rule.conditions
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


#: Where a request is sent that is not wanted.
_DENIES = re.compile(
    r"(?i)^/?(?:(?:index|home|default)(?:\.\w+)?|.*(?:err|40[34]|denied|forbid).*)?$"
)


def _is_about_files(rule: Rule) -> bool:
    """Whether a rule may be meant for the URLs of existing files, as one that denies them, or does
    nothing.
    """
    url = rule.action.url.source if rule.action.url is not None else ""
    return (
        rule.action.type in ("None", "CustomResponse", "AbortRequest")
        or any(
            condition.match_type != "Pattern"
            for condition in rule.conditions
            if not condition.negate
        )
        or re.search(r"\\\.\(?\w", rule.pattern or "") is not None
        or rule.action.type == "Redirect"
        and not is_universal(rule)
        and _DENIES.match(url) is not None
        and "*" in (rule.pattern or "")
    )


def _catch_all(rule: Rule) -> Iterator[Finding]:
    target = rule.action.url.source.strip() if rule.action.url is not None else ""
    if rule.action.type != "Rewrite" or targets.is_foreign(target) or target in _SAME:
        return
    folder = target.partition("{")[0].replace("\\", "/").rstrip("/")
    if folder and "{" in target and "." not in folder.rpartition("/")[2]:
        return  # another folder is the site, with the files in it
    if is_universal(rule) and not rule.conditions:
        yield finding(
            "rewrite-catch-all",
            rule.span,
            rule=rule.name,
        )
