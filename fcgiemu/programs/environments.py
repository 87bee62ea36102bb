"""Python environments in folders: what one is, and where those of a site lie.

An environment is a folder with ``bin/python`` and either a pyvenv.cfg (``python -m venv``,
virtualenv, uv, Poetry) or a conda-meta (Conda). One that was made on Windows has ``Scripts``
instead of ``bin``, and nothing of it runs elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import posix
from ..files import read_text
from .installed_pythons import Version, version_of

#: Names that environments have by convention, in the order in which they are looked for.
NAMES = (".venv", "venv")
#: The name of App Service's environment.
AZURE_NAME = "env"
#: Where the packages of an environment lie in it.
_PACKAGES = "lib/python*/site-packages"
#: The folder that this package lies in: a clone of fcgiemu, or the packages of an environment.
_CLONE = Path(__file__).parents[2]
_REPOSITORY = (".git", ".hg", ".svn")
#: Files that make a folder a project's where there is no repository.
_PROJECT = ("pyproject.toml", "requirements.txt", "setup.py", "setup.cfg", "Pipfile", "uv.lock")


@dataclass(frozen=True, slots=True)
class Environment:
    """A usable environment. ``base`` is the interpreter that it was made with; ``has_pip`` says
    whether its own Python can install packages.
    """

    folder: Path
    python: str
    base: str
    version: Version

    @property
    def is_whole(self) -> bool:
        """Whether it has a Python of its own, which finds its packages."""
        return Path(self.python).parent == self.folder / posix.PROGRAMS

    @property
    def packages(self) -> Path:
        """The folder of its packages."""
        if posix.IS_WINDOWS:
            return self.folder / "Lib" / "site-packages"
        return self.folder / "lib" / f"python{self.version[0]}.{self.version[1]}" / "site-packages"

    @property
    def has_pip(self) -> bool:
        """Whether pip is installed in it; uv makes environments without."""
        return (self.packages / "pip").is_dir()


def read(folder: Path) -> Environment | None:
    """The environment in a folder; None where there is none that runs here."""
    if is_conda(folder):
        return _conda(folder)
    settings = _settings(folder)
    version = _version(settings)
    if version is None:
        return None
    own = (program(folder), *_programs(folder / posix.PROGRAMS, version))
    python = next(filter(_is_program, own), None)
    base = next(filter(_is_program, _bases(settings, version)), python)
    if base is None:
        return None
    return Environment(folder, python or base, base, version)


def program(folder: Path, name: str = "python") -> str:
    """Where an environment in a folder has a program."""
    return str(folder / posix.PROGRAMS / f"{name}{posix.EXE}")


def is_conda(folder: Path) -> bool:
    """Whether an environment is one of Conda's, which brings pip."""
    return (folder / "conda-meta").is_dir()


def why_unusable(folder: Path) -> str:
    """Why a folder that is an environment cannot be used here; "" where it can, or is none."""
    if posix.IS_WINDOWS and (folder / "bin").is_dir() and not (folder / "Scripts").is_dir():
        return f"{folder} was not made on Windows (it has bin and no Scripts)"
    if not posix.IS_WINDOWS and (folder / "Scripts").is_dir() and not (folder / "bin").is_dir():
        return f"{folder} was made on Windows (it has Scripts and no bin): nothing of it runs here"
    file = folder / "pyvenv.cfg"
    python = program(folder)
    if not file.exists() and not is_conda(folder):
        has_parts = (folder / "bin" / "activate").exists() or any(folder.glob(_PACKAGES))
        return f"{folder} is only a part of an environment: {file} is missing" if has_parts else ""
    if _is_program(python):
        return ""
    settings = _settings(folder)
    version = _version(settings)
    if version is not None and any(map(_is_program, _bases(settings, version))):
        return f"{folder} is only a part of an environment: {python} is missing"
    return f"the Python that {folder} was made with is gone (see {file})"


def _conda(folder: Path) -> Environment | None:
    """A Conda environment says its version only by its interpreter."""
    python = str(folder / "python.exe") if posix.IS_WINDOWS else program(folder)
    version = version_of(python) if _is_program(python) else None
    return Environment(folder, python, python, version) if version is not None else None


def _settings(folder: Path) -> dict[str, str]:
    """The lines of pyvenv.cfg."""
    try:
        text = read_text(folder / "pyvenv.cfg")
    except OSError:
        return {}
    lines = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def _version(settings: Mapping[str, str]) -> Version | None:
    match = re.match(r"(\d+)\.(\d+)", settings.get("version", settings.get("version_info", "")))
    return (int(match[1]), int(match[2])) if match else None


