"""Trees of a git repository as folders."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path


def environment() -> dict[str, str]:
    """Ours without what git has set for a hook."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def checkout(repository: Path, tree: str, target: Path) -> None:
    """Write a tree (a revision, or ``revision:folder``) below ``target``. Raises CalledProcessError with git's words.

    As a checkout does it: attributes that leave files out of archives do not count, and git refuses names that lead out.
    """
    if tree.startswith("-"):
        raise subprocess.CalledProcessError(128, "git", stderr=f"{tree} is no revision")
    with tempfile.TemporaryDirectory(prefix="fcgiemu-") as folder:
        more = {**environment(), "GIT_INDEX_FILE": os.path.join(folder, "index")}
        for arguments in (["read-tree", tree], ["checkout-index", "--all", "--force", f"--prefix={target}/"]):
            subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True, text=True, env=more)
