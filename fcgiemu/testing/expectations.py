"""Expectations about a site: read from text, CSV or JSON, and compared with what ``decide`` says.

Text has one expectation a line, ``#`` begins a comment::

    /old -> 301 /new
    /static/site.css -> static
    GET /app/x -> fastcgi rule "Configure Python"
    https://www.example.org/x [X-Name: value] -> 404.8

A line ``as CONTOSO\\bob; roles=A,B`` says who asks from there on, ``as`` alone that it is nobody in
particular again; in front of an arrow the words hold for that line.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import SiteError
from ..http.identity import Identity
from ..identities import named
from .answer import Answer

#: Asks a site: URL, method, headers, and who asks as the keywords of Client.open.
Ask = Callable[..., Answer]

KINDS = (
    "static",
    "directory",
    "fastcgi",
    "httpPlatform",
    "iisnode",
    "aspNetCore",
    "proxy",
    "redirect",
    "respond",
    "abort",
)
#: Words in front of a value -> what is compared.
_WORDS = {
    "rule": "rules",
    "handler": "handler",
    "file": "file",
    "path": "path",
    "location": "location",
    "kind": "kind",
}
_REQUEST = re.compile(
    r"(?:(?P<method>[A-Z][A-Z-]*)\s+)?(?P<url>\S+)(?P<headers>(?:\s+\[[^\]]*\])*)"
    r"(?:\s+as\s+(?P<client>\S.*?))?\s*"
)


class BadExpectation(ValueError):
    """A line that says nothing that can be compared; the message names file and line."""


@dataclass(slots=True, kw_only=True)
class Expectation:
    """A request, and what must come of it: values by name (kind, status, location, file, path,
    handler), rules that apply.
    """

    url: str
    method: str = "GET"
    headers: list[tuple[str, str]] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    #: Who asks; None = whom the settings name.
    client: Identity | None = None
    source: str = ""
    line: int = 0

    @property
    def name(self) -> str:
        """The request, as reports show it."""
        client = f" as {self.client.name}" if self.client is not None else ""
        return f"{self.method} {self.url}{client}"

    def differences(self, answer: Answer) -> list[str]:
        """What is not as expected, in words; empty where all is."""
        found = []
        for name, value in self.expected.items():
            actual = _actual(name, answer)
            if not _equal(name, value, actual, answer):
                found.append(f"expected {name} {value}, got {_shown(name, actual, answer)}")
        missing = [rule for rule in self.rules if rule not in answer.rules]
        if missing:
            applied = ", ".join(repr(rule) for rule in answer.rules) or "none"
            found.append(f"expected rule '{missing[0]}' to apply, applied: {applied}")
        return found


def read(path: Path) -> list[Expectation]:
    """The expectations of a file: .csv, .json, or the text form. Raises BadExpectation and
    OSError.
    """
    text = path.read_text("utf-8-sig")
    if path.suffix.lower() == ".json":
        return list(_from_json(text, str(path)))
    if path.suffix.lower() == ".csv":
        return list(_from_csv(text, str(path)))
    return list(parse(text.splitlines(), str(path)))


def parse(lines: Iterable[str], source: str) -> Iterator[Expectation]:
    """The expectations of the text form. Raises BadExpectation."""
    client: Identity | None = None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if re.match(r"as(?:\s|$)", text) and " -> " not in text:
            client = _client(_without_comment(text)[2:], source, number)
            continue
        request, arrow, expected = text.partition(" -> ")
        match = _REQUEST.fullmatch(request.strip())
        if not arrow or not match:
            raise BadExpectation(
                f"{source}:{number}: write 'URL -> what comes of it', such as '/old -> 301 /new'."
            )
        headers = []
        for header in re.findall(r"\[([^\]]*)\]", match["headers"]):
            name, colon, value = header.partition(":")
            if not colon:
                raise BadExpectation(
                    f"{source}:{number}: [{header}] is not a header; write [Name: value]."
                )
            headers.append((name.strip(), value.strip()))
        expectation = Expectation(
            url=match["url"],
            method=match["method"] or "GET",
            headers=headers,
            client=_client(match["client"], source, number) if match["client"] else client,
            source=source,
            line=number,
        )
        _expect(expectation, expected)
        yield expectation


def _client(text: str, source: str, number: int) -> Identity | None:
    """Who asks: ``CONTOSO\\bob; roles=A,B``; None for no text."""
    try:
        return named(text) if text.strip() else None
    except SiteError as error:
        raise BadExpectation(
            f"{source}:{number}: {error} Write for example 'as CONTOSO\\bob; roles=A,B'."
        ) from None


def _expect(expectation: Expectation, text: str) -> None:
    """The words behind the arrow."""
    where = f"{expectation.source}:{expectation.line}"
    try:
        words = shlex.split(_without_comment(text))
    except ValueError as error:
        raise BadExpectation(f"{where}: {error}.") from None
    if not words:
        raise BadExpectation(f"{where}: nothing follows the arrow.")
    position = 0
    while position < len(words):
        word = words[position]
        if word in _WORDS and position + 1 < len(words):
            position += 1
            if word == "rule":
                expectation.rules.append(words[position])
            else:
                expectation.expected[_WORDS[word]] = words[position]
        elif re.fullmatch(r"[1-9]\d\d(?:\.\d+)?", word):
            expectation.expected["status"] = word
        elif word in KINDS:
            expectation.expected["kind"] = word
        elif word.startswith("/") or "://" in word:
            expectation.expected["target"] = word
        else:
            raise BadExpectation(
                f"{where}: '{word}' is not a status, kind ({', '.join(KINDS)}), path, or one of "
                f"{', '.join(_WORDS)} with a value."
            )
        position += 1


def _without_comment(text: str) -> str:
    """The text up to a ``#`` that stands behind a blank and outside of quotes; a fragment of a URL
    is not a comment.
    """
    quote = ""
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and (not index or text[index - 1].isspace()):
            return text[:index]
    return text


def _from_csv(text: str, source: str) -> Iterator[Expectation]:
    """``old,new`` and optionally a status; ``new`` may be a status as well. A first line of words
    is a heading.
    """
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise BadExpectation(f"{source}: {error}.") from error
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if (
            not any(cells)
            or cells[0].startswith("#")
            or (number == 1 and not any(cell.startswith(("/", "http")) for cell in cells))
        ):
            continue
        if len(cells) < 2 or not cells[1]:
            raise BadExpectation(f"{source}:{number}: two cells are needed, old and new.")
        expectation = Expectation(url=cells[0], source=source, line=number)
        if re.fullmatch(r"\d{3}(?:\.\d+)?", cells[1]):
            expectation.expected["status"] = cells[1]
        else:
            expectation.expected.update(kind="redirect", target=cells[1])
        if len(cells) > 2 and cells[2]:
            expectation.expected["status"] = cells[2]
        yield expectation


def _from_json(text: str, source: str) -> Iterator[Expectation]:
    """A list of ``{"url", "method", "headers", "expect": {…}}``; ``expect`` has the keys of an
    outcome, and ``rules``.
    """
    try:
        entries = json.loads(text)
        assert isinstance(entries, list)
    except (ValueError, AssertionError) as error:
        raise BadExpectation(
            f"{source}:{getattr(error, 'lineno', 1)}: a JSON list of objects is needed ({error})."
        ) from None
    for number, entry in enumerate(entries, 1):
        expect = entry.get("expect") if isinstance(entry, dict) else None
        if not isinstance(expect, dict) or not expect or not isinstance(entry.get("url"), str):
            raise BadExpectation(f'{source}: entry {number} needs "url" and "expect".')
        odd = entry.keys() - {"url", "method", "headers", "expect", "as", "roles"}
        if (
            odd
            or not isinstance(entry.get("headers", {}), dict)
            or not isinstance(expect.get("rules", []), list)
            or not isinstance(entry.get("roles", []), list)
            or not isinstance(entry.get("as", ""), str)
        ):
            words = "headers is an object, rules and roles are lists, as is a text."
            odd_one = f"'{min(odd)}' is not known." if odd else words
            raise BadExpectation(f"{source}: entry {number}: {odd_one}")
        roles = ",".join(map(str, entry.get("roles", ())))
        client = f"{entry.get('as', '')}{f'; roles={roles}' if roles else ''}"
        unknown = expect.keys() - {
            "kind",
            "status",
            "substatus",
            "location",
            "file",
            "path",
            "handler",
            "rules",
        }
        if unknown:
            raise BadExpectation(f"{source}: entry {number}: '{min(unknown)}' cannot be compared.")
        expected = {
            name: str(value)
            for name, value in expect.items()
            if name not in ("rules", "substatus") and value is not None
        }
        if expect.get("substatus"):
            expected["status"] = f"{expected.get('status', '')}.{expect['substatus']}"
        yield Expectation(
            url=entry["url"],
            method=entry.get("method", "GET"),
            headers=list((entry.get("headers") or {}).items()),
            expected=expected,
            rules=list(expect.get("rules", ())),
            client=_client(client, source, number),
            source=source,
            line=number,
        )


def _actual(name: str, answer: Answer) -> str:
    if name == "status":
        if answer.status is None:
            return "the application's own"
        return (
            f"{answer.status}.{answer.substatus}"
            if answer.kind == "respond"
            else str(answer.status)
        )
    if name == "target":
        name = {"redirect": "location", "static": "file", "directory": "file"}.get(
            answer.kind, "path"
        )
        if name == "file":
            return f"/{answer.file}"
        if name == "path":
            return answer.path + (f"?{answer.query}" if answer.query else "")
    return str(answer.outcome.get(name) or "")


def _shown(name: str, actual: str, answer: Answer) -> str:
    """What was got, as a difference names it: of an answer of IIS's own its status, and of a
    configuration that cannot be used the place and the cause.
    """
    if name not in ("kind", "status", "target") or answer.kind != "respond":
        return actual or "none"
    status = _actual("status", answer)
    first_error = next((one for one in answer.data["findings"] if one["severity"] == "error"), None)
    if answer.status != 500 or first_error is None or first_error["file"] is None:
        return status
    return f"{status} ({first_error['file']}:{first_error['line']}: {first_error['message']})"


def _equal(name: str, expected: str, actual: str, answer: Answer) -> bool:
    if name == "status":
        return actual == expected or "." not in expected and actual.partition(".")[0] == expected
    if name == "file":
        return actual == expected.lstrip("/")
    if name == "path":
        return expected in (actual, answer.path + (f"?{answer.query}" if answer.query else ""))
    if name in ("target", "location") and answer.kind == "redirect" and expected.startswith("/"):
        parts = urlsplit(actual)
        own = (
            parts.path
            + (f"?{parts.query}" if parts.query else "")
            + (f"#{parts.fragment}" if parts.fragment else "")
        )
        return own == expected
    if name == "target" and answer.kind in ("static", "directory"):
        return actual.lower().rstrip("/") == expected.lower().rstrip("/")
    return actual == expected


@dataclass(slots=True)
class ExpectationResult:
    """An expectation, the answer, and what differs."""

    expectation: Expectation
    answer: Answer
    differences: list[str]


def judge(ask: Ask, expectations: Iterable[Expectation]) -> Iterator[ExpectationResult]:
    """Ask the site for each expectation."""
    for expectation in expectations:
        who = expectation.client
        more = {"as_user": who.name, "roles": who.roles} if who is not None else {}
        answer = ask(expectation.url, expectation.method, expectation.headers, **more)
        yield ExpectationResult(expectation, answer, expectation.differences(answer))


def as_json(results: Iterable[ExpectationResult]) -> list[dict[str, Any]]:
    """The results as JSON objects."""
    return [
        {
            "name": result.expectation.name,
            "file": result.expectation.source,
            "line": result.expectation.line,
            "passed": not result.differences,
            "differences": result.differences,
            "outcome": result.answer.outcome,
        }
        for result in results
    ]
