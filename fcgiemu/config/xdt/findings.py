"""What a transform file says, as findings of the configuration that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..diagnostics import Finding, Span
from . import Message
from .chain import apply_all, read
from .locators import TRANSFORM_NAMESPACE

#: What is appended to the name of a file whose transformed text is meant.
MARK = " (transformed)"
#: Messages that are told as warnings although the engine does not warn.
_TOLD = {"no-namespace": "warning", "import-ignored": "info"}


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
            unreadable = f"The transform file cannot be read: {error.strerror}"
            hint = "Make it readable, or leave its --transform out."
            found = Finding("xdt-unreadable", "error", unreadable, Span(path.name, 1, 1), hint)
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
    """The messages that are worth telling, each with the code ``xdt-...``."""
    found = []
    for message in messages:
        severity = message.kind if message.kind in ("error", "warning") else _TOLD.get(message.code)
        if severity is not None:
            code = message.code if message.code.startswith("config-") else f"xdt-{message.code}"
            span = message.span or Span(file, 1, 1)
            found.append(Finding(code, severity, message.text, span, message.remedy))
    return found


def trial(base: bytes, base_name: str, file: Path, name: str) -> list[Finding]:
    """What a transform file would say of a base file, should it be applied. Nothing there is an
    error, as it is not applied now. A file that is no transform has nothing to say.
    """
    try:
        changes = read(file)
        if not is_transform(changes):
            return []
    except OSError:
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
