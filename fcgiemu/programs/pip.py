"""Commands of pip, or of uv where an environment has no pip, ready to paste."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import environments
from .environments import Environment


def into(environment: Environment, arguments: Sequence[str]) -> str:
    """What installs packages into an environment."""
    install = words(environment.python, "-m", "pip", "install", *arguments)
    if environment.has_pip or environments.is_conda(environment.folder):
        return install
    if shutil.which("uv"):
        return words("uv", "pip", "install", "--python", environment.python, *arguments)
    return f"{words(environment.python, '-m', 'ensurepip')} && {install}"


def listing(environment: Environment, file: Path) -> str:
    """What writes the packages of an environment to a file that pip installs from: those that no
    other one brings along.
    """
    if environment.has_pip or not shutil.which("uv"):
        listed = words(environment.python, "-m", "pip", "list", "--not-required")
        listed += " --format=freeze --exclude fcgiemu --exclude pip"
        set_up = (
            "" if environment.has_pip else f"{words(environment.python, '-m', 'ensurepip')} && "
        )
        return f"{set_up}{listed} > {shlex.quote(str(file))}"
    listed = words("uv", "pip", "freeze", "--python", environment.python)
    return f"{listed} > {shlex.quote(str(file))}"


def words(*parts: str) -> str:
    """A command of these words."""
    return " ".join(map(shlex.quote, parts))
