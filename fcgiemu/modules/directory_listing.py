"""DirectoryListingModule: a folder as a page, where <directoryBrowse> allows it, else
403.14.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import datetime

from .. import catalogue
from ..config.tree import Effective
from ..decision import ListDirectory, Respond, configuration_error
from ..files import FileEntry, FileView
from ..pages import ListingRow
from .context import Context
from .default_document import documents

SECTION = "system.webServer/directoryBrowse"
#: What people call the first page of a folder.
_FIRST_PAGES = ("index.php", "index.html", "index.htm", "default.php", "home.html", "main.html")


@dataclass(frozen=True, slots=True)
class Browse:
    """The compiled section."""

    enabled: bool
    flags: frozenset[str]


def handle(context: Context) -> ListDirectory | Respond | None:
    """The listing of a folder, or 403.14 where directoryBrowse is off."""
    if context.entry is None or not context.entry.is_directory:
        return None
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    if context.effective.view(browse).enabled:
        return ListDirectory(context.entry)
    return Respond(
        403,
        14,
        "The Web server is configured to not list the contents of this directory.",
        notification="ExecuteRequestHandler",
        hints=(_hint(context),),
    )


def _hint(context: Context) -> str:
    """What to do about a 403.14: a site without a web.config needs one first; for an empty folder
    init has nothing to go by.
    """
    view = context.hosting.directory("/").view
    has_files = any(not name.startswith(".") for name in view.listing(view.root))
    if has_files and all(level.file.is_host for level in context.effective.levels):
        folder = shlex.quote(str(context.hosting.path))
        return catalogue.hint("error-no-default-document/config", folder=folder)
    for name in _FIRST_PAGES if context.effective.view(documents) else ():
        found = context.files.find(f"{context.state.path.rstrip('/')}/{name}")
        if found is not None and found.is_file:
            return catalogue.hint("error-no-default-document/other", name=name)
    return catalogue.hint("error-no-default-document")


def browse(effective: Effective) -> Browse:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    return Browse(section.flag("enabled"), section.names("showFlags"))


def is_text(name: str) -> bool:
    """Whether a name can be written: others hold bytes that are not characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def moment(mtime_ns: int) -> datetime:
    """A time stamp in local time, 1970 where it is one that no calendar has."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0)


def rows(view: FileView, folder: FileEntry) -> list[ListingRow]:
    """The entries of a folder that can be asked for, in NTFS's order: by name without case, files
    and folders mixed. Raises PermissionError.

    A name that is not UTF-8 is one that NTFS cannot have.
    """
    parent = view.relative(folder)
    found = []
    for name in os.listdir(folder.path):
        entry = view.find(f"{parent}/{name}")
        if entry is not None and is_text(name):
            size = None if entry.is_directory else entry.size
            found.append(ListingRow(name, moment(entry.mtime_ns), size))
    return sorted(found, key=lambda row: row.name.upper())
