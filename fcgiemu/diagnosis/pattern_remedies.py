"""What a pattern was meant to be that asks for more than the path: the query and the host are
conditions of their own, and groups in them are {C:n}.
"""

from __future__ import annotations

import re

from ..rewrite.pattern import capture_count
from ..rewrite.regex import PatternError
from ..rewrite.rule import Rule
from .condition_remedies import SCHEME, attributes

#: Where the query begins in a pattern.
_MARK = re.compile(r"\\\?|\[(?:\\?[?&]){1,2}\]|[?&](?=[\w-]+=)")
#: A host at the start of a pattern, up to its slash.
_HOST = re.compile(r"\^?((?:\([^()]*\)[?]?|[^/()\\]|\\[^/])+?)(?:\\?/|\$?$)")


def in_conditions(rule: Rule, pattern: str) -> str:
    """The attributes and the condition of a rule whose pattern holds a query or a host; "" where
    that is not known.
    """
    is_regex = rule.pattern_syntax == "ECMAScript"
    url = written = rule.action.url.source if rule.action.url is not None else ""
    if rule.match_any and rule.conditions or "{C:" in url:
        return ""
    mark = _MARK.search(pattern) if is_regex else re.search(r"\?", pattern)
    if mark is not None:
        before, behind = pattern[: mark.start()], pattern[mark.end() :]
        name, tested = "{QUERY_STRING}", f"^{behind}" if is_regex else behind
        if is_regex and mark[0] == "?" and before.endswith("/"):
            before += "?"  # as it was written, the slash may be missing
        path = f"{before}$" if is_regex else before
        first = _count(before, rule)
    else:
        rest = SCHEME.sub("", pattern)
        host = _HOST.match(rest)
        of_scheme = re.findall(r"\((?!\?)", pattern[: len(pattern) - len(rest)])
        if host is None or of_scheme and "{R:1}" in url:
            return ""
        url = re.sub(r"(?<=\{R:)[2-9]", lambda one: str(int(one[0]) - len(of_scheme)), url)
        name, tested = "{HTTP_HOST}", _anchored(host[1]) if is_regex else host[1]
        left = rest[host.end() :] if host[0].endswith("/") else ""
        path = (f"^{left}" if left else "^(.*)$") if is_regex else left or "*"
        first = -1
    moved = _count(tested, rule)
    if first is None or moved is None or _count(path, rule) is None:
        return ""
    made = _renumbered(url, first, moved)
    changed = {"url": made} if made != written else {}
    appends = rule.action.type == "Redirect" and rule.action.append_query_string
    if name == "{QUERY_STRING}" and appends:
        changed["appendQueryString"] = "false"
    action = f"{attributes(**changed)} in <action>, " if changed else ""
    condition = f"<add {attributes(input=name, pattern=tested)} />"
    return f"{attributes(url=path)} in <match>, {action}and add {condition} as a condition"


def _anchored(host: str) -> str:
    return "^" + re.sub(r"(?<!\\)\.(?![*+])", r"\\.", host) + "$"


def _count(pattern: str, rule: Rule) -> int | None:
    """The groups of a part of a pattern; None where it is not a pattern."""
    try:
        return capture_count(pattern, rule.pattern_syntax, rule.ignore_case)
    except PatternError:
        return None


def _renumbered(url: str, first: int, moved: int) -> str:
    """A target whose {R:n} are those of a pattern from which ``moved`` groups have gone: behind the
    ``first`` ones, or at its start (-1).
    """

    def other(found: re.Match[str]) -> str:
        number = int(found[1])
        if first < 0:
            return f"{{C:{number}}}" if 0 < number <= moved else f"{{R:{max(number - moved, 0)}}}"
        return f"{{C:{number - first}}}" if first < number <= first + moved else found[0]

    return re.sub(r"\{R:(\d)\}", other, url)


def below(rule: Rule, folder: str) -> str:
    """The attributes of a rule for all that is below a folder: in a target that has the folder
    itself, {R:0} is what is behind it.
    """
    url = rule.action.url.source if rule.action.url is not None else ""
    made = re.sub(rf"(?i)(?<=/){re.escape(folder)}/\{{R:0\}}", f"{folder}/{{R:1}}", f"/{url}")[1:]
    changed = f", {attributes(url=made)} in <action>" if made != url else ""
    return f"{attributes(url=f'^{folder}/(.*)$')} in <match>{changed}"


#: A pattern that ends with a group for everything, behind a word. What follows an extension, or
#: one letter, is seldom a path.
_OPEN = re.compile(r"(.*(?<!\\)(?:\w\w|\)))(?<!\.\w\w\w)(?<!\.\w{4})\(\.([*+])\)\$?")


def with_slash(pattern: str, begins: str = "/") -> str:
    """A pattern that ends with a group for the rest of a path, which begins with a slash or is
    empty; "" for another one. ``begins`` is the pattern for that slash.
    """
    found = _OPEN.fullmatch(pattern)
    return f"{found[1]}({begins}.*)?$" if found else ""


def behind_slash(pattern: str, _: str = "") -> str:
    """As ``with_slash``, of a group that begins behind the slash."""
    found = _OPEN.fullmatch(pattern)
    return f"{found[1]}/?(.{found[2]})$" if found else ""
