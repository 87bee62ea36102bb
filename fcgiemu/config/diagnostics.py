"""A configuration that cannot be used; the value types of findings, which are the catalogue's."""

from __future__ import annotations

from ..catalogue.values import (
    E_ACCESS_DENIED,
    E_DUPLICATE,
    E_INVALID_DATA,
    E_LOCKED,
    Finding,
    FindingJson,
    Span,
)


class ConfigurationError(Exception):
    """A configuration that cannot be used at all; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.span}: {finding.message}" if finding.span else finding.message)
        self.finding = finding


__all__ = [
    "E_ACCESS_DENIED",
    "E_DUPLICATE",
    "E_INVALID_DATA",
    "E_LOCKED",
    "ConfigurationError",
    "Finding",
    "FindingJson",
    "Span",
]
