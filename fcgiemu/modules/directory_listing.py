"""DirectoryListingModule: a folder as a page, where <directoryBrowse> allows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime

from ..config.tree import Effective
from ..pages import Row

SECTION = "system.webServer/directoryBrowse"


@dataclass(frozen=True, slots=True)
class Browse:
    """The compiled section."""

    enabled: bool
    flags: frozenset[str]


def compiled(effective: Effective) -> Browse:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    return Browse(section["enabled"], section["showFlags"])


def rows(folder: str) -> list[Row]:
    """The entries of a folder in NTFS's order: by name without case, files and folders mixed."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                info = entry.stat()
            except OSError:
                continue
            found.append(Row(entry.name, datetime.fromtimestamp(info.st_mtime), None if entry.is_dir() else info.st_size))
    return sorted(found, key=lambda row: row.name.upper())
