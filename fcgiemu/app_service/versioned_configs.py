"""The web.X.Y.config files of a site: a deployment makes the one of its Python the web.config."""

from __future__ import annotations

import re
from pathlib import Path

from ..files import find

Version = tuple[int, int]


def versioned_configs(folder: Path) -> dict[Version, Path]:
    """The web.X.Y.config files of a folder, the oldest version first."""
    found = {}
    for file in folder.iterdir():
        match = re.fullmatch(r"web\.(\d+)\.(\d+)\.config", file.name, re.IGNORECASE)
        if match and file.is_file() and not file.is_symlink():
            found[int(match[1]), int(match[2])] = file
    return dict(sorted(found.items()))


def nearest_config(folder: Path, version: Version) -> Path | None:
    """The web.X.Y.config file of the version that is nearest to one for which there is none; None
    where there is a web.config, or no such file. Of two that are equally near the later one.
    """
    configs = versioned_configs(folder)
    if not configs or version in configs or find(folder, "web.config") is not None:
        return None

    def distance(known: Version) -> tuple[bool, int, int]:
        return known[0] != version[0], abs(known[1] - version[1]), -known[1]

    return configs[min(configs, key=distance)]
