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

from . import environments, pip
from .environments import NAMES, why_unusable
from .installed_pythons import version_of
from .interpreters import Program
from .requirements import RequirementsSource, is_of_conda


def command(
    program: Program, folder: Path, missing: Path | None, source: RequirementsSource
) -> str:
    """What installs the packages of ``source`` where the program finds them.

    ``folder`` is the application's; ``missing`` an environment that web.config names and that is
    not there.
    """
    own = _project_tool(program, folder, source) if program.place is not None else ""
    if own:
        return own
    place = f"cd {shlex.quote(str(source.folder))} && " if source.folder is not None else ""
    return place + _install(program, folder, missing, source.arguments)


def packages(program: Program, folder: Path, *names: str) -> str:
    """What installs single packages where the program finds them."""
    return _install(program, folder, None, names)


def _install(program: Program, folder: Path, missing: Path | None, arguments: Sequence[str]) -> str:
    if program.environment is not None:
        return pip.into(program.environment, arguments)
    if missing is None and program.is_given and not _is_managed(program):
        return pip.words(program.path, "-m", "pip", "install", *arguments)
    found = missing or (None if program.is_given else program.place)
    place = found or folder / NAMES[0]
    present = environments.read(place)
    if present is not None and present.is_whole:
        made = pip.into(present, arguments)
    else:
        python = environments.program(place)
        install = pip.words(python, "-m", "pip", "install", *arguments)
        made = f"{making(program.path, place)} && {install}"
    return made if found else f"{made} && {program.serve_with} {shlex.quote(str(place))}"


def making(python: str, folder: Path) -> str:
    """The command that makes an environment, in the place of one that cannot be used; Python 2 has
    no venv, and newer virtualenvs do not know it.
    """
    cleared = f"{pip.words('rm', '-r', str(folder))} && " if why_unusable(folder) else ""
    version = version_of(python)
    if version is None or version[0] > 2:
        return cleared + pip.words(python, "-m", "venv", str(folder))
    install = pip.words(sys.executable, "-m", "pip", "install", "virtualenv<20.22")
    made = pip.words(sys.executable, "-m", "virtualenv", "--python", python, str(folder))
    return f"{cleared}{install} && {made}"


def _project_tool(program: Program, application: Path, source: RequirementsSource) -> str:
    """The command of uv, Poetry, Pipenv or Conda for a project of theirs that has no environment
    yet, or theirs; "" where they are not installed.
    """
    folder = source.file.parent
    if is_of_conda(source):
        return _conda(program, application, source)
    if source.file.name == "Pipfile" and program.environment is None and shutil.which("pipenv"):
        set_up = f"PIPENV_VENV_IN_PROJECT=1 PIPENV_PIPFILE={shlex.quote(str(source.file))}"
        return f"{set_up} pipenv install"
    own = program.environment is None or program.environment.folder.parent == folder
    if program.is_given or source.name != "pyproject.toml":
        return ""
    if own and (folder / "uv.lock").is_file() and shutil.which("uv"):
        return pip.words("uv", "sync", "--project", str(folder))
    if (folder / "poetry.lock").is_file() and shutil.which("poetry"):
        return pip.words("poetry", "install", "--no-root", "--directory", str(folder))
    return ""


def _conda(program: Program, application: Path, source: RequirementsSource) -> str:
    """The command of Conda, or of what is called otherwise and does the same; "" for an environment
    that is not Conda's.
    """
    tool = next(filter(shutil.which, ("conda", "mamba", "micromamba")), None)
    environment = program.environment
    if tool is None or environment is None and program.is_given:
        return ""
    if environment is not None and not environments.is_conda(environment.folder):
        return ""
    place = environment.folder if environment is not None else application / NAMES[0]
    verb = "create" if environment is None else "update"
    return pip.words(tool, "env", verb, "--file", str(source.file), "--prefix", str(place))


def _is_managed(program: Program) -> bool:
    """Whether the system's package manager keeps pip out of a Python (PEP 668)."""
    if program.version is None:
        return False
    prefix = Path(os.path.realpath(program.path)).parent.parent
    library = prefix / "lib" / f"python{program.version[0]}.{program.version[1]}"
    return (library / "EXTERNALLY-MANAGED").exists()
