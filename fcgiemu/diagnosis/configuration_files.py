"""The configurations that a file has a part in, what else a folder holds, or that a site has no
configuration at all, and why.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection
from itertools import chain
from pathlib import Path

from ..app_service.home import last_failure
from ..app_service.versioned_configs import versioned_configs
from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..config.file import ConfigFile
from ..config.tree import Effective
from ..files import UNWATCHED, content, find, is_empty
from ..hosting import Hosting
from ..init.recognise import place_of_site


def of_file(site: Hosting, file: ConfigFile) -> list[Effective]:
    """The configurations that a file has a part in: of its folder and of its <location>s."""
    places = [file.directory or "/", *(f"{file.directory}/{place}" for place in file.locations)]
    return list({id(found): found for found in map(site.effective, places)}.values())


def holds_files(folder: Path) -> bool:
    """Whether a folder holds more than configuration, as one does that is a site already."""
    try:
        with os.scandir(folder) as entries:
            return any(
                entry.is_file() and not entry.name.lower().endswith(".config") for entry in entries
            )
    except OSError:
        return False


def names(folder: Path) -> frozenset[str]:
    """The names of a folder's files and folders in lower case."""
    try:
        return frozenset(name.lower() for name in os.listdir(folder))
    except OSError:
        return frozenset()


#: Files and folders in the root of a site of ASP.NET.
_ASP_NET = re.compile(
    r"(?i).*\.(?:as[pcmh]x|asax|cshtml|vbhtml|csproj|vbproj|sln)|bin|app_\w+|views|controllers"
)


def runs_asp_net(folder: Path) -> bool:
    """Whether the root of a site holds what ASP.NET runs."""
    return any(_ASP_NET.fullmatch(entry.name) for entry in folder.iterdir())


def has_python(application: Application, others: Collection[Path] = ()) -> bool:
    """Whether the folder holds an application at all, and not its web.config alone; what lies in
    the folders of ``others`` does not count.
    """
    files = chain(*map(application.path.glob, ("*.py", "*/*.py", "*/*/__init__.py")))
    return any(not any(map(file.is_relative_to, others)) for file in files)


def missing(folder: Path) -> Finding | None:
    """That a folder has no web.config, and why; None where it has one."""
    if find(folder, "web.config") is not None:
        return None
    if names := [file.name for file in versioned_configs(folder).values()]:
        return finding("config-missing/versions", None, files=" and ".join(names))
    if reason := last_failure(folder):
        return finding("config-missing/deployment", None, folder=folder, reason=reason)
    if is_empty(folder):
        return finding("config-missing/empty", None, folder=folder)
    place = place_of_site(folder)
    if place is not None and place != folder and find(place, "web.config") is not None:
        return finding("config-missing/below", None, folder=folder, place=place)
    if below := _sites_below(folder):
        commands = " or ".join(f"fcgiemu serve {shlex.quote(str(one))}" for one in below)
        places = ", ".join(one.relative_to(folder).as_posix() for one in below)
        return finding(
            "config-missing/sites", None, folder=folder, places=places, commands=commands
        )
    if place is None:
        return finding("config-missing/unknown", None, folder=folder)
    command = f"fcgiemu init {shlex.quote(str(place))}"
    return finding("config-missing", None, folder=folder, command=command)


#: What a web.config names that is a site's and not that of a folder of files.
_OF_A_SITE = re.compile(
    rb"(?i)modules\s*=\s*[\"'](?:FastCgiModule|httpPlatformHandler|iisnode|aspNetCore)"
)


def _sites_below(folder: Path) -> list[Path]:
    """The folders below one, and in these, whose web.config starts a program; three at most."""
    found: list[Path] = []
    for inner in chain(*map(sorted, map(folder.glob, ("*/", "*/*/")))):
        if UNWATCHED.intersection(inner.parts) or any(map(inner.is_relative_to, found)):
            continue
        if _OF_A_SITE.search(content(inner, "web.config")):
            found.append(inner)
    return found[:3]
