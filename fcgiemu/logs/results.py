"""What deciding has found, in a form that adds up: sections of one run, parts of several machines.

Everything is a sum over requests, or a union; only examples are chosen, and they are chosen in the
order of sections, by how often they were asked. So the result does not depend on who has decided
what, or when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: Examples kept of each change.
EXAMPLES = 3
#: Changes told apart; what comes beyond is counted together.
MAX_GROUPS = 2000
SOMETHING_ELSE = "something else"

#: (how grave, old label, new label) or ("", logged status, predicted label) -> ...
Group = tuple[str, str, str]
#: ... example -> requests.
Rows = dict[Group, dict[str, int]]


@dataclass(slots=True)
class Change:
    """Requests of a group. ``examples``: texts with how often they were asked."""

    count: int = 0
    different: int = 0
    examples: dict[str, int] = field(default_factory=dict)

    def add(self, other: Change) -> None:
        """Take up the requests of another section."""
        self.count += other.count
        self.different += other.different
        for text, count in other.examples.items():
            self.examples[text] = self.examples.get(text, 0) + count
        self.examples = _best(self.examples)


def _best(examples: dict[str, int]) -> dict[str, int]:
    ranked = sorted(examples.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked[:EXAMPLES])


Groups = dict[Group, Change]


def grouped(rows: Rows) -> Groups:
    """The groups of a section."""
    return {
        group: Change(sum(texts.values()), len(texts), _best(texts))
        for group, texts in sorted(rows.items())
    }


@dataclass(slots=True, kw_only=True)
class Section:
    """What deciding the requests of a section has found."""

    requests: int = 0
    changed: int = 0
    ignored: int = 0
    changes: Rows = field(default_factory=dict)
    #: Where the log shows another status than the old version gives.
    unlike: Rows = field(default_factory=dict)
    #: Old rule ("" for none) -> requests whose status is known on both sides, and those alike.
    parity: dict[str, list[int]] = field(default_factory=dict)
    #: (kind before, kind after) -> requests.
    flows: dict[tuple[str, str], int] = field(default_factory=dict)
    #: Rules that applied -> requests.
    old_hits: dict[str, int] = field(default_factory=dict)
    new_hits: dict[str, int] = field(default_factory=dict)
    #: Rules of the new version without which a request would go elsewhere.
    needed: set[str] = field(default_factory=set)

    def put(self, rows: Rows, group: Group, text: str, count: int) -> None:
        """Count requests of a group."""
        texts = rows.setdefault(group, {})
        texts[text] = texts.get(text, 0) + count

    def add(self, other: Section) -> None:
        """Take up what another machine has found in the same section."""
        self.requests += other.requests
        self.changed += other.changed
        self.ignored += other.ignored
        for mine, theirs in ((self.changes, other.changes), (self.unlike, other.unlike)):
            for group, texts in theirs.items():
                for text, count in texts.items():
                    self.put(mine, group, text, count)
        _add_parity(self.parity, other.parity)
        add_counts(self.flows, other.flows)
        add_counts(self.old_hits, other.old_hits)
        add_counts(self.new_hits, other.new_hits)
        self.needed |= other.needed

    def as_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            "requests": self.requests,
            "changed": self.changed,
            "ignored": self.ignored,
            "changes": [[*group, texts] for group, texts in sorted(self.changes.items())],
            "unlike": [[*group, texts] for group, texts in sorted(self.unlike.items())],
            "parity": self.parity,
            "flows": [[*flow, count] for flow, count in sorted(self.flows.items())],
            "old_hits": self.old_hits,
            "new_hits": self.new_hits,
            "needed": sorted(self.needed),
        }

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Section:
        """The section of ``as_json``."""
        return cls(
            requests=values["requests"],
            changed=values["changed"],
            ignored=values["ignored"],
            changes={(row[0], row[1], row[2]): row[3] for row in values["changes"]},
            unlike={(row[0], row[1], row[2]): row[3] for row in values["unlike"]},
            parity=values["parity"],
            flows={(row[0], row[1]): row[2] for row in values["flows"]},
            old_hits=values["old_hits"],
            new_hits=values["new_hits"],
            needed=set(values["needed"]),
        )


def _add_parity(mine: dict[str, list[int]], theirs: dict[str, list[int]]) -> None:
    for rule, (compared, alike) in theirs.items():
        known = mine.setdefault(rule, [0, 0])
        known[0] += compared
        known[1] += alike


def add_counts(mine: dict[Any, int], theirs: dict[Any, int]) -> None:
    """Add up counts by name."""
    for name, count in theirs.items():
        mine[name] = mine.get(name, 0) + count


@dataclass(slots=True, kw_only=True)
class Totals:
    """All sections together: bounded whatever the length of a log."""

    requests: int = 0
    changed: int = 0
    ignored: int = 0
    changes: Groups = field(default_factory=dict)
    unlike: Groups = field(default_factory=dict)
    parity: dict[str, list[int]] = field(default_factory=dict)
    flows: dict[tuple[str, str], int] = field(default_factory=dict)
    old_hits: dict[str, int] = field(default_factory=dict)
    new_hits: dict[str, int] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)

    def take(self, section: Section) -> None:
        """Add a section. They must come in their order, for the sake of the examples."""
        self.requests += section.requests
        self.changed += section.changed
        self.ignored += section.ignored
        _take(self.changes, grouped(section.changes))
        _take(self.unlike, grouped(section.unlike))
        _add_parity(self.parity, section.parity)
        add_counts(self.flows, section.flows)
        add_counts(self.old_hits, section.old_hits)
        add_counts(self.new_hits, section.new_hits)
        self.needed |= section.needed


def _take(groups: Groups, section: Groups) -> None:
    for group, change in section.items():
        if group not in groups and len(groups) >= MAX_GROUPS:
            group = (group[0], SOMETHING_ELSE, SOMETHING_ELSE)
        groups.setdefault(group, Change()).add(change)


def totals(sections: Iterable[Section]) -> Totals:
    """Sections, in their order, together."""
    found = Totals()
    for section in sections:
        found.take(section)
    return found
