"""A request that a rule applies to, made up from its pattern and conditions: for redirect chains,
coverage, first tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from ..http.request import Request, make_request
from ..http.url import UrlRefused, encode_path
from ..rewrite.rule import Condition, Rule

#: What stands for "any characters", tried in this order.
_WORDS = ("sample", "1", "a-b", "2024")


def begins_with_slash(pattern: str) -> bool:
    """Whether an ECMAScript pattern matches only where a slash comes first."""
    try:
        return _slash_first(_parser.parse(pattern), False)
    except (re.error, OverflowError, RecursionError):
        return False


def _slash_first(items: Any, anchored: bool) -> bool:
    for kind, value in items:
        name = str(kind)
        if name == "AT":
            anchored = anchored or str(value) == "AT_BEGINNING"
        elif name == "LITERAL":
            return anchored and chr(value) == "/"
        elif name == "SUBPATTERN":
            return _slash_first(value[-1], anchored)
        elif name == "BRANCH":
            return all(_slash_first(branch, anchored) for branch in value[1])
        elif name in ("MAX_REPEAT", "MIN_REPEAT") and value[0] > 0:
            return _slash_first(value[2], anchored)
        else:
            return False
    return False


def example(pattern: str, word: str) -> str | None:
    """A text that an ECMAScript pattern finds something in, with ``word`` for what is arbitrary;
    None where it is too hard.

    A lone dot is most often meant as a dot.
    """
    try:
        text = _of(_parser.parse(pattern), word)
    except (re.error, OverflowError, RecursionError, NotImplementedError):
        return None
    return text if re.search(pattern, text) else None


def _of(parsed: Any, word: str) -> str:
    return "".join(_item(kind, value, word) for kind, value in parsed)


def _item(kind: Any, value: Any, word: str) -> str:
    name = str(kind)
    if name == "LITERAL":
        return chr(value)
    if name in ("AT", "ASSERT_NOT"):
        return ""
    if name == "ANY":
        return "."
    if name == "NOT_LITERAL":
        return "a" if value != ord("a") else "b"
    if name == "IN":
        return _member(value)
    if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return _repeated(value[0], value[1], value[2], word)
    if name == "SUBPATTERN":
        return _of(value[-1], word)
    if name == "BRANCH":
        return _of(value[1][0], word)
    if name == "ASSERT":
        return ""
    raise NotImplementedError(name)


def _repeated(low: Any, high: Any, inner: Any, word: str) -> str:
    if len(inner) == 1 and str(inner[0][0]) == "ANY" and high > 1:
        return word
    times = 1 if low == 0 and high > 1 and len(inner) == 1 else int(low)
    return _of(inner, word) * times


def _member(choices: Any) -> str:
    for candidate in "a1-_./A ":
        if _belongs(candidate, choices):
            return candidate
    raise NotImplementedError


def _belongs(candidate: str, choices: Any) -> bool:
    negate, code = False, ord(candidate)
    for kind, value in choices:
        name = str(kind)
        if name == "NEGATE":
            negate = True
        elif (
            (name == "LITERAL" and value == code)
            or (name == "RANGE" and value[0] <= code <= value[1])
            or (
                name == "CATEGORY"
                and re.match(
                    {"CATEGORY_DIGIT": r"\d", "CATEGORY_WORD": r"\w", "CATEGORY_SPACE": r"\s"}.get(
                        str(value), r"\W"
                    ),
                    candidate,
                )
            )
        ):
            return not negate
    return negate


def requests(rule: Rule) -> Iterator[Request]:
    """Requests that are likely to make ``rule`` apply; whoever uses one asks ``decide`` whether it
    does.
    """
    for word in _WORDS:
        path = _path(rule, word)
        if path is None:
            return
        wanted: dict[str, str] = {}
        if not all(_satisfy(condition, word, wanted) for condition in rule.conditions):
            return
        query = wanted.pop("QUERY_STRING", "")
        method = wanted.pop("REQUEST_METHOD", "GET")
        https = wanted.pop("HTTPS", "off") == "on"
        scheme, host = "https" if https else "http", wanted.pop("HTTP_HOST", "localhost")
        url = f"{scheme}://{host}{encode_path(path)}"
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in wanted.items()
            if name.startswith("HTTP_")
        }
        try:
            yield make_request(url + (f"?{query}" if query else ""), method, headers)
        except (UrlRefused, ValueError):
            continue
        if word not in path:
            return


def _path(rule: Rule, word: str) -> str | None:
    if rule.pattern is None or rule.negate:
        text: str | None = word
    elif rule.pattern_syntax == "ECMAScript":
        text = example(rule.pattern, word)
    else:
        text = rule.pattern.replace("*", word)
    return None if text is None else f"{rule.base}/{text.lstrip('/')}"


def _satisfy(condition: Condition, word: str, wanted: dict[str, str]) -> bool:
    """Put what a condition wants into ``wanted``; False where that cannot be made up."""
    variable = re.fullmatch(r"\{([A-Za-z_]+)\}", condition.input.source.strip())
    if condition.match_type != "Pattern":
        return condition.negate
    if variable is None:
        value = condition.input.constant
        return (
            value is not None
            and condition.matcher is not None
            and ((condition.matcher(value) is not None) != condition.negate)
        )
    name = variable[1].upper()
    if name in ("REQUEST_URI", "URL", "PATH_INFO", "REQUEST_FILENAME", "UNENCODED_URL"):
        return True  # the path is what the rule's own pattern wants
    if name == "SERVER_PORT_SECURE":
        secure = condition.matcher is not None and condition.matcher("1") is not None
        wanted["HTTPS"] = "on" if secure != condition.negate else "off"
        return True
    if name == "HTTPS":
        on = condition.matcher is not None and condition.matcher("on") is not None
        wanted[name] = "on" if on != condition.negate else "off"
        return True
    if condition.negate:
        return True
    text = example(condition.pattern, word) if condition.pattern else ""
    if (
        text is None
        or name not in ("QUERY_STRING", "REQUEST_METHOD")
        and not name.startswith("HTTP_")
    ):
        return False
    wanted.setdefault(name, text)
    return True
