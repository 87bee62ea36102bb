"""What KuduSync does: the prepared files replace those of the last deployment in wwwroot, and files
that only the last one had are removed. Everything is checked before anything is changed.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..app_service.home import Home
from .failure import DeploymentFailed

#: What KuduSync leaves out, and what a deployment makes itself.
IGNORED = frozenset(
    {".git", ".hg", ".svn", ".deployment", "deploy.cmd", ".fcgiemu", "env", "__pycache__"}
)


def exchange(home: Home, stage: Path, files: Sequence[str]) -> None:
    """Bring ``files``, relative to ``stage``, to wwwroot. Those that do not differ stay as they
    are. Raises DeploymentFailed, before anything is changed, and OSError.
    """
    filecmp.clear_cache()
    gone = sorted(_last_manifest(home) - set(files))
    _check_places(home, files, set(gone))
    for relative in gone:  # first: a folder may take the place of a file
        target = _target(home, relative)
        if target is not None and target.is_file() and not target.is_symlink():
            target.unlink()
    for relative in files:
        _replace(home, stage, relative)


def exchange_folder(home: Home, name: str, prepared: Path) -> Path:
    """Bring a whole prepared folder to wwwroot, in the place of the one of that name there."""
    final = home.wwwroot / name
    if final.exists():
        os.replace(final, home.work / f"{name}.old")
    os.replace(prepared, final)
    return final


def _check_places(home: Home, files: Sequence[str], gone: set[str]) -> None:
    """Every file has a place inside, and no file of the site itself is in its way."""
    for relative in files:
        if _target(home, relative) is None:
            raise DeploymentFailed(
                "sync", f"{relative} would be written outside of {home.wwwroot}."
            )
        for parent in list(Path(relative).parents)[:-1]:
            place = home.wwwroot / parent
            if place.is_file() and parent.as_posix() not in gone:
                raise DeploymentFailed(
                    "sync", f"{place} is a file of the site, where {relative} needs a folder."
                )


def _replace(home: Home, stage: Path, relative: str) -> None:
    target = _target(home, relative)
    assert target is not None
    new = stage / relative
    if target.is_file() and not target.is_symlink() and filecmp.cmp(new, target, shallow=False):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    os.replace(new, target)


def _target(home: Home, relative: str) -> Path | None:
    """The place of a file below wwwroot; None where a link on the way would lead out."""
    root = os.path.realpath(home.wwwroot)
    target = home.wwwroot / relative
    parent = os.path.realpath(target.parent)
    return target if parent == root or parent.startswith(root + os.sep) else None


def _last_manifest(home: Home) -> set[str]:
    try:
        active = (home.deployments / "active").read_text("utf-8").strip()
        return set(
            (home.deployments / active / "manifest")
            .read_text("utf-8", "surrogateescape")
            .split("\n")
        ) - {""}
    except OSError:
        return set()
