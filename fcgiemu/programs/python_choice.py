"""Which Python runs an application of a site, and why.

On the server there is no question: scriptProcessor or processPath names a file. Here that file
rarely exists, and what matters is whose packages the application finds. The first of these that is
there and runs wins:

1. what the user says: ``--python``, or ``python =`` of the site's settings, for one application or
   for all;
2. the file that web.config names, where it exists here once its path is mapped (``--map``, a site
   that keeps its ``env\\Scripts\\python.exe`` here as ``env/bin/python``);
3. the environment that web.config names for the virtualenv proxy: the proxy activates it, so the
   interpreter that it was made with runs, as on the server;
4. ``env``, which App Service makes: where a proxy activates it as in 3; where scriptProcessor is a
   Python that came as a site extension of App Service, for the packages in that;
5. an environment that is only a courtesy, because IIS looks for none of them: ``env`` that nothing
   activates, ``.venv`` and ``venv`` of the site and of its parents up to the repository's root,
   Poetry's and uv's, VIRTUAL_ENV, CONDA_PREFIX. It stands for the packages that are installed for
   the server's Python;
6. an installed Python of the version that the path names;
7. the Python that fcgiemu itself was made for.

``--strict`` leaves 5 out (``env`` gives its interpreter and no packages then). What was chosen and
why is said at the start of ``serve``, by ``doctor`` and by ``check``; so is a version that is not
the one web.config names.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..applications import Application
from ..errors import SiteError
from ..hosting import Hosting
from ..settings import EVERY
from ..worker import paths
from . import environments
from .environments import Environment
from .installed_pythons import (
    OLDEST,
    Version,
    installed,
    packaged_wfastcgi,
    version_name,
    version_of,
    wanted_version,
)
from .windows_paths import is_ours, path_pairs

ACTIVATE_THIS = "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonChoice:
    """The Python that runs an application, and ``why``, as a part of a sentence.

    ``environment`` is the one whose packages the application finds. ``is_courtesy``: IIS would not
    show these packages. ``notes`` are sentences about what was passed over.
    """

    path: str
    version: Version | None
    why: str
    environment: Environment | None = None
    is_courtesy: bool = False
    #: Whether the user or web.config names this very file.
    is_given: bool = False
    #: Where an environment would be found, were it made; None where --strict shows none.
    place: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PythonQuery:
    """What is asked for: the path in web.config, its local equivalent, and whether wfastcgi is to
    run there (else any Python).
    """

    site: Hosting
    application: Application
    full_path: str
    local: str
    is_wfastcgi: bool


def choose(asked: PythonQuery) -> PythonChoice:
    """The Python for an application: see the text at the top."""
    notes: list[str] = []
    chosen = next(_candidates(asked, notes))
    notes += _differs(asked.full_path, chosen)
    return replace(chosen, notes=tuple(notes), place=_place(asked))


def _candidates(asked: PythonQuery, notes: list[str]) -> Iterator[PythonChoice]:
    """What can run the application, the best first; ``notes`` gets what cannot be used."""
    yield from _given(asked)
    yield from _named(asked)
    yield from _activated(asked, notes)
    yield from _azure(asked, notes)
    if not asked.site.settings.strict:
        yield from _courtesies(asked, notes)
    yield from _installed(asked)
    yield _running()


# -- 1: what the user says -------------------------------------------------------------------------


def _given(asked: PythonQuery) -> Iterator[PythonChoice]:
    text = given(asked.site, asked.application)
    if text is not None:
        path, environment = resolve(text)
        version = environment.version if environment is not None else version_of(path)
        yield PythonChoice(
            path=path,
            version=version,
            why="--python, or python = of the site's settings",
            environment=environment,
            is_given=True,
        )


def given(site: Hosting, application: Application) -> str | None:
    """What the user says of the Python of an application."""
    table = dict(reversed(site.settings.python))
    return table.get(application.url or "/", table.get(EVERY))


def resolve(text: str) -> tuple[str, Environment | None]:
    """The interpreter that the user means: a program, the folder of an environment, a name on PATH
    or a version such as 3.9. Raises SiteError.
    """
    path = Path(text).expanduser()
    if path.is_dir():
        environment = environments.read(path.absolute())
        if environment is not None:
            return environment.python, environment
        why = environments.why_unusable(path.absolute()) or f"{path} is not a Python environment"
        raise SiteError(
            f"--python {text}: {why}.", "Name an interpreter, or the folder of an environment."
        )
    if os.sep in text and os.access(path, os.X_OK):
        local = os.path.abspath(path)
        return local, environments.read(Path(local).parent.parent)
    version = re.fullmatch(r"(\d)\.(\d+)", text)
    found = installed((int(version[1]), int(version[2]))) if version else shutil.which(text)
    if found is None:
        raise SiteError(
            f"--python {text}: there is no such Python here.",
            "Name an interpreter such as /usr/bin/python3.11, or the folder of an environment.",
        )
    return found, environments.read(Path(found).parent.parent)


# -- 2 and 3: what web.config names ----------------------------------------------------------------


def _named(asked: PythonQuery) -> Iterator[PythonChoice]:
    if not asked.local:
        return
    environment = environments.read(Path(asked.local).parent.parent)
    path = asked.local if _is_program(asked.local) else ""
    if not path and environment is not None and Path(asked.local).parent.name in ("bin", "Scripts"):
        path = environment.python
    if path:
        version = environment.version if environment is not None else version_of(path)
        yield PythonChoice(
            path=path,
            version=version,
            why="web.config names it",
            environment=environment,
            is_given=True,
        )


def activated_folder(site: Hosting, application: Application) -> Path | None:
    """The environment that web.config names for a proxy script to activate, whether it exists or
    not; None where no proxy is at work.
    """
    setting = site.worker_setting(ACTIVATE_THIS, application)
    handler = site.worker_setting("WSGI_HANDLER", application) or ""
    if not setting or not (
        "virtualenv_proxy" in handler
        or site.worker_setting("WSGI_ALT_VIRTUALENV_HANDLER", application)
    ):
        return None
    local = paths.map_path(setting, path_pairs(site)) if paths.is_windows(setting) else setting
    return Path(local).parent.parent if local else None


def _activated(asked: PythonQuery, notes: list[str]) -> Iterator[PythonChoice]:
    folder = activated_folder(asked.site, asked.application) if asked.is_wfastcgi else None
    if folder is not None:
        yield from _activates(folder, f"the interpreter of the site's {folder.name}", notes)


def _activates(folder: Path, why: str, notes: list[str]) -> Iterator[PythonChoice]:
    """The interpreter that an environment was made with: a proxy script adds the packages."""
    environment = _usable(folder, notes)
    if environment is not None:
        yield PythonChoice(
            path=environment.base, version=environment.version, why=why, environment=environment
        )


# -- 4: App Service's env --------------------------------------------------------------------------


def _azure(asked: PythonQuery, notes: list[str]) -> Iterator[PythonChoice]:
    folder = asked.application.path / environments.AZURE_NAME
    activated = activated_folder(asked.site, asked.application) if asked.is_wfastcgi else None
    if activated == folder:
        return  # it is not there, or cannot be used
    environment = _usable(folder, notes, not asked.site.settings.strict)
    if environment is None:
        return
    if _is_extension(asked.full_path):
        yield _with_packages(
            environment,
            "the packages of env stand for those that pip has installed in the site extension"
            f" ({asked.full_path} -m pip install -r requirements.txt on Azure)",
        )
    elif not asked.site.settings.strict:
        yield _with_packages(environment, "the site's env", True)
    else:
        yield PythonChoice(
            path=environment.base,
            version=environment.version,
            why="the interpreter of the site's env",
        )


def _is_extension(full_path: str) -> bool:
    """Whether a path is that of a Python that came as a site extension of App Service: it has
    packages of its own.
    """
    return (
        re.match(r"(?:[CD]:\\home|%HOME%)\\python", full_path.replace("/", "\\"), re.IGNORECASE)
        is not None
    )


# -- 5: courtesies ---------------------------------------------------------------------------------


def _courtesies(asked: PythonQuery, notes: list[str]) -> Iterator[PythonChoice]:
    for folder, source in environments.nearby(asked.application.path, asked.site.path):
        environment = _usable(folder, notes, True)
        if environment is not None:
            yield _with_packages(environment, source, True)


def _with_packages(environment: Environment, why: str, is_courtesy: bool = False) -> PythonChoice:
    return PythonChoice(
        path=environment.python,
        version=environment.version,
        why=why,
        environment=environment,
        is_courtesy=is_courtesy,
    )


def _usable(folder: Path, notes: list[str], as_whole: bool = False) -> Environment | None:
    found = environments.read(folder)
    found = found if found is not None and (found.is_whole or not as_whole) else None
    if found is None and (why := environments.why_unusable(folder)) and why not in notes:
        notes.append(why)
    return found


def _place(asked: PythonQuery) -> Path | None:
    """The folder for an environment of an application: the one that web.config names in the site,
    else one by convention. Of these, one that cannot be used here gives way to it.
    """
    site, named = asked.site, Path(asked.local).parent
    folder = named.parent if named.name.lower() in ("bin", "scripts") else None
    if folder is None and asked.is_wfastcgi:
        folder = activated_folder(site, asked.application)
    if folder is not None and folder.is_relative_to(site.path) and not is_ours(site, str(folder)):
        return folder
    names: tuple[str, ...] = (*environments.NAMES, environments.AZURE_NAME)
    if site.settings.strict:
        names = (environments.AZURE_NAME,) if _is_extension(asked.full_path) else ()
    folders = [asked.application.path / name for name in names]
    broken = [folder for folder in folders if environments.why_unusable(folder)]
    return next(iter(broken or folders), None)


# -- 6 and 7: Pythons without the site's packages --------------------------------------------------


def _installed(asked: PythonQuery) -> Iterator[PythonChoice]:
    requested = wanted_version(asked.full_path)
    if requested is None:
        return
    runs = requested >= OLDEST or not asked.is_wfastcgi or packaged_wfastcgi() is not None
    if runs and (found := installed(requested)):
        yield PythonChoice(
            path=found, version=requested, why=f"the installed Python {version_name(requested)}"
        )


def _running() -> PythonChoice:
    path = getattr(sys, "_base_executable", sys.executable) or sys.executable
    return PythonChoice(path=path, version=sys.version_info[:2], why="the running interpreter")


# -- what differs ----------------------------------------------------------------------------------


def _differs(full_path: str, chosen: PythonChoice) -> Iterator[str]:
    """Both versions, where web.config names another one."""
    requested = wanted_version(full_path)
    if requested is None or chosen.version in (None, requested):
        return
    assert chosen.version is not None
    here = "" if installed(requested) else ", which is not installed here"
    yield (
        f"web.config names Python {version_name(requested)} ({full_path}){here}; the site runs on"
        f" Python {version_name(chosen.version)}"
    )


def _is_program(path: str) -> bool:
    return os.access(path, os.X_OK) and not os.path.isdir(path)
