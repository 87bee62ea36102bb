"""Commands that give a site its packages, ready to paste: whole paths, the interpreter that runs
the site, the file of requirements where it lies.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from . import environments
from .environments import NAMES, Environment
from .interpreters import Program
from .pythons import version_of
from .requirements import Source


def command(program: Program, folder: Path, missing: Path | None, source: Source) -> str:
    """What installs the packages of ``source`` where the program finds them.

    ``folder`` is the application's; ``missing`` an environment that web.config names and that is
    not there.
    """
    if project := _project_tool(program, source):
        return project
    return _install(program, folder, missing, source.arguments)


def packages(program: Program, folder: Path, *names: str) -> str:
    """What installs single packages where the program finds them."""
    return _install(program, folder, None, names)


def _install(program: Program, folder: Path, missing: Path | None, arguments: Sequence[str]) -> str:
    if program.environment is not None:
        return _into(program.environment, arguments)
    if missing is None and program.is_given and not _is_managed(program):
        return _words(program.path, "-m", "pip", "install", *arguments)
    place = missing or folder / NAMES[0]
    made = f"{making(program.path, place)} && " + _words(
        str(place / "bin" / "python"), "-m", "pip", "install", *arguments
    )
    return made if missing is not None or not program.is_given else f"{made} && {_say(place)}"


def making(python: str, folder: Path) -> str:
    """The command that makes an environment; Python 2 has no venv, and newer virtualenvs do not
    know it.
    """
    version = version_of(python)
    if version is None or version[0] > 2:
        return _words(python, "-m", "venv", str(folder))
    install = _words(sys.executable, "-m", "pip", "install", "virtualenv<20.22")
    made = _words(sys.executable, "-m", "virtualenv", "--python", python, str(folder))
    return f"{install} && {made}"


def _say(folder: Path) -> str:
    return f"fcgiemu serve --python {shlex.quote(str(folder))}"


def _project_tool(program: Program, source: Source) -> str:
    """The command of uv or Poetry for a project of theirs that has no environment yet, or theirs;
    "" where they are not installed.
    """
    folder = source.file.parent
    own = program.environment is None or program.environment.folder.parent == folder
    if program.is_given or source.file.name != "pyproject.toml":
        return ""
    if own and (folder / "uv.lock").is_file() and shutil.which("uv"):
        return _words("uv", "sync", "--project", str(folder))
    if (folder / "poetry.lock").is_file() and shutil.which("poetry"):
        return _words("poetry", "install", "--no-root", "--directory", str(folder))
    return ""


def _into(environment: Environment, arguments: Sequence[str]) -> str:
    install = _words(environment.python, "-m", "pip", "install", *arguments)
    if environment.has_pip or environments.is_conda(environment.folder):
        return install
    if shutil.which("uv"):
        return _words("uv", "pip", "install", "--python", environment.python, *arguments)
    return f"{_words(environment.python, '-m', 'ensurepip')} && {install}"


def _is_managed(program: Program) -> bool:
    """Whether the system's package manager keeps pip out of a Python (PEP 668)."""
    if program.version is None:
        return False
    prefix = Path(os.path.realpath(program.path)).parent.parent
    library = prefix / "lib" / f"python{program.version[0]}.{program.version[1]}"
    return (library / "EXTERNALLY-MANAGED").exists()


def _words(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
