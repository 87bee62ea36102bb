"""Negative look-aheads that do not do what they were meant to.

A look-ahead takes nothing. So where only the end follows one, ``^(?!api)/?$``, no path but the
empty one matches; where it stands at the end, ``^(.*)(?!api)$``, nothing is left that it could
refuse; without ``^`` a search goes on behind the first character, ``(?!api).*``, where ``pi`` is
not what was to be left out; and a group inside of a negative one holds nothing where the pattern
matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite import pattern_parts as parts
from ..rewrite.dialect import parse
from ..rewrite.pattern import capture_count, compile_matcher
from ..rewrite.pattern_errors import PatternError
from ..rewrite.rule import Rule
from . import sample_requests
from .reference_remedies import texts
from .rewrite_patterns import closing, escaped
from .rule_kinds import target

#: What may stand behind a look-ahead where no text but the empty one, or a slash, is matched.
_ONLY_END = re.compile(r"(?:(?:\\?/|\[\\?/\])[?*]|\((?:\?:)?\\?/\)\?)?\$")
#: Patterns that take all that is left of a path.
_ALL = frozenset({"", ".*", ".*$", ".+", ".+$", "."})


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about the patterns of a rule and of its conditions."""
    if rule.pattern_syntax != "ECMAScript":
        return
    tests = [one for one in rule.conditions if one.match_type == "Pattern"]
    known = [(one.pattern.strip(), one.span, one.negate) for one in tests]
    for pattern, span, negate in [((rule.pattern or "").strip(), rule.span, rule.negate), *known]:
        if "(?!" not in pattern or negate:
            continue
        form, made = "", _without_end(pattern, rule)
        if not made:
            form, made = "/end", _before(pattern)
        if not made:
            form, made = "/anchor", _anchored(pattern)
        if made and _is_pattern(made):
            yield finding(
                f"rewrite-look-ahead{form}", span, rule=rule.name, pattern=pattern, meant=made
            )
        elif span is rule.span:
            yield from _groups(rule, pattern)


def _is_pattern(text: str) -> bool:
    try:
        compile_matcher(text, "ECMAScript", True)
    except PatternError:
        return False
    return True


def _leading(pattern: str) -> tuple[list[str], str]:
    """What the negative look-aheads hold that a pattern begins with, and what follows them."""
    found, rest = [], pattern.removeprefix("^")
    while rest.startswith("(?!") and (end := closing(rest)):
        found.append(rest[3:end])
        rest = rest[end + 1 :]
    return found, rest


def _without_captures(text: str) -> str:
    """A pattern whose groups do not capture."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", text)


def _without_end(pattern: str, rule: Rule) -> str:
    """What was meant by a pattern that lets the end alone follow its look-aheads, with what a
    redirect leads to left out as well; "" for others.
    """
    held, rest = _leading(pattern)
    if not held or not pattern.startswith("^") or not _ONLY_END.fullmatch(rest):
        return ""
    page = target(rule).partition("?")[0].strip("/")
    if rule.action.type == "Redirect" and page and "{" not in page and "://" not in page:
        held.append(escaped(page))
    return f"^(?!{_alternatives(held)}{rest})(.+?)/?$"


def _alternatives(held: Sequence[str]) -> str:
    """One part for what several look-aheads hold, or what is joined with a sign of another
    language, as ``(a)&?!(b)``.
    """
    ways = [
        way.strip("() ") if "&" in text else _without_captures(way)
        for text in held
        for way in (re.split(r"&+\s*\??!?", text) if "&" in text else [text])
    ]
    joined = "|".join(filter(None, ways))
    return f"(?:{joined})" if "|" in joined else joined


def _before(pattern: str) -> str:
    """What was meant by a pattern with a look-ahead at its end, where nothing is left to be looked
    at; "" for others.
    """
    at = pattern.rfind("(?!")
    end = closing(pattern[at:])
    taken, behind = pattern[:at].removeprefix("^"), pattern[at + end + 1 :]
    goes_on = re.search(r"\.[*+]\)?$", taken) is not None
    is_all = goes_on and behind in ("", ".*", ".*$", "(.*)", "(.*)$")
    if not end or not taken or not (behind == "$" or is_all) or taken.startswith("(?!"):
        return ""
    if taken.count("(") != taken.count(")"):
        return ""
    held = _without_captures(pattern[at + 3 : at + end]).removesuffix("$")
    held = f"(?:{held})" if "|" in held else held
    if behind == "$" and not re.search(r"[*+}]", taken):
        return f"{'^' * pattern.startswith('^')}{taken}(?!{held}$)(.+)$"
    if held in ("/", "\\/") and taken in ("(.*)", "(.+)"):
        return "^(.*[^/])$"
    is_open = not pattern.startswith("^") and not re.match(r"\(?\.[*+]", taken)
    return f"^(?!.*{held}{'$' * (behind == '$')}){'.*' * is_open}{taken}$"


def _anchored(pattern: str) -> str:
    """A pattern that begins with look-aheads at the start of what it is looked for in; "" for
    others.
    """
    held, rest = _leading(pattern)
    if not held or pattern.startswith("^") or rest.strip("()") not in _ALL:
        return ""
    return "^" + "".join(f"(?!{one.removeprefix('^')})" for one in held) + rest


# -- groups of which nothing is left ---------------------------------------------------------------


def _groups(rule: Rule, pattern: str) -> Iterator[Finding]:
    """{R:n} of groups inside of negative look-aheads."""
    try:
        inside = set(_captured(parse(pattern).part, False))
    except (PatternError, RecursionError):
        return
    used = {int(n) for text, _ in texts(rule) for n in re.findall(r"\{R:([1-9])\}", text)}
    lost = sorted(used & inside)
    if lost:
        meant = _with_group(pattern)
        form = "group" if meant and max(used) <= _count(meant) else "nothing"
        yield finding(
            f"rewrite-look-ahead/{form}",
            rule.span,
            rule=rule.name,
            pattern=pattern,
            number=lost[0],
            meant=meant,
        )


def _captured(part: parts.Part, is_inside: bool) -> Iterator[int]:
    """The numbers of the groups that stand inside of negative look-aheads."""
    match part:
        case parts.CapturingGroup():
            if is_inside:
                yield part.number
            yield from _captured(part.inner, is_inside)
        case parts.Look():
            yield from _captured(part.inner, is_inside or part.negated)
        case parts.Repeat():
            yield from _captured(part.inner, is_inside)
        case parts.Sequence():
            for one in part.parts:
                yield from _captured(one, is_inside)
        case parts.Alternation():
            for one in part.branches:
                yield from _captured(one, is_inside)
        case _:
            return


def _with_group(pattern: str) -> str:
    """A pattern with a group for what follows its look-aheads, in which nothing is captured; "" for
    one that does not begin with them.
    """
    held, rest = _leading(pattern)
    looks = "".join(f"(?!{_without_captures(one)})" for one in held)
    if held and not _count(rest):
        rest = "(.*)$" if rest in _ALL else f"({rest.removesuffix('$')}){'$' * rest.endswith('$')}"
    made = f"{'^' * pattern.startswith('^')}{looks}{rest}" if held else ""
    return made if made and _is_pattern(made) and sample_requests.example(made, "sample") else ""


def _count(pattern: str) -> int:
    try:
        return capture_count(pattern, "ECMAScript", True)
    except PatternError:
        return 0
