"""That a site has no configuration at all, and why."""

from __future__ import annotations

import shlex
from pathlib import Path

from ..app_service.home import last_failure
from ..app_service.versioned_configs import versioned_configs
from ..catalogue import finding
from ..catalogue.values import Finding
from ..files import find, is_empty


def holds_files(folder: Path) -> bool:
    """Whether a folder holds more than configuration, as one does that is a site already."""
    try:
        return any(
            entry.is_file() and entry.suffix.lower() != ".config" for entry in folder.iterdir()
        )
    except OSError:
        return False


def missing(folder: Path) -> Finding | None:
    """That a folder has no web.config, and why; None where it has one."""
    if find(folder, "web.config") is not None:
        return None
    if names := [file.name for file in versioned_configs(folder).values()]:
        return finding("config-missing/versions", None, files=" and ".join(names))
    if reason := last_failure(folder):
        return finding("config-missing/deployment", None, folder=folder, reason=reason)
    if is_empty(folder):
        return finding("config-missing/empty", None, folder=folder)
    command = f"fcgiemu init {shlex.quote(str(folder))}"
    return finding("config-missing", None, folder=folder, command=command)
