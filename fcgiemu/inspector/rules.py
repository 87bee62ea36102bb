"""How often rules and conditions have applied since the start.

Rules are counted as requests end. A condition needs the trace of a request, which is made when
somebody looks, or when many requests wait for it: until then it is noted how often each decision
was used. Requests in the same bytes have one decision, so that there are few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..decision import Decision
from ..rewrite.rule import Condition, Rule
from ..site import Site
from ..testing.coverage import rules
from ..trace import Trace

#: Decisions that wait to be counted.
WAITING = 5000


class Waiting:
    """Decisions whose conditions have not been counted; for the thread of the server."""

    def __init__(self) -> None:
        #: By the identity of a decision: it, and how often it was used.
        self._used: dict[int, tuple[Decision, int]] = {}

    def add(self, decision: Decision) -> bool:
        """A decision was used. Returns whether so many wait that they are to be counted."""
        key = id(decision)
        self._used[key] = (decision, self._used[key][1] + 1 if key in self._used else 1)
        return len(self._used) >= WAITING

    def take(self) -> list[tuple[Decision, int]]:
        """All that wait, which wait no longer."""
        used, self._used = self._used, {}
        return list(used.values())


class Counts:
    """What traces have shown, by place; for one thread."""

    def __init__(self) -> None:
        self._conditions: Counter[tuple[str, int, int, bool]] = Counter()
        self._generation = -1

    def add(self, site: Site, used: Iterable[tuple[Decision, int]]) -> None:
        """Count decisions that were used so often. A changed configuration begins again."""
        if site.tree.generation != self._generation:
            self._generation = site.tree.generation
            self._conditions.clear()
        for decision, times in used:
            self._count(site, decision, times)

    def _count(self, site: Site, decision: Decision, times: int) -> None:
        trace = Trace()
        site.decide(decision.request, trace)
        file = ""
        for event in trace.events:
            values = event.values
            if event.name == "RULE_EVALUATION_START":
                file = str(values["File"])
            elif event.name == "CONDITION_EVALUATION":
                line, column = values["Line"], values["Column"]
                assert isinstance(line, int) and isinstance(column, int)
                self._conditions[file, line, column, bool(values["Succeeded"])] += times

    def of(self, condition: Condition, file: str) -> tuple[int, int]:
        """How often a condition was true, and false."""
        line, column = condition.span.line, condition.span.column
        return (
            self._conditions[file, line, column, True],
            self._conditions[file, line, column, False],
        )


def overview(
    site: Site, counts: Counts, hits: dict[str, int], last_hits: dict[str, float]
) -> dict[str, Any]:
    """Every rule with its conditions, and the files that hold them."""
    found = rules(site)
    files = sorted({rule.span.file for rule in found})
    return {
        "rules": [_rule(rule, counts, hits, last_hits) for rule in found],
        "files": [{"name": name, "text": site.files.configuration(name)} for name in files],
    }


def _rule(
    rule: Rule, counts: Counts, hits: dict[str, int], last_hits: dict[str, float]
) -> dict[str, Any]:
    return {
        "name": rule.name,
        "file": rule.span.file,
        "line": rule.span.line,
        "pattern": rule.pattern,
        "action": rule.action.type,
        "hits": hits.get(rule.name, 0),
        "last_hit": last_hits.get(rule.name),
        "conditions": [
            _condition(condition, counts, rule.span.file) for condition in rule.conditions
        ],
    }


def _condition(condition: Condition, counts: Counts, file: str) -> dict[str, Any]:
    true, false = counts.of(condition, file)
    return {
        "input": condition.input.source,
        "match_type": condition.match_type,
        "pattern": condition.pattern,
        "negate": condition.negate,
        "line": condition.span.line,
        "true": true,
        "false": false,
    }
