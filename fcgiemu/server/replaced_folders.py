"""The folders of a site as they are on disk: whether another one has taken the place of one.

A watch, a worker's current folder and what is remembered of a folder all follow the folder itself,
not its name. Renaming another one into its place, removing and making it again, or pointing a link
elsewhere is an event of its parent, which nobody watches; so the identity of each is looked at once
a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

#: Seconds between two looks.
LOOK_SECONDS = 1.0
Identity = tuple[int, int]


class ReplacedFolders:
    """Folders and what they were when they were last looked at."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._known = {folder: identity(folder) for folder in folders}

    def replaced(self) -> list[Path]:
        """The folders that are not what they were. One that is absent is so when it is back."""
        found = []
        for folder, before in self._known.items():
            now = identity(folder)
            if now is not None and now != before:
                self._known[folder] = now
                found.append(folder)
        return found


def identity(folder: Path) -> Identity | None:
    """What tells a folder from another one by the same name; None where there is none."""
    try:
        info = os.stat(folder)
    except OSError:
        return None
    return info.st_dev, info.st_ino
