"""Why IIS's engine refuses a pattern: categories of Microsoft's TR1 library; and what was meant by
patterns in the syntax of something else.
"""

from __future__ import annotations

import re

#: Category -> the text Microsoft documents for it (cpp-docs, regex_constants::error_type).
MESSAGES = {
    "error_badbrace": "The expression contained an invalid count in a { } expression.",
    "error_badrepeat": (
        "A repeat expression (one of '*', '?', '+', '{' in most contexts) was not preceded by an"
        " expression."
    ),
    "error_brace": "The expression contained an unmatched '{' or '}'.",
    "error_brack": "The expression contained an unmatched '[' or ']'.",
    "error_paren": "The expression contained an unmatched '(' or ')'.",
    "error_range": "The expression contained an invalid character range specifier.",
    "error_escape": "The expression contained an invalid escape character or a trailing escape.",
    "error_backref": "The expression contained an invalid back reference.",
    "error_ctype": "The expression contained an invalid character class name.",
    "error_collate": "The expression contained an invalid collating element name.",
    "error_syntax": "The expression has an invalid syntax.",
    "error_stack": "There was insufficient memory to determine if the expression could match.",
    "error_complexity": "The complexity of an attempted match exceeded a pre-set level.",
}


class PatternError(ValueError):
    """A pattern IIS's engine refuses: ``category`` of the library, its message, and the offset in
    the pattern.
    """

    def __init__(self, category: str, position: int, hint: str = "") -> None:
        super().__init__(MESSAGES[category])
        self.category = category
        self.position = position
        self.hint = hint


#: A backslash between two folders: a word before it, and a word, any number of dots or a group of
#: anything behind it.
_SEPARATOR = re.compile(
    r"(?<=[\w-]{2})\\(?=[A-Za-z][\w-]*[A-Za-z][\w-]*(?:[\\/$(.]|$)|\.[*+]|\(\.[*+]\))"
)


def with_slashes(pattern: str) -> str:
    """A pattern that has backslashes between folders as it was meant; "" for another one."""
    meant = _SEPARATOR.sub("/", pattern)
    return meant if meant != pattern else ""


#: Names between brackets that are no set of letters.
_NAMES = "id|slug|name|page|category|user|username|token|code|lang|locale"
#: A segment that is a placeholder: :id of Express, {id} of ASP.NET, <int:id> of Flask, [id] of
#: Next.js. A star, three dots or "path" = it is the rest of the path.
PLACEHOLDER = re.compile(
    r"(?<=[/^])(?:"
    r":(?P<a>[A-Za-z]\w*)(?:[*+?]|\(\.\*\))?"
    r"|\{(?![RC]:\d\})\*{0,2}(?P<b>[A-Za-z]\w*)(?::\w+)?\??\}"
    r"|<(?:\w+:)?(?P<c>[a-z]\w*)>"
    rf"|\[(?:\.\.\.)?(?P<d>{_NAMES})\]"
    r")(?=[/$.-]|$)"
)
_REST = re.compile(r"\*|\.\.\.|path:")


def with_groups(pattern: str) -> str:
    """A pattern with groups in the place of a route's placeholders; "" for one that has none."""
    meant = PLACEHOLDER.sub(lambda one: "(.*)" if _REST.search(one[0]) else "([^/]+)", pattern)
    return meant if meant != pattern else ""
