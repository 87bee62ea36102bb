"""What lets a rule act that an earlier one keeps from its URLs: the hint, and what it names.

To put it before the other is the remedy where both stand in one file and the rule is for some URLs
of the other. Else:

- A rule that would take every URL of the other lets that one act no more. It needs a pattern of its
  own, or only one of the two is needed.
- What a folder inherits comes first: the folder removes it.
- A rule of the root may lead every URL into the folder, as where only ``public`` is for visitors.
  Rules are chosen by the URL that a client asks for, so those of the folder's file are for none of
  these (inferred: IIS does not ask for rules again after a rewrite). They belong in the root's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..rewrite import targets
from ..rewrite.rule import Condition, Rule
from .condition_remedies import attributes
from .folder_rules import BUILT
from .rewrite_patterns import as_regex, escaped
from .rule_kinds import (
    SAME,
    goes_to,
    is_for_maintenance,
    is_universal,
    leads_into,
    page_of,
    stops,
    target,
)

#: A form of rewrite-never-reached that has the hint, and the values of its placeholders.
Remedy = tuple[str, dict[str, str]]

#: Patterns that every URL but that of the folder itself matches.
_NOT_EMPTY = re.compile(r"\^?\(?\.\+?\)?\$?")
#: The path of a file, by its extension.
_OF_A_FILE = re.compile(r"[^?{]*\.\w+(?:\?|$)")


def is_page_of_a_folder(rule: Rule) -> bool:
    """Whether a rule gives each URL that is not a file of its folder to a front controller."""
    is_regex = rule.pattern_syntax == "ECMAScript"
    is_not_empty = is_regex and _NOT_EMPTY.fullmatch((rule.pattern or "").strip()) is not None
    return (
        goes_to(rule) != ""
        and (is_universal(rule) or is_not_empty)
        and not (rule.match_any or rule.negate)
        and not re.search(r"\{(?:C:|R:[2-9])", target(rule))
        and all(one.match_type != "Pattern" and one.negate for one in rule.conditions)
    )


def moved_up(rule: Rule, earlier: Rule) -> Remedy:
    """The remedy for a rule of the folder that ``earlier`` leads every URL into."""
    folder, own = rule.base[len(earlier.base) + 1 :], target(rule).replace("\\", "/").lstrip("/")
    is_full = own.lower().startswith(f"{folder}/".lower())
    url = own if is_full else f"{folder}/{own}"
    public = leads_into(earlier)[len(earlier.base) + 1 :]
    if len(public) < len(folder):
        return "deeper", {"element": _deeper(rule, earlier.base, public, url)}
    if is_page_of_a_folder(rule):
        files = _with(earlier, earlier.name, f"{folder}/{{R:0}}", _is_file_of(earlier.base, folder))
        page = _with(earlier, f"{rule.name} ({folder})", url.replace("{R:1}", "{R:0}"))
        return "front", {"element": files + page}
    tests = [one for one in rule.conditions if one.match_type != "Pattern"]
    is_of_files = any("{REQUEST_FILENAME}" in one.input.source.upper() for one in tests)
    form = "into" if goes_to(rule) else "up"
    values = {"url": url, "input": f"{{DOCUMENT_ROOT}}{earlier.base}/{folder}/{{R:0}}"}
    return f"{form}-tests" if is_of_files else form, values


def _deeper(rule: Rule, base: str, public: str, url: str) -> str:
    """The XML of a page below the folder that every URL is led into."""
    folder = rule.base[len(base) + 1 :]
    path = escaped(folder[len(public) + 1 :])
    test = _is_file_of(base, public).replace(" />", ' negate="true" />')
    return (
        f"<rule {attributes(name=f'{rule.name} ({folder})', stopProcessing='true')}>"
        f"<match {attributes(url=f'^{path}(?:/(.*))?$')} /><conditions>{test}</conditions>"
        f"<action {attributes(type='Rewrite', url=url.replace('{R:0}', '{R:1}'))} /></rule>"
    )


def _with(rule: Rule, name: str, url: str, condition: str = "") -> str:
    """The XML of a rule for the URLs of another, with one condition more."""
    conditions = "".join(_written(one, rule.pattern_syntax) for one in rule.conditions) + condition
    pattern = rule.pattern or ".*" if rule.pattern_syntax == "ECMAScript" else "^(.*)$"
    inner = f"<conditions>{conditions}</conditions>" if conditions else ""
    return (
        f"<rule {attributes(name=name, stopProcessing='true')}>"
        f"<match {attributes(url=pattern)} />{inner}"
        f"<action {attributes(type='Rewrite', url=url)} /></rule>"
    )


def _written(condition: Condition, syntax: str) -> str:
    """The XML of a condition of a rule, for one with regular expressions."""
    asked = {"input": condition.input.source}
    asked |= (
        {"pattern": as_regex(condition.pattern, syntax)}
        if condition.match_type == "Pattern"
        else {"matchType": condition.match_type}
    )
    return f"<add {attributes(**asked, **({'negate': 'true'} if condition.negate else {}))} />"


def removed(inherited: Sequence[Rule]) -> Remedy:
    """The remedy for a rule that comes behind inherited ones."""
    elements = [f"<remove {attributes(name=one.name)} />" for one in inherited if one.name]
    return "parent", {"element": "".join(elements) or "<clear />"}


def page_behind(rule: Rule, earlier: Rule) -> Remedy | None:
    """The remedy for a page of the folder that ``earlier`` leads every URL into, if it is one."""
    folder = goes_to(rule)[len(rule.base) + 1 :].partition("/")[0]
    if not page_of(rule) or page_of(rule) != leads_into(earlier):
        return None
    return "page", {"condition": _is_file_of(rule.base, folder)}


def in_place_of(rule: Rule, earlier: Rule) -> Remedy:
    """The remedy for a rule that would take every URL of ``earlier``."""
    url, folder = target(rule).lstrip("/"), goes_to(rule)[1:].partition("/")[0]
    differs = folder != goes_to(earlier)[1:].partition("/")[0]
    is_regex = rule.pattern_syntax == "ECMAScript"
    if is_for_maintenance(rule):
        return "", {}
    if rule.action.type != "Rewrite":
        is_last = earlier.action.type == "Rewrite" and is_universal(rule) and not rule.conditions
        return "instead" if is_last else "same", {}
    if targets.is_foreign(url):
        return "narrow", _match("^api/(.*)$" if is_regex else "api/*")
    if re.search(r"^[\w-]+/\{R:[01]\}$", url) and is_universal(rule):
        own = goes_to(rule)[len(rule.base) + 1 :].partition("/")[0]
        return "below", {"condition": _is_file_of(rule.base, own)}
    if "/" in url and differs and is_universal(rule) and re.fullmatch(r"[\w-]+", folder):
        if not BUILT.fullmatch(folder):
            return "narrow", _match(f"^{folder}(/.*)?$" if is_regex else f"{folder}/*")
    return "same", {}


def _match(pattern: str) -> dict[str, str]:
    return {"match": attributes(url=pattern)}


def _is_file_of(base: str, folder: str) -> str:
    """The condition that a URL is that of a file of a folder."""
    return f'<add input="{{DOCUMENT_ROOT}}{base}/{folder}/{{R:0}}" matchType="IsFile" />'


def before(rule: Rule, earlier: Rule) -> Remedy:
    """The remedy for a rule that is for some URLs of ``earlier``: to come first, and to stop where
    the other one would take what it makes.
    """
    goes_on = not stops(rule) and rule.action.type in ("None", "Rewrite")
    only_sets = bool(rule.variables) and (rule.action.type == "None" or target(rule) in SAME)
    leaves_files = any(one.match_type == "IsFile" and one.negate for one in earlier.conditions)
    is_left = leaves_files and _OF_A_FILE.match(target(rule)) is not None
    return "stop" if goes_on and not only_sets and not is_left else "", {}
