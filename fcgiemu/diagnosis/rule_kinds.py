"""What kind of rule one is: for every URL, a fallback for what is not a file, one that stops, one
that leads into a folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..rewrite import targets
from ..rewrite.rule import Condition, Rule

#: Patterns that every URL matches, as people write them.
UNIVERSAL = frozenset(
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

#: Targets that leave a URL as it is: such a rule only stops, or sets variables.
SAME = frozenset({"{R:0}", "{R:1}", "{URL}", "/{R:0}", "/{R:1}"})

#: Pages that stand for a whole site while it is down.
DOWN = re.compile(r"(?i)maint|offline|down|wartung|construct|soon|503|closed|unavailable")


def is_for_maintenance(rule: Rule) -> bool:
    """Whether a rule puts a page, or a 503, in the place of the whole site."""
    is_answer = rule.action.type == "CustomResponse" and rule.action.status == 503
    return is_universal(rule) and (is_answer or DOWN.search(target(rule)) is not None)


def is_universal(rule: Rule) -> bool:
    """Whether a rule's pattern takes every URL."""
    if rule.pattern is None:
        return True
    if rule.pattern_syntax == "Wildcard":
        return rule.pattern == "*" and not rule.negate
    return (
        rule.pattern_syntax == "ECMAScript"
        and not rule.negate
        and rule.pattern.strip() in UNIVERSAL
    )


def stops(rule: Rule) -> bool:
    """Whether no rule behind this one is asked where it applies."""
    return rule.stop_processing or rule.action.type in (
        "Redirect",
        "CustomResponse",
        "AbortRequest",
    )


def stops_for(rule: Rule, test: str) -> bool:
    """Whether no rule behind this one is asked for existing files (``test`` is IsFile) or folders
    (IsDirectory).
    """
    tests = [one for one in rule.conditions if one.match_type == test and not one.negate]
    decides = rule.match_any or len(rule.conditions) == 1
    return bool(tests) and decides and is_universal(rule) and stops(rule)


#: Patterns that every URL with a dot matches, as those of files have one.
_DOTS = re.compile(r"\^?(?:\(?\.[*+]\)?)?(?:\\\.|\[\.\])(?:\(?\.[*+]\)?)?\$?")


def stops_for_dots(rule: Rule) -> bool:
    """Whether no rule behind this one is asked for a URL with a dot."""
    pattern = (rule.pattern or "").strip()
    is_open = not pattern.startswith("^") or "." in pattern[:3]
    return (
        rule.pattern_syntax == "ECMAScript"
        and not rule.negate
        and not rule.conditions
        and stops(rule)
        and is_open
        and _DOTS.fullmatch(pattern) is not None
    )


def is_left_before(rule: Rule, rules: Sequence[Rule], test: str) -> bool:
    """Whether one of ``rules`` before this one stops for existing files or folders."""
    return any(stops_for(earlier, test) for earlier in rules[: rules.index(rule)])


#: Patterns that every URL matches, as those write them who mean the empty path.
_EMPTY = re.compile(r"\^?\(?\^?(?:\\?/[?*]|\.\?)?\$?\)?")
#: What is said of a start page: in the name of a rule, in that of the page.
_START = re.compile(r"(?i)home|start(?!s?[ _-]?with)|landing|welcome|front.?page|main.?page")


def is_for_start(rule: Rule) -> bool:
    """Whether a rule is meant for the empty path, and its pattern matches every one."""
    pattern, page = (rule.pattern or "").strip(), target(rule).partition("?")[0]
    stem = page.rpartition("/")[2].partition(".")[0]
    is_odd = _EMPTY.fullmatch(pattern) and rule.matcher and rule.matcher("a/b.c") is not None
    return (
        bool(is_odd and page and _START.search(f"{rule.name} {stem}"))
        and rule.pattern_syntax == "ECMAScript"
        and rule.action.type in ("Rewrite", "Redirect")
        and not (rule.negate or "{" in page or targets.is_foreign(page) or DOWN.search(page))
        and not re.search(r"(?i)\.[cm]?js$|\.fcgi$", page)
        and all(
            one.match_type == "Pattern" and not one.negate and "HTTP_HOST" in one.input.source
            for one in rule.conditions
        )
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


def target(rule: Rule) -> str:
    """The target of a rule; "" for none."""
    return rule.action.url.source if rule.action.url is not None else ""


def goes_to(rule: Rule) -> str:
    """The target of a rewrite within the site as a path from its root; "" for others."""
    url = target(rule).replace("\\", "/")
    if rule.action.type != "Rewrite" or targets.is_foreign(url) or not url:
        return ""
    return url if url.startswith("/") else f"{rule.base}/{url}"


#: A target that is the whole URL below a folder.
_BELOW = re.compile(r"(?i)(/[^{?]+?)(?:/\{R:[01]\}|/?\{(?:REQUEST_URI|URL|PATH_INFO)\})")
#: A pattern for every URL but some.
_ALL_BUT = re.compile(r"\^?\(\?!(?:[^()]|\([^()]*\))*\)\(?\.[*+]\)?\$?")
#: Variables by which a rule leaves out the URLs of a folder.
_EXCEPTIONS = frozenset({"{REQUEST_URI}", "{URL}", "{PATH_INFO}"})


def leads_into(rule: Rule) -> str:
    """The folder that a rule leads every URL into, in lower case; "" for none. A condition may ask
    for files, or leave out the folder itself.
    """
    below = _BELOW.fullmatch(goes_to(rule))
    return below[1].lower() if below and _is_for_nearly_all(rule) else ""


def _is_for_nearly_all(rule: Rule) -> bool:
    """Whether a rule takes every URL but those of some folders."""
    pattern = _ALL_BUT.fullmatch(rule.pattern or "") if not rule.negate else None
    is_for_all = is_universal(rule) or pattern is not None
    return is_for_all and not rule.match_any and all(map(_leaves, rule.conditions))


def _leaves(condition: Condition) -> bool:
    """Whether a condition holds for the URLs that a folder is meant for."""
    name = condition.input.source.strip().upper()
    if condition.match_type == "Pattern":
        return condition.negate and name in _EXCEPTIONS
    return condition.negate or "{DOCUMENT_ROOT}" in name or "{APPL_PHYSICAL_PATH}" in name


def page_of(rule: Rule) -> str:
    """The folder above which a rule answers every URL with one page of it, in lower case."""
    path = goes_to(rule).partition("?")[0].lower()
    place = path.rpartition("/")[0]
    is_above = place != rule.base.lower() and "{" not in path
    begin = rule.prefix.lower().rstrip("/")
    is_for_it = bool(begin) and f"{place}/".endswith(f"/{begin}/")
    return place if is_above and (is_for_it or _is_for_nearly_all(rule)) else ""
