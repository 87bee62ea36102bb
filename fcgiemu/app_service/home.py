"""The folders of an App Service under one local folder, which stands for ``D:\\home``."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..files import make_own_folder


class LeadsOut(Exception):
    """A link in the home leads out of it, and would be written through."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is a link that leads out of the target: nothing is written through it."
        )


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
    def settings(self) -> Path:
        """What the portal would keep: see ``remember``."""
        return self.root / "site" / "deployments" / "settings.json"

    def remembered(self) -> dict[str, str]:
        """The settings of earlier deployments."""
        try:
            found: dict[str, str] = json.loads(self.settings.read_text("utf-8"))
            return found
        except (OSError, ValueError):
            return {}

    def remember(self, **settings: str | None) -> None:
        """Keep settings for the deployments that follow, pushes among them; None = as they were.
        Raises LeadsOut.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        if given:
            self.create()
            self.settings.write_text(
                json.dumps({**self.remembered(), **given}, indent=1) + "\n", "utf-8"
            )

    @property
    def lock(self) -> Path:
        """Exists while files of the site are exchanged; ``serve`` waits with restarts as long."""
        return self.root / "site" / "locks" / "deployments.lock"

    @property
    def busy(self) -> Path:
        """Locked while a deployment runs; another one waits."""
        return self.root / "site" / "locks" / "deploying.lock"

    @property
    def work(self) -> Path:
        """Where a deployment is prepared."""
        return self.root / "site" / ".deploy"

    def create(self) -> None:
        """Make the folders that are missing. Raises LeadsOut for a link that leads out of the
        home.
        """
        for folder in (
            self.wwwroot,
            self.deployments,
            self.lock.parent,
            self.root / "LogFiles",
            self.root / "data",
        ):
            self.check(folder)
            make_own_folder(folder)
        for place in (
            self.work,
            self.repository,
            self.repository / "hooks",
            self.root / "site" / ".pip-cache",
        ):
            self.check(place)
        hook = self.repository / "hooks" / "post-receive"
        for file in (self.lock, self.settings, self.busy, self.deployments / "active", hook):
            if file.is_symlink():
                raise LeadsOut(file)

    def check(self, path: Path) -> None:
        """Raise LeadsOut where a link on the way to a place below the root leads out of it."""
        root = os.path.realpath(self.root)
        if os.path.realpath(path) != root and not os.path.realpath(path).startswith(root + os.sep):
            raise LeadsOut(path)

    def check_site(self) -> None:
        """As ``check``, for every link to a folder in the site, but in its env: what programs write
        there must stay inside.
        """
        self._check_below(self.wwwroot, "env")

    def check_env(self) -> None:
        """As ``check``, for the places of the site's env that pip writes to; elsewhere it links to
        the base interpreter.
        """
        env = self.wwwroot / "env"
        for place in (
            env,
            env / "bin",
            env / "lib",
            *env.glob("lib/python*"),
            *env.glob("lib/python*/site-packages"),
        ):
            self.check(place)
        for packages in env.glob("lib/python*/site-packages"):
            self._check_below(packages)

    def _check_below(self, folder: Path, skip: str = "") -> None:
        for base, names, _ in os.walk(folder):
            if base == str(folder) and skip in names:
                names.remove(skip)
            for name in names:
                place = Path(base, name)
                if place.is_symlink():
                    self.check(place)


def home_of(folder: Path) -> Home | None:
    """The home in which a folder is site/wwwroot; None for any other folder."""
    return Home(folder.parent.parent) if folder.parts[-2:] == ("site", "wwwroot") else None


def last_failure(folder: Path) -> str:
    """Why the latest deployment of a served folder failed, where none before it has succeeded; ""
    for any other folder.
    """
    home = home_of(folder)
    if home is None or (home.deployments / "active").exists():
        return ""
    logs = sorted(home.deployments.glob("*/log.log"), key=lambda log: log.stat().st_mtime)
    lines = logs[-1].read_text("utf-8", "replace").splitlines() if logs else []
    failed = next((line for line in reversed(lines) if " failed: " in line), "")
    return failed


def lock_of(wwwroot: Path) -> Path:
    """The lock of the deployment that a served folder may belong to."""
    return wwwroot.parent / "locks" / "deployments.lock"
