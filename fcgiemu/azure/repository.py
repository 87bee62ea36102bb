"""The repository of a service that one can ``git push`` to: its hook deploys what arrives and
prints its steps to the client that pushed.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .. import git
from ..app_service.home import Home
from ..errors import SiteError
from .deployment import of_home
from .failure import FAILED, DeploymentFailed
from .prepared_site import Say

#: Branches that are deployed; others are only kept.
BRANCHES = ("refs/heads/master", "refs/heads/main")
_HOOK = """#!/bin/sh
# Deploys what has been pushed; made by fcgiemu deploy --git-init.
exec {python} -m fcgiemu deploy --receive --to {home}
"""


def create(home: Home) -> Path:
    """Make the repository, or its hook again, and return its path. Raises OSError and
    CalledProcessError.
    """
    home.create()
    subprocess.run(
        ["git", "init", "--bare", "--quiet", str(home.repository)],
        check=True,
        capture_output=True,
        env=git.environment(),
    )
    hook = home.repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        _HOOK.format(python=shlex.quote(sys.executable), home=shlex.quote(str(home.root))), "utf-8"
    )
    hook.chmod(0o755)
    return home.repository


def receive(home: Home, lines: Iterable[str], say: Say) -> bool:
    """Deploy what a push brought: ``old new ref`` lines, as git gives them to the hook. False where
    a deployment failed.
    """
    succeeded = True
    for line in lines:
        words = line.split()
        if len(words) != 3 or words[2] not in BRANCHES or set(words[1]) == {"0"}:
            continue
        commit = words[1]
        say(f"Deploying {commit[:10]}.")
        with tempfile.TemporaryDirectory(dir=home.root / "site", prefix=".push-") as folder:
            try:
                git.checkout(home.repository, commit, Path(folder))
                of_home(Path(folder), home, say, identifier=commit).run()
            except subprocess.CalledProcessError as error:
                say(f"The commit cannot be checked out: {error.stderr}")
                succeeded = False
            except DeploymentFailed:
                succeeded = False
            except SiteError as error:  # settings that the repository keeps with itself
                say(f"{error} {error.hint}\n{FAILED}")
                succeeded = False
    return succeeded
