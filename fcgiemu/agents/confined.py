"""One folder and what lies in it. A path that leaves it is refused, be it by ``..``, by being
absolute, or by a link; so are settings of a site that name files elsewhere.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from .. import project
from ..config.xdt.chain import names_beside
from ..errors import SiteError
from ..settings import Settings
from ..site import Site

#: Characters of a path, at most.
_LONGEST = 4096
#: Files of a site that are read by name, and may be links.
_READ = ("fcgiemu.toml", "pyproject.toml", "applicationHost.xdt")


@dataclass(frozen=True, slots=True)
class Confined:
    """A folder. Raises SiteError where it is not one."""

    root: Path

    @classmethod
    def to(cls, folder: Path) -> Confined:
        """The folder with its links followed."""
        if not folder.is_dir():
            raise SiteError(f"There is no folder {folder}.", "Name the folder that agents may see.")
        return cls(folder.resolve())

    def path(self, text: str) -> Path:
        """What a relative path names, links followed. Raises SiteError."""
        if len(text) > _LONGEST or "\0" in text:
            raise SiteError(f"A path has at most {_LONGEST} characters, and no NUL.")
        found = self._real(self.root / text)
        if not found.exists():
            raise SiteError(f"There is no {text} in the folder that this server shows.")
        return found

    def site(self, text: str) -> Path:
        """The folder of a site, or that of its web.config. Raises SiteError."""
        found = self.path(text)
        if found.is_file() and found.name.lower() == "web.config":
            found = found.parent
        if not found.is_dir():
            raise SiteError(f"{text} is not the folder of a site, nor its web.config.")
        return found

    def inside(self, path: Path) -> None:
        """Raises SiteError for a path that leads out of the folder."""
        self._real(path)

    def _real(self, path: Path) -> Path:
        try:
            found = Path(os.path.realpath(path))
        except OSError as error:
            raise SiteError(f"The path cannot be followed: {error.strerror}.") from None
        if not found.is_relative_to(self.root):
            raise SiteError(
                "The path leaves the folder that this server shows.",
                "Name a path in it, relative to it, without links that lead out.",
            )
        return found

    def settings(self, site: Path) -> Settings:
        """What a site keeps with itself (fcgiemu.toml), where all of it lies in the folder. Raises
        SiteError.
        """
        transforms = [f"web.{name}.config" for name in names_beside(site)]
        for name in (*_READ, *transforms):
            self.inside(site / name)
        for path in project.named_files(site):
            self.inside(path)
        return replace(Settings(**project.read(site)), easy_auth=None)

    def open(self, text: str) -> Site:
        """A site that is named. Raises SiteError."""
        return self.checked(Site(self.site(text), self.settings(self.site(text))))

    def checked(self, site: Site) -> Site:
        """A site, none of whose folders lies elsewhere. Raises SiteError."""
        for directory in site.layout.directories:
            self.inside(Path(directory.view.root))
        return site
