"""Requests that nothing tells apart, so that one of them is decided for all.

Most URLs of a program are not files: /shop/item/1 and /shop/item/2 reach the same page by the same
rule, whatever their query. Requests are alike where they agree in method, host, port and headers,
in a class of their paths, and in one of their queries:

- A query's class is which conditions on {QUERY_STRING} it meets, where nothing else reads queries
  (inputs.py says so).
- A path's class is its extension, which patterns of rules it matches, and which conditions that
  read it hold. Only paths have one whose first name nothing knows: no file, folder, virtual
  directory or ``<location>``. So nothing lies there or below, and configuration and application
  are those of the root. They must also be plain (letters, digits, ``-``, ``_``, dots in the last
  name alone), pass request filtering, and be taken by no handler but by extension.

What is decided for one path holds for its class if the rules that applied make nothing of the path:
no back-reference, no variable that shows it. ``holds_for_paths`` asks that of both decisions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field

from ..config.tree import Effective
from ..decision import (
    Abort,
    CallFastCgi,
    CallProcess,
    Decision,
    ListDirectory,
    Outcome,
    Respond,
    ServeFile,
)
from ..http.request import Request
from ..modules import handlers, http_redirection, request_filtering
from ..rewrite.compiler import inbound
from ..rewrite.pattern import Matcher
from ..rewrite.regex import TooComplex
from ..rewrite.rule import Condition, Rule, RuleList
from ..rewrite.state import ExpansionError, RewriteState
from ..site import Site
from .entry import Keyed
from .inputs import VARIABLE, Inputs, configured_paths, results

#: What requests have in common that are alike.
Class = tuple[object, ...]

#: A plain path: its names but for the last one's extension, and that, or a slash.
_PLAIN = re.compile(r"((?:/[A-Za-z0-9_-]+){1,30})((?:\.[A-Za-z0-9_-]+)*|/)")
_LONGEST = 500
#: Variables that show the current path, and those that show what was sent.
_CURRENT = frozenset(
    """URL PATH_INFO SCRIPT_NAME URL_PATH_INFO HTTP_URL PATH_TRANSLATED REQUEST_FILENAME
    SCRIPT_FILENAME SCRIPT_TRANSLATED""".split()
)
_SENT = frozenset("REQUEST_URI UNENCODED_URL CACHE_URL HTTP_X_WAWS_UNENCODED_URL".split())
#: It shows something before a rewrite, and something else behind it.
_OTHER = frozenset({"HTTP_X_ORIGINAL_URL", "ALL_HTTP", "ALL_RAW"})
#: What may stand beside a path in a condition: it is the same for all of a request.
_FIXED = frozenset(
    """HTTP_HOST SERVER_NAME SERVER_PORT SERVER_PORT_SECURE HTTPS REQUEST_METHOD DOCUMENT_ROOT
    APPL_PHYSICAL_PATH""".split()
)
_RULE_REFERENCE = re.compile(r"\{r:", re.IGNORECASE)
_CONDITION_REFERENCE = re.compile(r"\{c:", re.IGNORECASE)
#: A question about the file of a path, or that of a path with something appended.
_FILE = re.compile(r"\{(?:REQUEST_FILENAME|SCRIPT_FILENAME|PATH_TRANSLATED)\}([A-Z0-9._-]*)")
_EVERYTHING = frozenset({"(.*)", "^(.*)$", ".*"})
_BY_EXTENSION = re.compile(r"\*|\*\.[A-Za-z0-9_.-]*")
#: More tests of one path than this cost as much as deciding about it.
_MOST_TESTS = 40


class _Inseparable(Exception):
    """A configuration in which paths have no classes."""


@dataclass(slots=True)
class _Tests:
    """What tells plain paths apart at one site. Raises _Inseparable."""

    site: Site
    effective: Effective
    _: KW_ONLY
    filtering: request_filtering.RequestFilter = field(init=False)
    #: Handlers that take paths by something else than an extension.
    takers: list[handlers.PathMatch] = field(init=False)
    #: Rules of long lists are found by their index.
    long_lists: list[RuleList] = field(default_factory=list)
    #: Patterns for the path without its slash, for the path, and for the target.
    of_text: list[Matcher] = field(default_factory=list)
    of_path: list[Matcher] = field(default_factory=list)
    of_target: list[Matcher] = field(default_factory=list)
    #: What is appended to a path in a question about a file.
    suffixes: set[str] = field(default_factory=set)
    #: Other conditions that read the path, with their rules.
    others: list[tuple[Rule, Condition]] = field(default_factory=list)
    #: Variables that rules set.
    assigned: set[str] = field(default_factory=set)
    #: Names of the rules that make nothing of a path.
    plain_rules: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.site.settings.easy_auth is not None:
            raise _Inseparable
        if self.effective.view(http_redirection.http_redirection) is not None:
            raise _Inseparable
        self.filtering = self.effective.view(request_filtering.request_filter)
        self.takers = [
            match
            for handler, match in self.effective.view(handlers.table).entries
            if not _BY_EXTENSION.fullmatch(handler.path)
        ]
        compiled = self.effective.view(inbound)
        makers: set[str] = set()
        for rule in (*compiled.global_rules, *compiled.rules):
            self.assigned.update(variable.name.strip().upper() for variable in rule.variables)
        for rules in (compiled.global_rules, compiled.rules):
            if len(rules) > _MOST_TESTS:
                self.long_lists.append(rules)
            for rule in rules:
                self._take(rule, is_indexed=len(rules) > _MOST_TESTS)
                (makers if _makes_of_path(rule) else self.plain_rules).add(rule.name)
        self.plain_rules -= makers
        if len(self.of_text) + len(self.of_path) + len(self.of_target) > _MOST_TESTS:
            raise _Inseparable

    def _take(self, rule: Rule, is_indexed: bool) -> None:
        if rule.base:
            raise _Inseparable
        if rule.page_rule is not None and rule.page_rule.source:
            source = rule.page_rule.source.lower()
            self.of_path.append(lambda path: () if path.lower().startswith(source) else None)
        takes_all = rule.pattern in _EVERYTHING and rule.pattern_syntax == "ECMAScript"
        if rule.matcher is not None and not takes_all and not is_indexed:
            self.of_text.append(rule.matcher)
        for condition in rule.conditions:
            self._take_condition(rule, condition)

    def _take_condition(self, rule: Rule, condition: Condition) -> None:
        source = condition.input.source
        names = _names(source)
        shown = names & (_CURRENT | _SENT | _OTHER)
        asked = _FILE.fullmatch(source.upper())
        if condition.matcher is None and (asked is not None or not source):
            self.suffixes.add(asked[1].lower() if asked is not None else "")
        elif condition.matcher is not None and source in _SENT_ALONE:
            self.of_target.append(condition.matcher)
        elif condition.matcher is not None and source in _CURRENT_ALONE:
            self.of_path.append(condition.matcher)
        elif _CONDITION_REFERENCE.search(source):
            raise _Inseparable
        elif shown or _RULE_REFERENCE.search(source):
            is_current = names <= _CURRENT | _FIXED
            is_sent = names <= _SENT | _FIXED and not _RULE_REFERENCE.search(source)
            if not (is_current or is_sent) or names & self.assigned or len(self.others) >= _FEW:
                raise _Inseparable  # it may change with a rewrite, and show the path still
            self.others.append((rule, condition))


#: Conditions that take the work of a decision: so many of them are asked.
_FEW = 4
_SENT_ALONE = frozenset({"{REQUEST_URI}", "{UNENCODED_URL}"})
_CURRENT_ALONE = frozenset({"{URL}", "{PATH_INFO}", "{SCRIPT_NAME}"})


def _names(source: str) -> set[str]:
    return {name.strip().upper() for name in VARIABLE.findall(source)}


def _makes_of_path(rule: Rule) -> bool:
    """Whether what a rule makes depends on the path that it applies to."""
    if rule.page_rule is not None:
        return True
    return any(
        _RULE_REFERENCE.search(one.source)
        or _CONDITION_REFERENCE.search(one.source)
        or _names(one.source) & (_CURRENT | _SENT | _OTHER)
        for one in results(rule)
    )


class Likeness:
    """Which requests two sites do not tell apart. ``ask`` makes the request of a key."""

    def __init__(
        self, sites: Sequence[Site], inputs_read: Inputs, ask: Callable[[Keyed], Request]
    ) -> None:
        self._ask = ask
        self._query_tests = inputs_read.query_tests
        self._longest_query = inputs_read.long_query if inputs_read.tests_tell else -1
        self._known = {name for site in sites for name in _first_names(site)}
        unknown = "x"
        while unknown in self._known:
            unknown += "x"
        try:
            self._sites = [_Tests(site, site.effective(f"/{unknown}")) for site in sites]
        except _Inseparable:
            self._sites = []
        # both sites have most tests in common
        self._of_text = _once(test for tests in self._sites for test in tests.of_text)
        self._of_path = _once(test for tests in self._sites for test in tests.of_path)
        self._of_target = _once(test for tests in self._sites for test in tests.of_target)
        self._lets_pass = [tests.filtering.lets_pass for tests in self._sites]
        self._takers = [match for tests in self._sites for match in tests.takers]
        self._suffixes = {suffix for tests in self._sites for suffix in tests.suffixes}
        self._long_lists = [rules for tests in self._sites for rules in tests.long_lists]
        self._others = [tests for tests in self._sites if tests.others]

    def of_query(self, query: str) -> Class | None:
        """The class of a query, None for one that stands for itself."""
        if len(query) > self._longest_query:
            return None
        try:
            return (bool(query), *[test(query) is not None for test in self._query_tests])
        except TooComplex:
            return None

    def of_path(self, key: Keyed) -> Class | None:
        """The class of a key's path, None for one that stands for itself."""
        path = key.target
        plain = _PLAIN.fullmatch(path)
        if plain is None or len(path) > _LONGEST or not self._sites:
            return None
        names, rest = plain.groups()
        first = path[1:].partition("/")[0].lower()
        is_deep = len(first) + 1 < len(names)
        if first in self._known:
            return None
        if not is_deep and not self._known.isdisjoint(first + suffix for suffix in self._suffixes):
            return None
        for lets_pass in self._lets_pass:
            if not lets_pass(path):
                return None
        for takes in self._takers:
            if takes(path) is not None:
                return None
        text = path[1:]
        try:
            found: list[object] = [is_deep, rest.lower()]
            found += [test(text) is not None for test in self._of_text]
            if self._of_path:
                found += [test(path) is not None for test in self._of_path]
            if self._of_target:
                target = f"{path}?{key.query}" if key.query else path
                found += [test(target) is not None for test in self._of_target]
            for rules in self._long_lists:
                found.append(tuple(_matching(rules, path)))
            if self._others:
                found += self._ask_others(key)
        except (TooComplex, ExpansionError):
            return None
        return tuple(found)

    def _ask_others(self, key: Keyed) -> Iterator[object]:
        request = self._ask(key)
        for tests in self._others:
            files = tests.site.files
            state = RewriteState(request, tests.site.root.place, files)
            for rule, condition in tests.others:
                text = state.path[1:]
                captures = (text,) if rule.matcher is None else rule.matcher(text)
                if (captures is None) != rule.negate:
                    yield None
                    continue
                state.rule_captures = captures if captures is not None else (text,)
                value = condition.input.expand(state)
                if condition.matcher is not None:
                    yield condition.matcher(value) is not None
                else:
                    yield files.is_file(value), files.is_directory(value)

    def holds_for_paths(self, old: Outcome, new: Outcome) -> bool:
        """Whether both decisions, which agree, are those of all paths of the class."""
        if not isinstance(old, Decision) or not isinstance(new, Decision):
            return False
        if isinstance(old.action, CallFastCgi | CallProcess):
            # the same path for both: is it the client's at both, or one that rules have written?
            if old.rewrite.shows_original != new.rewrite.shows_original:
                return False
        elif not isinstance(old.action, ServeFile | ListDirectory | Respond | Abort):
            return False
        if isinstance(old.action, Respond) and old.action.status == 500:
            return False  # a rule has failed, maybe for the length of this path
        return all(
            decision.effective is tests.effective and tests.plain_rules.issuperset(decision.rules)
            for decision, tests in zip((old, new), self._sites, strict=True)
        )


def _once(tests: Iterator[Matcher]) -> list[Matcher]:
    return list(dict.fromkeys(tests))


def _matching(rules: RuleList, path: str) -> Iterator[int]:
    """The numbers of the rules whose patterns match a path."""
    text = path[1:]
    for number in rules.candidates(path, 0):
        matcher = rules[number].matcher
        if matcher is not None and matcher(text) is not None:
            yield number


def _first_names(site: Site) -> Iterator[str]:
    """The first names, in lower case, of all paths of which something is known."""
    for directory in site.layout.directories:
        if directory.path:
            yield directory.path[1:].partition("/")[0].lower()
        else:
            yield from directory.view.listing(directory.view.root)
    for path in configured_paths(site):
        yield path.strip("/").partition("/")[0].lower()
