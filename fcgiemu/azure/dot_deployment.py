"""The file ``.deployment``: which folder of the source is the project, and the command that deploys
it.
"""

from __future__ import annotations

import configparser
from pathlib import Path

from ..files import content
from .failure import DeploymentFailed
from .kudu_sync import IGNORED


def project_folder(source: Path) -> Path:
    """The folder that ``project`` of .deployment names, else the source itself. Raises
    DeploymentFailed.
    """
    name = value(source, "project")
    if not name:
        return source
    folder = (source / name.replace("\\", "/")).resolve()
    if folder.is_file():
        raise DeploymentFailed(
            "source", f".deployment names the project file {name}, which MSBuild would build."
        )
    if (
        not folder.is_dir()
        or not folder.is_relative_to(source)
        or IGNORED.intersection(folder.relative_to(source).parts)
    ):
        raise DeploymentFailed(
            "source", f".deployment names the project {name}, which is not a folder of the source."
        )
    return folder


def value(source: Path, key: str) -> str:
    """A value of .deployment, "" where there is none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(content(source, ".deployment").decode("utf-8-sig", "replace"))
    except configparser.Error:
        return ""
    return parser.get("config", key, fallback="").strip()
