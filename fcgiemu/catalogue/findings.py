"""The value types of findings: where something stands in a file, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

#: HRESULTs of configuration errors as IIS's 500.19 page shows them (Microsoft's article on HTTP
#: error 500.19).
E_INVALID_DATA = 0x8007000D
E_DUPLICATE = 0x800700B7
E_ACCESS_DENIED = 0x80070005


@dataclass(frozen=True, slots=True)
class Span:
    """Where an element's start tag begins: file as the user knows it, line and column counted from
    1.
    """

    file: str
    line: int
    column: int

    @classmethod
    def at(cls, file: str, text: str, position: int) -> Span:
        """The place of a position in the text of a file."""
        line = text.count("\n", 0, position) + 1
        return cls(file, line, position - text.rfind("\n", 0, position))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to tell about a site.

    ``severity`` is ``error`` (requests fail because of it), ``warning`` or ``info``.
    ``section`` names the section whose consumers fail; the empty string means every request under
    the file.
    """

    code: str
    severity: str
    message: str
    span: Span | None = None
    hint: str = ""
    hresult: int = E_INVALID_DATA
    section: str = ""
    #: The <location> path that the finding is about, "" for the whole folder.
    location: str = ""
    #: The change to the file that ``check --fix`` makes, "" for none; see ``catalogue``.
    fix: str = ""

    def as_json(self) -> FindingJson:
        """The shape of a finding in ``explain``'s JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "file": self.span.file if self.span else None,
            "line": self.span.line if self.span else None,
            "column": self.span.column if self.span else None,
            "hint": self.hint,
        }


class FindingJson(TypedDict):
    """The shape of a finding in ``explain``'s JSON."""

    code: str
    severity: str
    message: str
    file: str | None
    line: int | None
    column: int | None
    hint: str
