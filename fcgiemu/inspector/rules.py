"""How often rules and conditions have applied.

Rules are counted as requests end. A condition needs the trace of a request, which is made when
somebody looks: those of the requests that the ring holds, each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..pages import masking
from ..rewrite.rule import Condition, Rule
from ..site import Site
from ..testing.coverage import rules
from ..trace import Trace
from .ring import Seen

#: Bytes of a web.config that is shown.
MAX_FILE = 1 << 20


class Counts:
    """What traces have shown, by place; for one thread."""

    def __init__(self) -> None:
        self._counted = 0
        self._conditions: Counter[tuple[str, int, int, bool]] = Counter()
        self._generation = -1

    def add(self, site: Site, requests: Iterable[Seen]) -> None:
        """Count what has not been counted. A changed configuration begins anew."""
        if site.tree.generation != self._generation:
            self._generation, self._counted = site.tree.generation, 0
            self._conditions.clear()
        for seen in requests:
            if seen.number > self._counted and seen.decision is not None:
                self._count(site, seen)
            self._counted = max(self._counted, seen.number)

    def _count(self, site: Site, seen: Seen) -> None:
        assert seen.decision is not None
        trace = Trace()
        site.decide(seen.decision.request, trace)
        file = ""
        for event in trace.events:
            values = event.values
            if event.name == "RULE_EVALUATION_START":
                file = str(values["File"])
            elif event.name == "CONDITION_EVALUATION":
                line, column = values["Line"], values["Column"]
                assert isinstance(line, int) and isinstance(column, int)
                self._conditions[file, line, column, bool(values["Succeeded"])] += 1

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
        "files": [{"name": name, "text": _text(site, name)} for name in files],
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


def _text(site: Site, name: str) -> str | None:
    """A configuration file without secrets; None where it lies elsewhere."""
    try:
        data = (site.path / name).read_bytes()[:MAX_FILE]
    except OSError:
        return None
    return masking.text(data.decode("utf-8-sig", "replace"))
