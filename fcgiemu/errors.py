"""Errors that a command shows as they are: a message and what to do."""

from __future__ import annotations


class SiteError(Exception):
    """A site that cannot be opened; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
