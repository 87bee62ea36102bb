"""What ``fcgiemu diff`` found, as text, JSON, JUnit and one HTML page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..logs.comparison import Comparison
from ..logs.deciding import GRAVITY
from ..logs.results import Change, Group
from ..pages import changes as page
from ..report.findings import suite

#: What the gravities are called above a list of changes.
HEADINGS = {
    "new 404": "New 404s",
    "new error": "New errors",
    "new redirect hop": "More redirects",
    "other": "Other changes",
}
_BASIC = "method, path, port"


def ranked(found: dict[Group, Change]) -> list[tuple[Group, Change]]:
    """Groups by gravity, then by traffic."""
    order = {name: number for number, name in enumerate(GRAVITY)}
    return sorted(
        found.items(), key=lambda pair: (order.get(pair[0][0], 0), -pair[1].count, pair[0])
    )


def share(count: int, total: int) -> str:
    """A part of the traffic in per cent."""
    return f"{100 * count / total:.1f} %" if total else "0.0 %"


# -- text ------------------------------------------------------------------------------------------


def text(comparison: Comparison) -> str:
    """Changes by gravity and traffic, each with examples; what the log shows otherwise; rules; a
    count at the end.
    """
    lines = [*_changes(comparison), *_parity(comparison), *_rules(comparison), *_input(comparison)]
    return "\n".join([*lines, _count(comparison)])


def _changes(comparison: Comparison) -> Iterator[str]:
    total = comparison.totals.requests
    last = ""
    for group, change in ranked(comparison.totals.changes):
        if group[0] != last:
            last = group[0]
            yield f"{HEADINGS[last]}:"
        yield f"{change.count:8}  {share(change.count, total):>7}  {group[1]}  ->  {group[2]}"
        yield from _examples(change)


def _examples(change: Change) -> Iterator[str]:
    for example, count in change.examples.items():
        yield f"            {example}" + (f"  ({count} times)" if count > 1 else "")


def _parity(comparison: Comparison) -> Iterator[str]:
    compared, alike = comparison.parity
    if not compared:
        return
    yield (
        f"The log shows the status that the old version gives for {alike} of {compared} requests"
        f" that IIS answers itself ({share(alike, compared)})"
        + (". It shows another one:" if comparison.totals.unlike else ".")
    )
    for group, change in ranked(comparison.totals.unlike):
        yield f"{change.count:8}  logged {group[1]}, predicted {group[2]}"
        yield from _examples(change)


def _rules(comparison: Comparison) -> Iterator[str]:
    for parts, found in (
        ("No request has hit:", comparison.unused),
        ("Every request goes the same way without:", comparison.removable),
    ):
        if found and comparison.totals.requests:
            yield parts
            yield from (f"            rule '{name}' ({place})" for name, place in found.items())
    if comparison.lacking:
        yield "Not replayable, as no log holds it:"
        yield from (f"            {one}" for one in comparison.lacking)


def _input(comparison: Comparison) -> Iterator[str]:
    facts = comparison.facts
    if not facts.formats:
        return
    yield f"Decided by {'; '.join(decided_by(comparison))}"
    missing = sorted(facts.missing & set(comparison.reasons))
    if missing:
        yield f"Some log lacks: {', '.join(missing)}; decided as if it were empty"
    yield from comparison.notes
    named = facts.named()
    if named:
        yield "Not read:"
        yield from (f"            {problem}" for problem in named)


def decided_by(comparison: Comparison) -> list[str]:
    """The columns that decide, each with what reads it."""
    return [
        _BASIC,
        *(f"{name} ({_some(reasons)})" for name, reasons in comparison.reasons.items()),
    ]


def _some(parts: list[str]) -> str:
    return ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")


def _count(comparison: Comparison) -> str:
    found, facts = comparison.totals, comparison.facts
    parts = f"{found.changed} of {found.requests} change"
    if found.ignored:
        parts += f", {found.ignored} ignored"
    if facts.skipped:
        parts += f", {facts.skipped} lines without a request"
    if not comparison.complete:
        parts += "; stopped before all was decided"
    return parts


# -- JSON ------------------------------------------------------------------------------------------


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as a JSON object; see docs/logs.md."""
    found = comparison.totals
    compared, alike = comparison.parity
    return {
        "asked": found.requests,
        "changed": found.changed,
        "ignored": found.ignored,
        "skipped": comparison.facts.skipped,
        "complete": comparison.complete,
        "decided_by": ["method", "path", "port", *comparison.reasons],
        "read_by": comparison.reasons,
        "changes": [
            {"kind": group[0], "old": group[1], "new": group[2], **_object(change, found.requests)}
            for group, change in ranked(found.changes)
        ],
        "flows": [
            {"before": flow[0], "after": flow[1], "count": count}
            for flow, count in sorted(found.flows.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
        "parity": {
            "compared": compared,
            "alike": alike,
            "by_rule": {
                rule: {"compared": pair[0], "alike": pair[1]}
                for rule, pair in sorted(found.parity.items())
            },
        },
        "unlike_log": [
            {"logged": group[1], "predicted": group[2], **_object(change, found.requests)}
            for group, change in ranked(found.unlike)
        ],
        "rules": {
            name: {"place": place, "requests": found.new_hits.get(name, 0)}
            for name, place in comparison.rules.items()
        },
        "unused_rules": list(comparison.unused),
        "removable_rules": list(comparison.removable),
        "not_replayable": comparison.lacking,
        "logs": comparison.facts.as_json(),
        "notes": comparison.notes,
    }


def _object(change: Change, total: int) -> dict[str, Any]:
    return {
        "count": change.count,
        "share": round(change.count / total, 6) if total else 0.0,
        "urls": change.different,
        "examples": list(change.examples),
        "example_counts": list(change.examples.values()),
    }


# -- JUnit and HTML --------------------------------------------------------------------------------


def junit(comparison: Comparison) -> str:
    """A failed test case a group of changes."""
    cases = [
        (
            f"fcgiemu diff.{group[0]}",
            f"{group[1]} -> {group[2]}",
            "\n".join([f"{change.count} requests", *change.examples]),
        )
        for group, change in ranked(comparison.totals.changes)
    ]
    return suite("fcgiemu diff", cases or [("fcgiemu diff", _count(comparison), "")])


def html(comparison: Comparison) -> str:
    """One page that needs nothing else."""
    found = comparison.totals
    return page.rendered(
        page.Values(
            count=_count(comparison),
            requests=found.requests,
            flows=found.flows,
            changes=[
                page.ChangeRow(
                    HEADINGS[group[0]], group[1], group[2], change.count, change.examples
                )
                for group, change in ranked(found.changes)
            ],
            unlike=[
                page.ChangeRow("", group[1], group[2], change.count, change.examples)
                for group, change in ranked(found.unlike)
            ],
            parity=comparison.parity,
            by_rule=[(rule, pair[0], pair[1]) for rule, pair in sorted(found.parity.items())],
            lists=[
                ("Rules that no request has hit", _places(comparison.unused)),
                (
                    "Rules without which every request goes the same way",
                    _places(comparison.removable),
                ),
                ("Not replayable, as no log holds it", comparison.lacking),
                ("What decides", decided_by(comparison)),
                ("Lines that were not read", list(map(str, comparison.facts.named()))),
                ("Notes", comparison.notes),
            ],
        )
    )


def _places(found: dict[str, str]) -> Iterable[str]:
    return [f"rule '{name}' ({place})" for name, place in found.items()]


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "text": text,
    "json": lambda comparison: json.dumps(as_json(comparison), indent=1),
    "junit": junit,
    "html": html,
}
