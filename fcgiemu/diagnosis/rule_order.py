"""Rules in order: those that an earlier one never lets act, those that a later one undoes, and
those that do nothing because they do not stop. ``order_remedies`` knows what is to be done.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from ..catalogue import filled, finding, hint
from ..catalogue.findings import Finding, Span
from ..rewrite.rule import Condition, Rule
from . import order_remedies, sample_requests
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

#: What a condition asks, as far as conditions are compared; () for nothing.
_Asked = tuple[str | bool, ...]
#: Rules without an effect that are remembered, at most.
_MOST_IDLE = 20


class Before:
    """The rules before one that stop, by what every URL begins with that they take and by what else
    they ask, and the rewrites that do not stop. ``outside`` are the places of those that a
    <location> inherits from the rest of its file. ``above`` are the rules of the folder above,
    whether this one inherits or removes them.
    """

    def __init__(self, outside: Container[Span] = (), above: Sequence[Rule] = ()) -> None:
        self._outside = outside
        self._stopping: dict[tuple[str, str, _Asked], list[tuple[int, Rule]]] = {}
        #: Folder of rules that stop -> the lengths of what their URLs begin with.
        self._lengths: dict[str, set[int]] = {}
        self._rewriting: list[Rule] = []
        self._idle: list[Rule] = []
        self._changing: list[Rule] = []
        self._leading: dict[str, Rule] = {}
        self._with_page: set[str] = set()
        self._count = 0
        for rule in above:
            self._lead(rule)

    def overwritten(self, rule: Rule) -> Iterator[Finding]:
        """That a rule for every URL replaces what earlier rewrites have made, which do not stop; it
        does not where both lead to one page, which gets both queries.
        """
        url = target(rule).partition("?")[0]
        replaces = rule.action.type == "Rewrite" and is_universal(rule) and not rule.conditions
        if not replaces or "{R:" in url or "{URL}" in url or rule.page_rule is not None:
            return
        page = goes_to(rule).partition("?")[0] if rule.action.append_query_string else ""
        waiting, self._rewriting = self._rewriting, []
        for earlier in waiting:
            if not rule.base.startswith(earlier.base):
                self._rewriting.append(earlier)
                continue  # the others are said once, for the first rule that replaces them
            if page and goes_to(earlier).partition("?")[0] == page:
                continue
            yield finding(
                "rewrite-overwritten",
                earlier.span,
                rule=earlier.name,
                later=rule.name,
                where=rule.span,
            )

    def idle(self, rule: Rule) -> Iterator[Finding]:
        """Rules before this one that do nothing, and let it take the URLs that they are for."""
        for earlier in self._idle if rule.action.type != "None" and rule.page_rule is None else ():
            texts = [text for text in sample_requests.paths(earlier) if text]
            below = [f"{earlier.base}/{text}"[len(rule.base) + 1 :] for text in texts]
            if not earlier.base.startswith(rule.base) or not below or rule.matcher is None:
                continue
            taken = all((rule.matcher(text) is not None) != rule.negate for text in below)
            left = rule.match_any or all(
                sample_requests.path_holds(condition, f"{earlier.base}/{text}") is not False
                for condition in rule.conditions
                for text in texts
            )
            if taken and left:
                yield finding(
                    "rewrite-none-continues",
                    earlier.span,
                    rule=earlier.name,
                    later=rule.name,
                    where=rule.span,
                )
                self._idle.remove(earlier)
                return

    def add(self, rule: Rule) -> None:
        self._count += 1
        if rule.page_rule is not None:
            return
        self._lead(rule)
        if rule.action.type == "None" and not (rule.stop_processing or rule.variables):
            self._idle = [*self._idle[-_MOST_IDLE:], rule]
        if rule.action.type == "Rewrite" and not rule.stop_processing:
            self._rewriting.append(rule)
            self._changing = [*self._changing[-_MOST_IDLE:], rule]
        if stops(rule):
            key = (rule.base, "" if rule.negate else rule.prefix.lower(), _need(rule))
            self._stopping.setdefault(key, []).append((self._count, rule))
            self._lengths.setdefault(rule.base, set()).add(len(key[1]))

    def _lead(self, rule: Rule) -> None:
        if folder := leads_into(rule):
            self._leading.setdefault(folder, rule)
        elif folder := page_of(rule):
            self._with_page.add(folder)

    def findings(self, rule: Rule) -> Iterator[Finding]:
        """That an earlier rule takes every URL this one would match, or leads all into the folder
        of its file.
        """
        if leading := self._leads(rule):
            yield from self._led(rule, leading)
            return
        paths = sample_requests.paths(rule)
        is_behind = rule.page_rule is None and (self._stopping or self._changing)
        first = next(paths, None) if is_behind else None
        candidates = self._candidates(rule, first) if first is not None else []
        is_asked = candidates or first is not None and self._changing
        texts = [first or "", *paths] if is_asked else []
        for earlier in candidates:
            form = _takes(earlier, rule, texts)
            if form is None or form == "/files" and not any(texts):
                continue  # for the root alone, which is a folder
            if not (_is_the_same(rule, earlier) or is_for_maintenance(earlier)):
                inherited = [
                    one
                    for one in candidates
                    if self._is_inherited(rule, one) and _takes(one, rule, texts) is not None
                ]
                yield never_reached(rule, earlier, form, _remedy(rule, earlier, inherited))
            return
        yield from self._changed(rule, texts)

    def _changed(self, rule: Rule, texts: Sequence[str]) -> Iterator[Finding]:
        """That a rewrite which goes on has made another URL of those that a rule is for."""
        for earlier in self._changing if any(texts) else ():
            form = _takes(earlier, rule, texts)
            made = [_made(earlier, f"{rule.base}/{text}") for text in texts]
            if form is None or None in made or goes_to(earlier) == goes_to(rule) != "":
                continue
            url, is_twice = made[0] or "", rule.action.type == "Redirect" and is_universal(rule)
            if not any(_matches(rule, path or "") for path in made):
                form = "/changed"
            elif (
                is_twice and "{R:" in target(rule) and (leads_into(earlier) or made.count(url) > 1)
            ):
                form = "/rewritten"
            else:
                continue
            inherited = [earlier] if self._is_inherited(rule, earlier) else []
            yield never_reached(rule, earlier, form, _remedy(rule, earlier, inherited), made=url)
            return

    def _leads(self, rule: Rule) -> Rule | None:
        """The rule of a file above that leads every URL into the folder of one, or for a page of a
        folder into one around it.
        """
        place = rule.base.lower() if rule.page_rule is None and self._leading else ""
        while place:
            leading = self._leading.get(place)
            if leading is not None and len(leading.base) < len(place):
                return leading
            place = place.rpartition("/")[0] if order_remedies.is_page_of_a_folder(rule) else ""
        return None

    def _led(self, rule: Rule, leading: Rule) -> Iterator[Finding]:
        """That a rule of a folder's file is not asked for what is led into the folder; nothing
        where the file above has a page of the folder for every URL.
        """
        is_of_files = rule.action.type == "None" and all(
            condition.match_type != "Pattern" for condition in rule.conditions
        )
        if rule.base.lower() not in self._with_page and not is_of_files:
            yield never_reached(rule, leading, "/led", order_remedies.moved_up(rule, leading))

    def _is_inherited(self, rule: Rule, earlier: Rule) -> bool:
        is_of_location = earlier.span in self._outside and rule.span not in self._outside
        return earlier.span.file != rule.span.file or is_of_location

    def _candidates(self, rule: Rule, text: str) -> list[Rule]:
        """Earlier rules that may take a URL path, in order."""
        found: list[tuple[int, Rule]] = []
        asked = {(), *map(_asked, () if rule.match_any else rule.conditions)}
        for base, lengths in self._lengths.items():
            if rule.base.startswith(base):
                below = f"{rule.base}/{text}"[len(base) + 1 :].lower()
                for length in lengths:
                    for need in asked if length <= len(below) else ():
                        found += self._stopping.get((base, below[:length], need), ())
        return [earlier for _, earlier in sorted(found, key=itemgetter(0))]


def _is_the_same(rule: Rule, earlier: Rule) -> bool:
    """Whether a rule of a folder does what the earlier one of another file does."""
    if earlier.span.file == rule.span.file or rule.action.type != earlier.action.type:
        return False
    if rule.action.type == "Redirect":
        return target(rule) == target(earlier)
    return goes_to(earlier) == goes_to(rule) != ""


def _remedy(rule: Rule, earlier: Rule, inherited: Sequence[Rule]) -> order_remedies.Remedy:
    if earlier in inherited:
        return order_remedies.removed(inherited)
    if page := order_remedies.page_behind(rule, earlier):
        return page
    if _takes(rule, earlier, list(sample_requests.paths(earlier))) == "":
        return order_remedies.in_place_of(rule, earlier)
    return order_remedies.before(rule, earlier)


def never_reached(
    rule: Rule, earlier: Rule, form: str, remedy: order_remedies.Remedy, made: str = ""
) -> Finding:
    """That a rule is not reached because of an earlier one, in a ``form`` of the message."""
    name, more = remedy
    values = {"rule": rule.name, "earlier": earlier.name, "where": str(earlier.span), "made": made}
    values |= more
    found = filled(f"rewrite-never-reached{form}", values, rule.span)
    return replace(found, hint=hint(f"rewrite-never-reached/{name}", **values)) if name else found


def _made(rule: Rule, path: str) -> str | None:
    """The path that a rewrite makes of one that it takes; None where more decides."""
    groups = rule.matcher(path[len(rule.base) + 1 :]) if rule.matcher is not None else None
    url = goes_to(rule).partition("?")[0]
    for number, text in enumerate(groups or ()):
        url = url.replace(f"{{R:{number}}}", text or "")
    return url if url and "{" not in url else None


def _matches(rule: Rule, path: str) -> bool:
    """Whether a rule is asked for a path, and its pattern fits."""
    below = path[len(rule.base) + 1 :] if path.startswith(f"{rule.base}/") else None
    if below is None or rule.matcher is None:
        return below is not None
    return (rule.matcher(below) is not None) != rule.negate


def _takes(earlier: Rule, rule: Rule, texts: Sequence[str]) -> str | None:
    """Whether an earlier rule takes every URL that a later one would: "", or "/files" where it
    leaves those of existing files; None where it does not.
    """
    if rule.ignore_case and not earlier.ignore_case and not is_universal(earlier):
        return None
    for text in texts:
        below = f"{rule.base}/{text}"[len(earlier.base) + 1 :]
        if earlier.matcher and (earlier.matcher(below) is not None) == earlier.negate:
            return None
    held = [_holds(condition, rule, texts) for condition in earlier.conditions]
    tests = [
        condition
        for condition, holds in zip(earlier.conditions, held, strict=True)
        if not holds and condition.match_type != "Pattern" and condition.negate
    ]
    if earlier.match_any:
        both = {condition.match_type for condition in tests} == {"IsFile", "IsDirectory"}
        return "" if any(held) or both or not held else None
    if all(held):
        return ""
    leaves_files = len(tests) == held.count(False) and not _is_about_files(rule)
    return None if not leaves_files else "" if _excludes_files(rule) else "/files"


def _holds(condition: Condition, rule: Rule, texts: Sequence[str]) -> bool:
    """Whether a condition of an earlier rule holds for every URL of a later one: it has the same,
    or the URLs themselves fulfil it.
    """
    if not rule.match_any and any(_same(condition, other) for other in rule.conditions):
        return True
    verdicts = [sample_requests.path_holds(condition, f"{rule.base}/{text}") for text in texts]
    return all(verdicts)


def _same(one: Condition, other: Condition) -> bool:
    """Whether two conditions hold for the same requests."""
    if one.input.source.strip().upper() != other.input.source.strip().upper():
        return False
    if one.input.source.strip().upper() == "{HTTPS}" and one.matcher and other.matcher:
        first, second = one.matcher, other.matcher
        return all(
            ((first(value) is not None) != one.negate)
            == ((second(value) is not None) != other.negate)
            for value in ("on", "off")
        )
    return _asked(one) == _asked(other)


def _need(rule: Rule) -> _Asked:
    """What a rule asks that no URL path answers: its first such condition. A later rule is taken by
    it only where it asks the same.
    """
    for condition in () if rule.match_any else rule.conditions:
        if condition.match_type == "Pattern" and sample_requests.path_holds(condition, "") is None:
            return _asked(condition)
    return ()


def _asked(condition: Condition) -> _Asked:
    """What a condition asks; the same for all that may be the same (``_same``)."""
    name = condition.input.source.strip().upper()
    if name == "{HTTPS}":
        return (name,)
    return name, condition.match_type, condition.pattern, condition.ignore_case, condition.negate


def _excludes_files(rule: Rule) -> bool:
    return any(
        condition.match_type == "IsFile" and condition.negate for condition in rule.conditions
    )


#: Where a request is sent that is not wanted.
_DENIES = re.compile(
    r"(?i)^/?(?:(?:index|home|default)(?:\.\w+)?|.*(?:err|40[34]|denied|forbid).*)?$"
)


#: Patterns for URLs of which none is that of a file.
_OF_PROGRAMS = re.compile(
    r"(?i)\^?\(?(?:api|graphql|odata|rest|signalr|hubs?|swagger|oauth|ws|socket\\?\.io)(?:\\?/|\(|\$|$)"
)


def _is_about_files(rule: Rule) -> bool:
    """Whether a rule may be meant for the URLs of existing files, as one that denies them, or does
    nothing.
    """
    url = rule.action.url.source if rule.action.url is not None else ""
    tests = [one for one in rule.conditions if one.match_type != "Pattern"]
    if is_for_maintenance(rule) or _OF_PROGRAMS.match(rule.pattern or "") and not tests:
        return False
    return (
        rule.action.type in ("None", "CustomResponse", "AbortRequest")
        or url in SAME
        or any(
            condition.match_type != "Pattern"
            for condition in rule.conditions
            if not condition.negate
        )
        or re.search(r"\\\.\(?\w", rule.pattern or "") is not None
        or rule.action.type == "Redirect"
        and not is_universal(rule)
        and _DENIES.match(url) is not None
        and "*" in (rule.pattern or "")
    )
