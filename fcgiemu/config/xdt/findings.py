"""What a transform file says, as findings of the configuration that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ... import catalogue
from ...catalogue.findings import Finding, Span
from . import Message
from .chain import apply_all, read
from .locators import TRANSFORM_NAMESPACE

#: What is appended to the name of a file whose transformed text is meant.
MARK = " (transformed)"
#: Code of a warning -> of its finding; the others are xdt-warning.
_CODES = {
    "no-match": "xdt-no-match",
    "taken-by-earlier": "xdt-taken-by-earlier",
    "several-targets": "xdt-several-targets",
}
#: The same for messages that are told although the engine does not warn.
_TOLD = {"no-namespace": "xdt-no-namespace", "import-ignored": "xdt-import-ignored"}


@dataclass(frozen=True, slots=True)
class Transformed:
    """A transformed file: its name says that its lines are those of the result; ``origins`` leads
    from there to the lines as written.
    """

    name: str
    data: bytes
    findings: tuple[Finding, ...]
    origins: Mapping[Span, Span] = field(default_factory=dict)


def transformed(base: bytes, name: str, files: Sequence[Path]) -> Transformed:
    """A file as it is after ``files``, in order. What fails is an error that fails every request,
    as a build that fails publishes nothing.
    """
    given: list[tuple[str, bytes]] = []
    for path in files:
        try:
            given.append((path.name, read(path)))
        except OSError as error:
            found = catalogue.finding(
                "xdt-failed",
                Span(path.name, 1, 1),
                message=f"The transform file cannot be read: {error.strerror}",
                remedy="Make it readable, or leave its --transform out.",
            )
            return Transformed(name, base, (found,))
    chain = apply_all(base, name, given)
    findings = [
        finding for one in chain.applied for finding in of_messages(one.result.messages, one.name)
    ]
    marked = name + MARK
    return Transformed(
        marked,
        chain.data,
        tuple(findings),
        {Span(marked, *place): span for place, span in chain.origins.items()},
    )


def of_messages(messages: Sequence[Message], file: str) -> list[Finding]:
    """The messages that are worth telling."""
    found = []
    for message in messages:
        code = _code(message)
        if code:
            span = message.span or Span(file, 1, 1)
            found.append(catalogue.finding(code, span, message=message.text, remedy=message.remedy))
    return found


def _code(message: Message) -> str:
    if message.kind == "error":
        return "xdt-failed"
    if message.code in _TOLD:
        return _TOLD[message.code]
    return _CODES.get(message.code, "xdt-warning") if message.kind == "warning" else ""


def trial(base: bytes, base_name: str, changes: bytes, name: str) -> list[Finding]:
    """What a transform file would say of a base file, should it be applied. Nothing there is an
    error, as it is not applied now. A file that is not a transform has nothing to say.
    """
    if not is_transform(changes):
        return []
    chain = apply_all(base, base_name, [(name, changes)])
    return [
        replace(finding, severity="warning") if finding.severity == "error" else finding
        for finding in of_messages(chain.messages, name)
    ]


def is_transform(data: bytes) -> bool:
    """Whether a file is meant as a transform: it declares the namespace, or one that was meant to
    be it.
    """
    return TRANSFORM_NAMESPACE.partition("//")[2].lower().encode() in data.lower()
