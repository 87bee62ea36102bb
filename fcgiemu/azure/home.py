"""The folders of an App Service under one local folder, which stands for ``D:\\home``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """``root`` stands for D:\\home; the rest lies where Kudu has it."""

    root: Path

    @property
    def wwwroot(self) -> Path:
        """The site that is served."""
        return self.root / "site" / "wwwroot"

    @property
    def repository(self) -> Path:
        """The bare repository that can be pushed to."""
        return self.root / "site" / "repository"

    @property
    def deployments(self) -> Path:
        """A folder for each deployment, with its log and manifest."""
        return self.root / "site" / "deployments"

    @property
    def lock(self) -> Path:
        """Exists while files of the site are exchanged; ``serve`` waits with restarts as long."""
        return self.root / "site" / "locks" / "deployments.lock"

    @property
    def work(self) -> Path:
        """Where a deployment is prepared."""
        return self.root / "site" / ".deploy"

    def create(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.wwwroot, self.deployments, self.lock.parent, self.root / "LogFiles", self.root / "data"):
            folder.mkdir(parents=True, exist_ok=True)


def lock_of(wwwroot: Path) -> Path:
    """The lock of the deployment that a served folder may belong to."""
    return wwwroot.parent / "locks" / "deployments.lock"
