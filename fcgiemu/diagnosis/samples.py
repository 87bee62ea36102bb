"""A request that a rule applies to, made up from its pattern and conditions: for redirect chains,
coverage, first tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from ..http.request import Request, make_request
from ..http.url import UrlRefused, encode_path
from ..rewrite.dialect import (
    DOT,
    Assertion,
    Choice,
    Group,
    Look,
    Part,
    PatternError,
    Reference,
    Repeat,
    Sequence,
    Set,
    Text,
    parse,
)
from ..rewrite.regex import TooComplex, compile_pattern
from ..rewrite.rule import Condition, Rule

#: What stands for "any characters", tried in this order.
_WORDS = ("sample", "1", "a-b", "2024")


def example(pattern: str, word: str) -> str | None:
    """A text that an ECMAScript pattern finds something in, with ``word`` for what is arbitrary;
    None where it is too hard.

    A lone dot is most often meant as a dot.
    """
    try:
        text = _of(parse(pattern).part, word)
        found = text is not None and compile_pattern(pattern, False).search(text) is not None
    except (PatternError, RecursionError, TooComplex):
        return None
    return text if found else None


def _of(part: Part, word: str) -> str | None:
    """A text for a part of a pattern; None where none is found."""
    match part:
        case Text():
            return part.text
        case Assertion() | Look():
            return ""
        case Set():
            return "." if part.python == DOT else _member(part.python)
        case Repeat():
            return _repeated(part, word)
        case Group():
            return _of(part.inner, word)
        case Choice():
            return _of(part.branches[0], word)
        case Sequence():
            texts = [_of(inner, word) for inner in part.parts]
            return None if None in texts else "".join(text or "" for text in texts)
        case Reference():
            return None
        case _:
            assert_never(part)


def _repeated(part: Repeat, word: str) -> str | None:
    many = part.high is None or part.high > 1
    if isinstance(part.inner, Set) and part.inner.python == DOT and many:
        return word
    single = not isinstance(part.inner, Sequence)
    times = 1 if part.low == 0 and many and single else part.low
    text = _of(part.inner, word)
    return None if text is None else text * times


def _member(python: str) -> str | None:
    """A character of a set, one that is common in URLs if possible."""
    belongs = re.compile(python, re.ASCII).match
    return next((candidate for candidate in "a1-_./A " if belongs(candidate)), None)


def requests(rule: Rule) -> Iterator[Request]:
    """Requests that are likely to make ``rule`` apply; the caller asks ``decide`` whether it
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
