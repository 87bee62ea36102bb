"""Findings as text, JSON, SARIF, GitHub annotations and JUnit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ..catalogue.findings import Finding
from ..version import DOCUMENTATION, __version__

#: Severity -> SARIF's level, GitHub's command.
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_DOCS = f"{DOCUMENTATION}check.md"


Style = Callable[[str, str], str]


def plain(word: str, _severity: str) -> str:
    """The style of a text without colours."""
    return word


def text(findings: Iterable[Finding], style: Style = plain) -> str:
    """The lines of ``lines`` as one text."""
    return "\n".join(lines(findings, style))


def lines(findings: Iterable[Finding], style: Style = plain) -> Iterator[str]:
    """``file:line:column: severity: message [code]``, what to write below it; a count at the end.
    Each as soon as its finding is there.
    """
    counts: Counter[str] = Counter()
    for finding in findings:
        counts[finding.severity] += 1
        where = f"{finding.span}: " if finding.span else ""
        word = style(finding.severity, finding.severity)
        yield f"{where}{word}: {finding.message} [{finding.code}]"
        if finding.hint:
            yield f"    {finding.hint}"
    words = [
        f"{counts[name]} {name}{'s' if counts[name] > 1 else ''}"
        for name in ("error", "warning", "info")
        if counts[name]
    ]
    yield ", ".join(words) or "nothing found"


def as_json(findings: Sequence[Finding]) -> str:
    """A list of objects in the shape that ``explain`` has as well."""
    return json.dumps([finding.as_json() for finding in findings], indent=1)


def sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0, with paths relative to the working directory (%SRCROOT%), files outside it as
    file URIs.
    """
    codes = sorted({finding.code for finding in findings})
    results = [
        {
            "ruleId": finding.code,
            "ruleIndex": codes.index(finding.code),
            "level": _LEVELS[finding.severity],
            "message": {"text": finding.message + (f". {finding.hint}" if finding.hint else "")},
            "locations": [_location(finding)] if finding.span else [],
        }
        for finding in findings
    ]
    rules = [
        {
            "id": code,
            "shortDescription": {"text": code.replace("-", " ")},
            "help": {"text": f"See the section {code} of {_DOCS}."},
            "helpUri": address(code),
        }
        for code in codes
    ]
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {"driver": {"name": "fcgiemu", "version": __version__, "rules": rules}},
                    "results": results,
                    "originalUriBaseIds": {
                        "%SRCROOT%": {"description": {"text": "The working directory."}}
                    },
                    "columnKind": "utf16CodeUnits",
                }
            ],
        },
        indent=1,
    )


def address(code: str) -> str:
    """Where the section about a code is."""
    return f"{_DOCS}#{code}"


def _location(finding: Finding) -> dict[str, Any]:
    assert finding.span is not None
    path = quote(finding.span.file)
    return {
        "physicalLocation": {
            "artifactLocation": (
                {"uri": f"file://{path}"}
                if path.startswith("/")
                else {"uri": path, "uriBaseId": "%SRCROOT%"}
            ),
            "region": {"startLine": finding.span.line, "startColumn": max(1, finding.span.column)},
        }
    }


def github(findings: Sequence[Finding]) -> str:
    """Workflow commands, one line a finding."""
    lines = []
    for finding in findings:
        span = finding.span
        place = (
            f"file={escaped_property(span.file)},line={span.line},col={span.column},"
            if span
            else ""
        )
        message = finding.message + (f"\n{finding.hint}" if finding.hint else "")
        lines.append(
            f"::{_COMMANDS[finding.severity]}"
            f" {place}title={escaped_property(finding.code)}::{escaped_data(message)}"
        )
    return "\n".join(lines)


def escaped_data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(value: str) -> str:
    return escaped_data(value).replace(":", "%3A").replace(",", "%2C")


def junit(findings: Sequence[Finding]) -> str:
    """One test case a finding; a single passing one where there is none."""
    return suite(
        "fcgiemu check",
        [
            (
                str(finding.span) if finding.span else "site",
                finding.code,
                "" if finding.severity == "info" else f"{finding.message}\n{finding.hint}",
            )
            for finding in findings
        ]
        or [("site", "check", "")],
    )


def suite(name: str, cases: Sequence[tuple[str, str, str]]) -> str:
    """JUnit's XML of (class name, name, failure or "") triples."""
    from xml.sax.saxutils import escape, quoteattr  # it loads urllib, http and ssl

    failures = sum(bool(failure) for _, _, failure in cases)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        (
            f'<testsuite name={quoteattr(name)} tests="{len(cases)}" failures="{failures}"'
            ' errors="0" skipped="0">'
        ),
    ]
    for class_name, case, failure in cases:
        head = f"  <testcase classname={quoteattr(class_name)} name={quoteattr(case)}"
        if failure:
            first = failure.splitlines()[0]
            lines.append(
                f"{head}><failure message={quoteattr(first)}>{escape(failure)}</failure></testcase>"
            )
        else:
            lines.append(head + " />")
    return "\n".join([*lines, "</testsuite>"])


FORMATS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
    "junit": junit,
}
