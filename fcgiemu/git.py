"""Trees of a git repository as folders."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path


def environment() -> dict[str, str]:
    """Ours without what git has set for a hook."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def locate(folder: Path) -> tuple[Path, str]:
    """The repository that ``folder`` lies in, and the folder's own path there. Raises
    CalledProcessError.
    """
    found = _git(["rev-parse", "--show-toplevel", "--show-prefix"], folder, environment()).stdout
    top, own = found.split("\n")[:2]
    return Path(top), own


def names_programs(repository: Path) -> bool:
    """Whether the configuration of the repository itself names programs that git would run for a
    checkout: filters, and a file system monitor. Raises CalledProcessError.
    """
    names = r"^(filter\..*|core\.fsmonitor)$"
    question = ["config", "--local", "--includes", "--name-only", "--get-regexp", names]
    try:
        return bool(_git(question, repository, environment()).stdout.strip())
    except subprocess.CalledProcessError as error:
        if error.returncode == 1:  # there is none
            return False
        raise


def checkout(repository: Path, tree: str, target: Path) -> None:
    """Write a tree (a revision, or ``revision:folder``) below ``target``. Raises CalledProcessError
    with git's words.

    As a checkout does it: attributes that leave files out of archives do not count, and git refuses
    names that lead out.
    """
    if tree.startswith("-"):
        raise subprocess.CalledProcessError(128, "git", stderr=f"{tree} is not a revision")
    found = _git(
        ["-C", str(repository), "rev-parse", "--absolute-git-dir"], target, environment()
    ).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="fcgiemu-") as folder:
        more = {
            **environment(),
            "GIT_DIR": found,
            "GIT_WORK_TREE": str(target),
            "GIT_INDEX_FILE": os.path.join(folder, "index"),
        }
        _git(["read-tree", tree], target, more)
        _git(["checkout-index", "--all", "--force"], target, more)


def _git(
    arguments: list[str], folder: Path, more: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True, env=more, cwd=folder
    )
