"""How a deployment fails."""

from __future__ import annotations

#: What Kudu says at the end of one that has failed.
FAILED = "An error has occurred during web site deployment."


class DeploymentFailed(Exception):
    """A step did not succeed; ``step`` is its name."""

    def __init__(self, step: str, message: str) -> None:
        super().__init__(message)
        self.step = step
