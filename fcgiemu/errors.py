"""Errors that a command shows as they are: a message and what to do."""

from __future__ import annotations

import shlex
import sys


class SiteError(Exception):
    """A site that cannot be opened; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def beside(package: str) -> str:
    """The command that installs a package, or an extra such as ``fcgiemu[logs]``, beside this one,
    whichever Python that is.
    """
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(package)}"