def _bases(settings: Mapping[str, str], version: Version) -> Iterator[str]:
    yield settings.get("executable", "")
    yield settings.get("base-executable", "")
    if settings.get("home"):
        yield from _programs(Path(settings["home"]), version)


def _programs(folder: Path, version: Version) -> Iterator[str]:
    for name in (f"python{version[0]}.{version[1]}", "python3", "python"):
        yield str(folder / f"{name}{posix.EXE}")


def _is_program(path: str) -> bool:
    return bool(path) and os.access(path, os.X_OK) and not os.path.isdir(path)


# -- where they lie --------------------------------------------------------------------------------


def nearby(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Folders that may be the environment of an application in ``folder`` of the site in ``root``,
    and what each would be called; the nearest first. None of them is looked for by IIS, and that of
    a clone of fcgiemu is fcgiemu's own: a sample in the clone does not get its packages.
    """
    places = folders_up(folder)
    places += [place for place in folders_up(root) if place not in places]
    places = [place for place in places if place in (folder, root) or place != _CLONE]
    for place in places:
        for name in NAMES if place == folder else (*NAMES, AZURE_NAME):
            whose = "of the site" if place in (folder, root) else f"of {place}"
            yield place / name, f"the {name} {whose}"
        if named := os.environ.get("UV_PROJECT_ENVIRONMENT"):
            if (place / "pyproject.toml").is_file():
                yield place / named, "uv's environment (UV_PROJECT_ENVIRONMENT)"
        for found in _of_poetry(place):
            yield found, f"Poetry's environment of {place}"
    files = sorted(folder.glob("*/pyvenv.cfg")) or sorted(folder.glob("*/*/pyvenv.cfg"))
    others = [found.parent for found in files]
    if len(others) == 1:
        yield others[0], "the only environment in the site"
    for variable, source in (
        ("VIRTUAL_ENV", "the active environment (VIRTUAL_ENV)"),
        ("CONDA_PREFIX", "the active Conda environment (CONDA_PREFIX)"),
    ):
        if active := os.environ.get(variable):
            yield Path(active), source


def folders_up(folder: Path) -> list[Path]:
    """A folder and its parents up to the repository's root; without a repository up to the nearest
    that a project file lies in. Never the home folder or the root of the disk.
    """
    parents = [
        parent for parent in folder.parents if parent not in (Path.home(), Path(parent.anchor))
    ]
    for marks in (_REPOSITORY, _PROJECT):
        for place in (folder, *parents):
            if any((place / mark).exists() for mark in marks):
                return [folder, *(known for known in parents if known.is_relative_to(place))]
    return [folder]


def _of_poetry(folder: Path) -> list[Path]:
    """The environments that Poetry keeps in its cache for the project in a folder, the newest
    Python first; that of ``poetry env use`` comes before them.

    Their names are those of poetry.utils.env.EnvManager.generate_env_name.
    """
    project = _poetry_name(folder)
    if not project:
        return []
    digest = hashlib.sha256(os.path.normcase(os.path.realpath(folder)).encode()).digest()
    name = f"{project}-{base64.urlsafe_b64encode(digest).decode()[:8]}"
    place = _poetry_folder()
    found = sorted(place.glob(f"{name}-py*"), key=_numbers, reverse=True)
    chosen = _toml(place / "envs.toml").get(name)
    minor = chosen.get("minor") if isinstance(chosen, dict) else None
    return sorted(found, key=lambda known: known.name != f"{name}-py{minor}")


def _poetry_name(folder: Path) -> str:
    """What a project is called in the names of Poetry's environments; "" where it is not one of
    Poetry's.
    """
    project = _toml(folder / "pyproject.toml")
    table = project.get("tool")
    poetry = table.get("poetry") if isinstance(table, dict) else None
    if not isinstance(poetry, dict) and not (folder / "poetry.lock").is_file():
        return ""
    tables = (poetry, project.get("project"))
    named = [str(table["name"]) for table in tables if isinstance(table, dict) and "name" in table]
    if not named:
        return "non-package-mode"
    return re.sub(r"[-_.]+", "-", named[0]).lower()[:42]


def _poetry_folder() -> Path:
    given = os.environ.get("POETRY_VIRTUALENVS_PATH")
    if given:
        return Path(given)
    cache = os.environ.get("POETRY_CACHE_DIR")
    if cache is None and sys.platform == "darwin":
        cache = str(Path.home() / "Library" / "Caches" / "pypoetry")
    if cache is None:
        cache = f"{os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'}/pypoetry"
    return Path(cache) / "virtualenvs"


def _numbers(folder: Path) -> list[int]:
    """The version at the end of a name, so that 3.10 is later than 3.9."""
    return [int(part) for part in re.findall(r"\d+", folder.name.rpartition("-py")[2])]


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_text(path))
    except (OSError, ValueError):
        return {}
