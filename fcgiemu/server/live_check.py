"""What ``check`` finds in the site that is served: said once it is served, and again when a save
brings or removes something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ..catalogue import kind
from ..catalogue.findings import Finding
from ..diagnosis.check import check
from ..errors import SiteError
from ..settings import Settings
from ..site import Site
from .start_up import line

#: What identifies a finding over a save: its place may move.
Key = tuple[str, str, str]


class LiveCheck:
    """The findings of a site, kept up to date; ``say`` prints a line.

    They are looked for in a thread, in a site of their own, so that no request waits for them.
    """

    def __init__(self, site: Site, say: Callable[[str], None]) -> None:
        self._site = site
        self._say = say
        self._known: dict[Key, Finding] = {}
        self._has_told = False
        self._stale = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look now; where it looks already, once more after that."""
        self._stale = True
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())

    def changed(self, relative: str, is_folder: bool) -> None:
        """Look again where a change can have changed something."""
        if is_folder or relative.lower().endswith(".config") or self._are_about_files():
            self.start()

    def _are_about_files(self) -> bool:
        return any(kind(known.code).needs == "files" for known in self._known.values())

    async def _run(self) -> None:
        while self._stale:
            self._stale = False
            found = await asyncio.to_thread(_problems, self._site.path, self._site.settings)
            self._tell({_key(known): known for known in found})

    def _tell(self, found: dict[Key, Finding]) -> None:
        before, self._known = self._known, found
        unsaid = set() if self._has_told else {"config-missing"}  # the report has said that
        self._has_told = True
        for key, known in before.items():
            if key not in found:
                self._say(line(known, "fixed"))
        for key, known in found.items():
            if key not in before and known.code not in unsaid:
                self._say(line(known))


def _key(finding: Finding) -> Key:
    return finding.code, finding.span.file if finding.span else "", finding.message


def _problems(path: Path, settings: Settings) -> list[Finding]:
    """The errors and warnings of a site; none where it cannot be opened just now."""
    try:
        found = check(Site(path, settings))
    except (SiteError, OSError):
        return []
    return [known for known in found if known.severity != "info"]
