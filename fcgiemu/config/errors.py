"""A configuration that cannot be used."""

from __future__ import annotations

from ..catalogue.findings import Finding


class ConfigurationError(Exception):
    """A configuration that cannot be used at all; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.span}: {finding.message}" if finding.span else finding.message)
        self.finding = finding
