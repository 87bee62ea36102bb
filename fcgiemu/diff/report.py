"""What ``fcgiemu diff`` found, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .compare import Change, Report


def text(report: Report) -> str:
    """Changes by frequency, each with examples; then what the log shows otherwise; a count at the
    end.
    """
    lines = list(_groups(report.changes.values(), "{old}  ->  {new}"))
    if report.unlike_log:
        lines += ["The log shows another status than the old version gives:"]
        lines += _groups(report.unlike_log.values(), "logged {old}, predicted {new}")
    skipped = f", {report.skipped} lines without a request" if report.skipped else ""
    return "\n".join([*lines, f"{report.changed} of {report.asked} change{skipped}"])


def _groups(changes: Iterable[Change], form: str) -> Iterator[str]:
    for change in _sorted(changes):
        yield f"{change.count:8}  {form.format(old=change.old, new=change.new)}"
        yield from (f"            {example}" for example in change.examples)


def _sorted(changes: Iterable[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: (-change.count, change.old, change.new))


def as_json(report: Report) -> dict[str, Any]:
    """The report as a JSON object."""
    return {
        "asked": report.asked,
        "changed": report.changed,
        "skipped": report.skipped,
        "changes": [_object(change, "old", "new") for change in _sorted(report.changes.values())],
        "unlike_log": [
            _object(change, "logged", "predicted") for change in _sorted(report.unlike_log.values())
        ],
    }


def _object(change: Change, old: str, new: str) -> dict[str, Any]:
    return {old: change.old, new: change.new, "count": change.count, "examples": change.examples}
