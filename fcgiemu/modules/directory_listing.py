"""DirectoryListingModule: a folder as a page, where <directoryBrowse> allows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime

from ..config.tree import Effective
from ..files import FileEntry, FileView
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


def rows(view: FileView, folder: FileEntry) -> list[Row]:
    """The entries of a folder that can be asked for, in NTFS's order: by name without case, files
    and folders mixed.
    """
    parent = view.relative(folder)
    found = []
    for name in os.listdir(folder.path):
        entry = view.find(f"{parent}/{name}")
        if entry is not None:
            size = None if entry.is_directory else entry.size
            found.append(Row(name, datetime.fromtimestamp(entry.mtime_ns / 1e9), size))
    return sorted(found, key=lambda row: row.name.upper())
