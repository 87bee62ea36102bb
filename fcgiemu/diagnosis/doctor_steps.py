"""What ``doctor`` shows: one line for each thing it looked at."""

from __future__ import annotations

from dataclasses import dataclass

from ..catalogue.findings import Finding

#: Severity of a finding -> status of its step.
_STATUS = {"error": "problem", "warning": "warning", "info": "note"}


@dataclass(frozen=True, slots=True)
class DoctorStep:
    """One thing that was looked at. ``status`` is "ok", "note", "warning" or "problem"; ``finding``
    is what was found, ``remedy`` what to do.
    """

    name: str
    status: str
    text: str
    finding: Finding | None = None

    @property
    def remedy(self) -> str:
        """What to change; "" where nothing need be."""
        return self.finding.hint if self.finding is not None else ""

    def as_json(self, application: str) -> dict[str, str]:
        """The shape of ``doctor --json``; ``application`` is the path of the application."""
        return {
            "application": application or "/",
            "name": self.name,
            "status": self.status,
            "text": self.text,
            "remedy": self.remedy,
            "code": self.finding.code if self.finding is not None else "",
        }

    @classmethod
    def of(cls, name: str, finding: Finding) -> DoctorStep:
        """A step that found something."""
        where = f"{finding.span}: " if finding.span is not None else ""
        return cls(name, _STATUS[finding.severity], f"{where}{finding.message}", finding)
