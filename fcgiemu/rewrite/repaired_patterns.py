"""A pattern that IIS's engine refuses, as it was meant: the first of the usual corrections with
which it is one that the engine takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .regex import PatternError, compile_pattern


def repaired(pattern: str) -> str:
    """The pattern that was meant; "" where that is not known, and for one that refers to the groups
    of another, which none can.
    """
    if re.search(r"\{[RC]:\d\}", pattern):
        return ""
    for candidate in _candidates(pattern):
        if candidate != pattern and _is_valid(candidate):
            return candidate
    return ""


#: What an input may hold, and a pattern may not: a group of another pattern, a variable.
_REFERENCE = re.compile(r"\{(?:[RC]:\d|[A-Z]{3,}[A-Z_]*)\}")


def with_reference(pattern: str, tested: str) -> tuple[str, str] | None:
    """The input and the pattern of a condition on ``tested`` whose pattern holds one reference,
    which is not replaced there: what it refers to stands before the text in the input, and a group
    holds it. None for another pattern, and for one with groups, whose numbers would change.
    """
    known = set(_REFERENCE.findall(pattern))
    rest = re.sub(r"^\^?", "", pattern)
    if len(known) != 1 or re.search(r"(?<!\\)\((?!\?)", pattern):
        return None
    start = "" if pattern.startswith("^") else ".*"
    made = f"^(.+)#{start}{_REFERENCE.sub(lambda _: chr(92) + '1', rest)}"
    return (f"{known.pop()}#{tested}", made) if _is_valid(made) else None


def _is_valid(pattern: str) -> bool:
    try:
        compile_pattern(pattern, ignore_case=True)
    except PatternError:
        return False
    return True


def _candidates(pattern: str) -> Iterator[str]:
    """Each correction alone, then all that came before it together."""
    together = pattern
    for correct in _CORRECTIONS:
        together = correct(together)
        yield correct(pattern)
        yield together


def _stars(pattern: str) -> str:
    """Stars of a wildcard pattern, which repeat nothing here: each is a group, as there."""
    pattern = re.sub(r"\*{2,}", "*", pattern)
    if not re.search(r"[\[\](){}+?|\\]|\.\*", pattern):
        return f"^{pattern.strip('^$').replace('.', chr(92) + '.').replace('*', '(.*)')}$"
    return re.sub(r"(^\^?|\|)\*", r"\1(.*)", re.sub(r"(\(\^?|(?<=\()[^()]*\|)\*", r"\1.*", pattern))


def _extensions(pattern: str) -> str:
    """What regular expressions of other programs have: flags, names of groups."""
    text = re.sub(r"^\(\?[imsx]+\)", "", pattern)
    text = re.sub(r"\(\?P?<\w+>|\(\?'\w+'", "(", text)
    return re.sub(r"\(\?[>|]", "(?:", text)


def _slashes(pattern: str) -> str:
    """A backslash for the slash before a group."""
    return re.sub(r"(?<=\w)\\(?=\([^()]*\))", "/", pattern)


def _letters(pattern: str) -> str:
    """Backslashes before letters that mean nothing, and at the end."""
    text = re.sub(r"\\([A-Za-z])", lambda one: one[0] if one[1] in _KNOWN else one[1], pattern)
    return text[:-1] if text.endswith("\\") and not text.endswith("\\\\") else text


#: Letters that mean something behind a backslash.
_KNOWN = "bBdDsSwWcfnrtvxu"


def _sets(pattern: str) -> str:
    """Ranges that end before they begin."""
    return pattern.replace("A-z", "A-Za-z").replace("a-Z", "a-zA-Z")


def _brackets(pattern: str) -> str:
    """A set or a group that is not closed, or not opened."""
    opened, text = 0, ""
    for part in re.findall(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", pattern, re.DOTALL):
        if part == ")" and not opened:
            continue
        opened += {"(": 1, ")": -1}.get(part, 0)
        text += part
    if not _is_valid(text):
        text = re.sub(r"\[([^\[\]]*?)((?:[+*]?\)?\$?)?)$", r"[\1]\2", text)
    end = "$" if text.endswith("$") and opened else ""
    return text.removesuffix(end) + ")" * opened + end


def _braces(pattern: str) -> str:
    """Braces that are no count."""
    return re.sub(r"(?<!\\)\{(?!\d+(?:,\d*)?\})([^{}]*)\}?", r"\\{\1\\}", pattern)


def _repeated(pattern: str) -> str:
    """Signs of repetition that have nothing to repeat."""
    return re.sub(r"(^\^?|[(|])[?+]+(?![:=!<])", r"\1", re.sub(r"([*+?])[*+]+", r"\1", pattern))


_CORRECTIONS: tuple[Callable[[str], str], ...] = (
    _stars,
    _extensions,
    _sets,
    _slashes,
    _brackets,
    _letters,
    _repeated,
    _braces,
)
