"""What fcgiemu keeps on this machine: a folder of the user's, and one in each site."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..files import OWN_FOLDER


def folder() -> Path:
    """The user's folder: the certificate of ``serve --https``."""
    return Path(click.get_app_dir("fcgiemu"))


def places(site: Path) -> list[Path]:
    """Everything that is kept for the user and a site; links count, what they lead to does not."""
    found = (folder(), site.absolute() / OWN_FOLDER)
    return [place for place in found if os.path.lexists(place)]


def size(place: Path) -> int:
    """Bytes of all files below; links are not followed."""
    if place.is_symlink():
        return 0
    return sum(
        os.lstat(os.path.join(directory, name)).st_size
        for directory, _, names in os.walk(place)
        for name in names
    )
