"""Results of ``fcgiemu test`` as text, GitHub annotations, JSON and JUnit; and coverage."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ..report.findings import escaped_data, escaped_property, suite
from .coverage import Coverage
from .expectations import ExpectationResult, as_json


def text(results: Sequence[ExpectationResult]) -> str:
    """Each failure with what differs and how the answer came about; a count at the end."""
    lines = []
    for result in results:
        if result.differences:
            expectation = result.expectation
            lines.append(
                f"{expectation.source}:{expectation.line}: {expectation.name}:"
                f" {'; '.join(result.differences)}"
            )
            lines += [f"    {line}" for line in result.answer.trace.splitlines()[1:]] + [""]
    failed = sum(bool(result.differences) for result in results)
    lines.append(f"{len(results) - failed} of {len(results)} as expected")
    return "\n".join(lines)


def github(results: Sequence[ExpectationResult]) -> str:
    """One error annotation a failure."""
    return "\n".join(
        "::error"
        f" file={escaped_property(result.expectation.source)},line={result.expectation.line},"
        f"title={escaped_property(result.expectation.name)}::"
        f"{escaped_data('; '.join(result.differences))}"
        for result in results
        if result.differences
    )


def junit(results: Sequence[ExpectationResult]) -> str:
    """One test case an expectation."""
    return suite(
        "fcgiemu test",
        [
            (
                result.expectation.source,
                f"{result.expectation.line}: {result.expectation.name}",
                "\n".join([*result.differences, result.answer.trace]) if result.differences else "",
            )
            for result in results
        ],
    )


def coverage(covered: Coverage) -> str:
    """What no expectation touches, and the share of what they do."""
    missing = list(covered.untouched())
    total = covered.total()
    share = 100 * (total - len(missing)) // total if total else 100
    lines = [f"{span}: {words}" for span, words in missing]
    return "\n".join([*lines, f"coverage {share} % ({total - len(missing)} of {total})"])


FORMATS: dict[str, Callable[[Sequence[ExpectationResult]], str]] = {
    "text": text,
    "github": github,
    "json": lambda results: json.dumps(as_json(results), indent=1),
}
