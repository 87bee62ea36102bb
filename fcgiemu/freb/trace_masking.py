"""Secrets in traces and captured requests: found by the names of headers and parameters, masked
wherever their values occur.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from .model import FrebEvent, FrebTrace

MASK = "********"
#: Names of headers, cookies' headers included, whose values nobody else should see.
_NAMES = re.compile(
    r"(?i)cookie|authorization|token|api-?key|functions-key|secret|password|clientcert|zumo-auth"
)
_PARAMETERS = re.compile(
    r"(?i)((?:^|[?&;\s])(?:[\w.-]*(?:password|passwd|pwd|(?<!publickey)token|secret|signature|api_?key)|sig)=)"
    r"[^&;\s\"'<>]+"
)
_VARIABLES = re.compile(r"(?i)\{HTTP_[A-Z_]*(?:COOKIE|AUTHORIZATION|TOKEN|API_?KEY|SECRET)[^}]*\}")
#: Shorter values are masked where they stand only: they occur everywhere by chance.
_SHORTEST = 8
#: Values of one trace that are looked for elsewhere in it.
_MOST = 200


def is_secret(header: str) -> bool:
    """Whether a header of this name holds a secret."""
    return bool(_NAMES.search(header))


def parameters(text: str) -> str:
    """Text, such as a URL or a form, without the values of parameters that hold secrets."""
    return _PARAMETERS.sub(rf"\g<1>{MASK}", text) if "=" in text else text


def headers(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers with the values of secret ones masked; the names of cookies stay."""
    return [
        (name, _header(name, value) if is_secret(name) else parameters(value))
        for name, value in pairs
    ]


def _header(name: str, value: str) -> str:
    """A secret value masked: names of cookies, the scheme of Authorization and attributes of
    Set-Cookie stay, because sites depend on them.
    """
    if not value.strip():
        return value
    folded = name.lower()
    if folded == "cookie":
        return "; ".join(_cookie(part) for part in value.split(";"))
    if folded == "set-cookie":
        first, semicolon, rest = value.partition(";")
        return _cookie(first) + semicolon + rest
    scheme, blank, _ = value.strip().partition(" ")
    return f"{scheme} {MASK}" if blank and folded.endswith("authorization") else MASK


def _cookie(text: str) -> str:
    name, equals, _ = text.strip().partition("=")
    return f"{name}={MASK}" if equals else MASK


def masked(trace: FrebTrace) -> FrebTrace:
    """The trace with every secret masked, also where a rule's condition shows it."""
    found = sorted(_secrets(trace), key=len, reverse=True)[:_MOST]
    pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def clean(text: str) -> str:
        return parameters(pattern.sub(MASK, text) if pattern else text)

    return replace(
        trace,
        attributes=tuple((name, clean(value)) for name, value in trace.attributes),
        events=tuple(
            replace(event, data=tuple((name, clean(value)) for name, value in _data(event)))
            for event in trace.events
        ),
    )


def _data(event: FrebEvent) -> tuple[tuple[str, str], ...]:
    """An event's values, those masked that are secrets by their place."""
    header = event["HeaderName"].rstrip(":")
    hidden = event.name == "CONDITION_EVALUATION" and _VARIABLES.search(event["Input"])
    pairs = []
    for name, value in event.data:
        if name == "Headers":
            value = _block(value)
        elif name == "HeaderValue" and header and is_secret(header):
            value = _header(header, value)
        elif name == "ExpandedInput" and hidden and value:
            value = MASK
        pairs.append((name, value))
    return tuple(pairs)


def _block(text: str) -> str:
    """A header block, CR LF between its lines, masked."""
    lines = []
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon and is_secret(name):
            end = "\r" if value.endswith("\r") else ""
            line = f"{name}: {_header(name.strip(), value.strip())}{end}"
        lines.append(line)
    return "\n".join(lines)


def _secrets(trace: FrebTrace) -> set[str]:
    """Values that must not be shown anywhere in a trace."""
    found: set[str] = set()
    for event in trace.events:
        if event["Headers"]:
            found.update(_values(pair) for pair in _secret_lines(event["Headers"]))
            for name, value in _secret_lines(event["Headers"]):
                found.update(_cookie_values(name, value))
        header = event["HeaderName"].rstrip(":")
        if header and is_secret(header):
            found.update(_cookie_values(header, event["HeaderValue"]))
    return {value for value in found if len(value) >= _SHORTEST and value != MASK}


def _secret_lines(block: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":")[::2] for line in block.splitlines())
    return [(name.strip(), value.strip()) for name, value in pairs if is_secret(name)]


def _values(pair: tuple[str, str]) -> str:
    return pair[1]


def _cookie_values(name: str, value: str) -> set[str]:
    """The secret parts of a header's value."""
    folded = name.lower()
    if folded == "cookie":
        return {part.partition("=")[2].strip() for part in value.split(";")}
    if folded == "set-cookie":
        return {value.partition(";")[0].partition("=")[2].strip()}
    return {value.strip().rpartition(" ")[2]}
