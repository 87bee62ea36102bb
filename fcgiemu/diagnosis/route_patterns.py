"""Patterns written as routes of other programs are, or as people say them: placeholders as :id,
lists of extensions without the dot, a dot between two groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..rewrite.dialect import parse
from ..rewrite.pattern_errors import PLACEHOLDER, PatternError, with_groups
from ..rewrite.rule import Rule
from . import sample_requests
from .condition_remedies import attributes


def findings(rule: Rule) -> Iterator[Finding]:
    """Findings about the regular expressions of a rule."""
    pattern = (rule.pattern or "").strip()
    if rule.pattern_syntax != "ECMAScript":
        return
    if not rule.negate:
        yield from _placeholders(rule, pattern)
        yield from _cut(rule, pattern)
    yield from _extensions(rule, pattern)


# -- placeholders ----------------------------------------------------------------------------------


def _placeholders(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Placeholders of a route, which are text in a pattern, and those of the target."""
    meant = with_groups(pattern)
    if not meant or not _is_valid(pattern):
        return  # one that is not valid gets this remedy as well
    numbers = {
        str(one.lastgroup and one[one.lastgroup]): _groups(pattern[: one.start()]) + count
        for count, one in enumerate(PLACEHOLDER.finditer(pattern), 1)
    }
    url = rule.action.url.source if rule.action.url is not None else ""
    target = re.sub(
        r"(?<=[/=]):(\w+)",
        lambda one: f"{{R:{numbers[one[1]]}}}" if one[1] in numbers else one[0],
        url,
    )
    yield finding(
        f"rewrite-placeholder{'/target' if target != url else ''}",
        rule.span,
        rule=rule.name,
        pattern=pattern,
        meant=attributes(url=meant),
        target=attributes(url=target),
    )


def _is_valid(pattern: str) -> bool:
    try:
        parse(pattern)
    except (PatternError, RecursionError):
        return False
    return True


def _groups(start: str) -> int:
    """How many groups begin in the start of a pattern."""
    return len(re.findall(r"(?<!\\)\((?!\?)", start))


# -- a dot between two groups ----------------------------------------------------------------------

#: A group of letters, a dot, and another group. The letters of a set hold no dot.
_CUT = re.compile(r"\((?:\[[^\]^.]*\]|\\w)[+*]\)(\.)(?=\((?:\[[^\]^.]*\]|\\[wd])[+*]\))")


def _cut(rule: Rule, pattern: str) -> Iterator[Finding]:
    """A dot that takes a letter of a word without a dot, which is cut in two."""
    dots = [one.start(1) for one in _CUT.finditer(pattern)]
    text = sample_requests.example(pattern, "x") if dots else None
    if text is None or rule.matcher is None:
        return
    path = re.sub(r"[^/]+$", "sample", text)
    captured = rule.matcher(path)
    if captured is None or "sample" in captured[1:]:
        return
    meant = pattern
    for at in reversed(dots):
        meant = f"{meant[:at]}\\{meant[at:]}"
    yield finding(
        "rewrite-dot-cuts",
        rule.span,
        rule=rule.name,
        pattern=pattern,
        path=path,
        parts="' and '".join(captured[-2:]),
        meant=meant,
    )


# -- lists of extensions ---------------------------------------------------------------------------

_EXTENSION = (
    "css|js|mjs|map|json|xml|txt|html?|php|aspx?|jpe?g|png|gif|ico|svg|webp|bmp|tiff?|woff2?|ttf|eot"
    "|otf|pdf|zip|mp[34]|webm|docx?|xlsx?|swf|csv"
)
_LIST = re.compile(rf"(?i)\(?(?:\?:)?((?:{_EXTENSION})(?:\|(?:{_EXTENSION})){{2,}})\)?(\$?)")
#: Extensions that no folder is called by.
_SURE = re.compile(r"(?i)\b(?:ico|jpe?g|png|gif|html?|txt|woff2?|ttf|svg|php|map)\b")
#: Extensions -> a path that holds these letters.
_INSIDE = {"js": "jsmith", "ico": "icons/", "htm": "htmx", "css": "css3", "txt": "txt-to-pdf"}
#: Variables that end with the path, and those that may have a query behind it.
_PATHS = frozenset({"{URL}", "{PATH_INFO}", "{SCRIPT_NAME}", "{REQUEST_FILENAME}"})
_WITH_QUERY = frozenset({"{REQUEST_URI}", "{UNENCODED_URL}"})


def _extensions(rule: Rule, pattern: str) -> Iterator[Finding]:
    """Extensions without their dot, which are found in every URL that holds these letters."""
    texts = [(pattern, rule.span, "$")]
    for condition in rule.conditions:
        name = condition.input.source.strip().upper()
        if condition.match_type == "Pattern" and name in _PATHS | _WITH_QUERY:
            end = "(?:\\?|$)" if name in _WITH_QUERY else "$"
            texts.append((condition.pattern.strip(), condition.span, end))
    for text, span, end in texts:
        found = _LIST.fullmatch(text)
        if found is not None and _SURE.search(found[1]):
            words = re.sub(r"\w\?", "", found[1]).split("|")
            inside = next((_INSIDE[word] for word in words if word in _INSIDE), f"{words[0]}-list")
            yield finding(
                "rewrite-extensions",
                span,
                severity="info" if found[2] else "",  # few words end with such letters
                rule=rule.name,
                pattern=text,
                path=f"/my{words[0]}" if found[2] else f"/{inside}",
                meant=f"\\.(?:{found[1]}){end}",
            )
