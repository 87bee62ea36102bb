"""A request that a rule applies to, made up from its pattern and conditions: for redirect chains,
coverage, first tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from ..http.request import Request, make_request
from ..http.url import UrlRefused, encode_path
from ..rewrite.dialect import DOT, parse
from ..rewrite.pattern_errors import PatternError
from ..rewrite.pattern_parts import (
    Alternation,
    Assertion,
    CapturingGroup,
    Characters,
    Look,
    Part,
    Reference,
    Repeat,
    Sequence,
    Set,
)
from ..rewrite.regex import TooComplex, compile_pattern
from ..rewrite.rule import Condition, Rule

#: What stands for "any characters", tried in this order.
_WORDS = ("sample", "1", "a-b", "2024")
#: Characters for sets, the commonest first.
_COMMON = "a1-_./A bz9"
#: Characters of a pattern for which a text is looked for, at most.
_LONGEST = 20_000


def example(pattern: str, word: str, turn: int = 0) -> str | None:
    """A text that an ECMAScript pattern finds something in, with ``word`` for what is arbitrary;
    None where it is too hard. Of several possibilities each has its ``turn``.

    A lone dot is most often meant as a dot.
    """
    if len(pattern) > _LONGEST:
        return None
    try:
        text = _of(parse(pattern).part, word, turn)
        found = text is not None and compile_pattern(pattern, False).search(text) is not None
    except (PatternError, RecursionError, TooComplex):
        return None
    return text if found else None


def _of(part: Part, word: str, turn: int) -> str | None:
    """A text for a part of a pattern; None where none is found."""
    match part:
        case Characters():
            return part.text
        case Assertion() | Look():
            return ""
        case Set():
            return "." if part.python == DOT else _member(part.python, turn)
        case Repeat():
            return _repeated(part, word, turn)
        case CapturingGroup():
            return _of(part.inner, word, turn)
        case Alternation():
            return _of(part.branches[turn % len(part.branches)], word, turn)
        case Sequence():
            texts = [_of(inner, word, turn) for inner in part.parts]
            return None if None in texts else "".join(text or "" for text in texts)
        case Reference():
            return None
        case _:
            assert_never(part)


def _repeated(part: Repeat, word: str, turn: int) -> str | None:
    many = part.high is None or part.high > 1
    if isinstance(part.inner, Set) and part.inner.python == DOT and many:
        return word
    single = not isinstance(part.inner, Sequence)
    times = 1 if part.low == 0 and (turn % 2 or many and single) else part.low
    text = _of(part.inner, word, turn)
    return None if text is None else text * times


def _member(python: str, turn: int) -> str | None:
    """A character of a set, one that is common in URLs if possible."""
    members = list(filter(re.compile(python, re.ASCII).match, _COMMON))
    return members[turn % len(members)] if members else None


#: Variables that hold the path, with a slash at its start.
_PATHS = ("REQUEST_URI", "URL", "PATH_INFO", "UNENCODED_URL", "SCRIPT_NAME")


def paths(rule: Rule) -> Iterator[str]:
    """URL paths, relative to the folder of the rule's file, that a rule's pattern and those of its
    conditions match that are about the path; none where they are too hard to make up.
    """
    if rule.pattern is None or rule.matcher and rule.matcher(""):
        yield from _fitting(rule, "")
    for turn, word in enumerate((*_WORDS, "x/y.html", "Z_9")):
        text = _text(rule, word, turn)
        if text is None:
            return
        yield from _fitting(rule, text)


def _fitting(rule: Rule, text: str) -> Iterator[str]:
    """A text, if a rule is for it as far as the path decides."""
    path = f"{rule.base}/{text}"
    if rule.matcher is not None and (rule.matcher(text) is not None) == rule.negate:
        return
    if all(path_holds(condition, path) is not False for condition in rule.conditions):
        yield text


def path_holds(condition: Condition, path: str) -> bool | None:
    """Whether a condition holds for a URL path; None where it is about something else."""
    name = condition.input.source.strip().upper().strip("{}")
    if name not in _PATHS or condition.matcher is None:
        return None
    return (condition.matcher(path) is not None) != condition.negate


def _text(rule: Rule, word: str, turn: int) -> str | None:
    """As ``_path``, below the rule's folder; of a rule for every URL by what its conditions say of
    the path.
    """
    for condition in rule.conditions:
        name = condition.input.source.strip().upper().strip("{}")
        is_asked = name in _PATHS and condition.match_type == "Pattern" and not condition.negate
        if is_asked and rule.pattern_syntax == "ECMAScript" and not rule.match_any:
            text = example(condition.pattern, word, turn)
            return (
                None
                if text is None
                else f"/{text.lstrip('/')}".removeprefix(f"{rule.base}/").lstrip("/")
            )
    path = _path(rule, word, turn)
    return None if path is None else path[len(rule.base) + 1 :]


def requests(rule: Rule) -> Iterator[Request]:
    """Requests that are likely to make ``rule`` apply; the caller asks ``decide`` whether it
    does.
    """
    for word in _WORDS:
        path = _path(rule, word)
        if path is None:
            return
        variables: dict[str, str] = {}
        if not all(_satisfy(condition, word, variables) for condition in rule.conditions):
            return
        query = variables.pop("QUERY_STRING", "")
        method = variables.pop("REQUEST_METHOD", "GET")
        https = variables.pop("HTTPS", "off") == "on"
        scheme, host = "https" if https else "http", variables.pop("HTTP_HOST", "localhost")
        url = f"{scheme}://{host}{encode_path(path)}"
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in variables.items()
            if name.startswith("HTTP_")
        }
        try:
            yield make_request(url + (f"?{query}" if query else ""), method, headers)
        except (UrlRefused, ValueError):
            continue
        if word not in path:
            return


def _path(rule: Rule, word: str, turn: int = 0) -> str | None:
    if rule.pattern is None or rule.negate:
        text: str | None = word
    elif rule.pattern_syntax == "ECMAScript":
        text = example(rule.pattern, word, turn)
    else:
        text = rule.pattern.replace("*", word)
    return None if text is None else f"{rule.base}/{text.lstrip('/')}"


def _satisfy(condition: Condition, word: str, variables: dict[str, str]) -> bool:
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
    if name == "SERVER_PORT":
        secure = condition.matcher is not None and condition.matcher("443") is not None
        variables["HTTPS"] = "on" if secure != condition.negate else "off"
        return True
    if name == "SERVER_PORT_SECURE":
        secure = condition.matcher is not None and condition.matcher("1") is not None
        variables["HTTPS"] = "on" if secure != condition.negate else "off"
        return True
    if name == "HTTPS":
        on = condition.matcher is not None and condition.matcher("on") is not None
        variables[name] = "on" if on != condition.negate else "off"
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
    variables.setdefault(name, text)
    return True
