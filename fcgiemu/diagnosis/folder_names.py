"""The name of a folder at the start of a pattern, and the pattern without it.

A pattern is looked at as people write it: the name in a group of its own or not, with a backslash
before signs that need none, the slash behind it plain, escaped or in brackets. A name that the
pattern may do without is none. What is left is tried: whatever it matches, the pattern matches with
the name before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..rewrite.pattern_errors import PatternError
from ..rewrite.rule import Rule
from . import sample_requests
from .reference_remedies import texts
from .rule_kinds import target

_SLASH = r"(?:\\?/|\[/\])"
#: What follows a name that has no slash behind it.
_BEHIND = re.compile(r"\(|\$|\\b|\.\*|\*|$")
#: A group for the rest of a path with its slash, and the same without.
_REST = re.compile(rf"\((\?:)?{_SLASH}(\(?)\.([*+])(\)?)\)\??")


@dataclass(frozen=True, slots=True)
class FolderName:
    """A folder's name at the start of a pattern."""

    #: What stands before it: ``^`` or nothing.
    anchor: str
    #: The name as a group holds it; "" where it is in none.
    group: str
    #: The pattern behind it.
    rest: str


def start(pattern: str, folder: str, syntax: str) -> FolderName | None:
    """The name of ``folder``, a path without slashes around it, at the start of a pattern: the
    whole path or its last name. None where the pattern begins with another text.
    """
    names = [one for one in (folder, folder.rpartition("/")[2]) if _may_hold(pattern, one)]
    if not names:
        return None
    name = "|".join(map(_written, names))
    if syntax != "ECMAScript":
        found = re.match(rf"(?i)(?:{name})(?:/|$|(?=\*))", pattern)
        return FolderName("", "", pattern[found.end() :]) if found else None
    for opened in (r"\((?!\?)", r"\(\?:", ""):
        closed = r"\)(?![?*{])" if opened else ""
        found = re.match(
            rf"(?i)(?P<anchor>\^?)(?:{_SLASH}\??)?{opened}(?P<name>{name})(?P<inner>{_SLASH}?)"
            rf"{closed}(?P<slash>{_SLASH}?\??)",
            pattern,
        )
        if found is None:
            continue
        rest = pattern[found.end() :]
        has_slash = found["inner"] or found["slash"].strip("?")
        if has_slash or not found["slash"] and _BEHIND.match(rest):
            group = f"{found['name']}{found['inner'][-1:]}".replace("\\", "")
            return FolderName(found["anchor"], group if opened == r"\((?!\?)" else "", rest)
    return None


def _may_hold(pattern: str, name: str) -> bool:
    """Whether the words of a name are in a pattern, which has room for all of it."""
    text = pattern.lower()
    words = re.findall(r"[^\W_]+", name.lower())
    return len(name) <= len(pattern) and all(word in text for word in words)


def _written(name: str) -> str:
    """A regular expression for a name as it is written in a pattern."""
    forms = {" ": r"(?:\\?[ s]|\\x20|%20)", "/": _SLASH}
    return "".join(forms.get(sign, rf"\\?{re.escape(sign)}") for sign in name)


def without(found: FolderName, rule: Rule, folder: str) -> tuple[str, str]:
    """The pattern of a rule without the name at its start, and the target for it where that has to
    be another one, as groups are counted again; "" and "" where that is not known.
    """
    if rule.pattern_syntax != "ECMAScript":
        return found.rest or "*", ""
    rest = _REST.sub(lambda group: f"(.{group[3]})", found.rest, count=1)
    pattern = found.anchor + rest or ".*"
    url = target(rule)
    made = _renumbered(url, found.group) if found.group else url
    others = [text for text, name in texts(rule) if name != "url"]
    is_known = not found.group or not any(map(re.compile(r"\{R:[1-9]").search, others))
    if not is_known or not _fits(pattern, rule, folder):
        return "", ""
    return pattern, made if made != url else ""


def _renumbered(url: str, group: str) -> str:
    """A target for a pattern without its first group, which held ``group``."""
    return re.sub(
        r"\{R:([1-9])\}",
        lambda one: group if one[1] == "1" else f"{{R:{int(one[1]) - 1}}}",
        url,
    )


def _fits(pattern: str, rule: Rule, folder: str) -> bool:
    """Whether what a pattern matches is what the rule's matches behind the name of a folder."""
    try:
        own = [sample_requests.example(pattern, word) for word in ("sample", "1")]
    except PatternError:
        return False
    names = {folder, folder.rpartition("/")[2]}
    before = [f"{begin}{name}{end}" for name in names for begin in ("", "/") for end in ("/", "")]
    matcher = rule.matcher
    return matcher is not None and all(
        text is not None and any(matcher(start + text) is not None for start in before)
        for text in own
    )
