"""Whether a rule is needed: a request decided as if the rule were not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..decision import Decision
from ..rewrite.compiler import InboundRules, inbound
from ..rewrite.rule import RuleList
from ..site import Site


class Removal:
    """Takes rules out of the compiled configuration of a site for single decisions."""

    def __init__(self, site: Site) -> None:
        self._site = site
        #: (rules, name) -> the rules without that one; the first rules are kept, so ids stay.
        self._known: dict[tuple[int, str], tuple[RuleList, RuleList]] = {}

    def decide(self, made: Decision, name: str) -> Decision:
        """What the site does with the request of ``made`` without the rule."""
        with self._without(made, name):
            return self._site.decide(made.request)

    @contextmanager
    def _without(self, made: Decision, name: str) -> Iterator[None]:
        sets = self._sets(made)
        kept = [(one, one.global_rules, one.rules) for one in sets]
        try:
            for one in sets:
                one.global_rules = self._filtered(one.global_rules, name)
                one.rules = self._filtered(one.rules, name)
            yield
        finally:
            for one, global_rules, rules in kept:
                one.global_rules, one.rules = global_rules, rules

    def _sets(self, made: Decision) -> list[InboundRules]:
        """The rules that a request can meet: of its own URL and of the one it was rewritten to."""
        found = [self._site.effective(made.request.target.path).view(inbound)]
        last = made.effective.view(inbound)
        if last is not found[0]:
            found.append(last)
        return found

    def _filtered(self, rules: RuleList, name: str) -> RuleList:
        known = self._known.get((id(rules), name))
        if known is None:
            without = RuleList(rule for rule in rules if rule.name != name)
            known = self._known[id(rules), name] = rules, without
        return known[1]
