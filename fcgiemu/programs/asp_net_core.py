"""The command line and environment of the process that <aspNetCore> names.

A program for Windows beside whose name ``.exe`` there is a ``.dll`` is run from that by ``dotnet``,
and a project that Visual Studio has not published, by ``dotnet run``.  # our own
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..applications import Application
from ..config import values
from ..hosting import Hosting
from ..modules.asp_net_core import PORT_VARIABLE, PREFIX, AspNetCore
from ..worker import paths
from . import module_variables
from .interpreters import Program, ProgramMissing, find_program
from .process_command import Telling, worker_environment

_STARTUP = "ASPNETCORE_HOSTINGSTARTUPASSEMBLIES"
_INTEGRATION = "Microsoft.AspNetCore.Server.IISIntegration"
#: With the value 1 in the worker's environment that comes before environmentVariables.
_PREFER = "ANCM_PREFER_ENVIRONMENT_VARIABLES"
DOTNET = "dotnet"
EXAMPLE = 'processPath="dotnet" arguments=".\\YourApplication.dll"'


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, and what had to be changed of processPath: "" = nothing."""

    program: Program
    words: tuple[str, ...]
    note: str = ""


def command(
    site: Hosting, application: Application, settings: AspNetCore, placeholders: Mapping[str, str]
) -> Command:
    """What runs for processPath and arguments. Raises ProgramMissing."""
    telling = Telling(site, application, placeholders)
    words = telling.words(settings.arguments)
    path = settings.process_path
    if not path:
        raise ProgramMissing("<aspNetCore> has no processPath.", f"Write one: {EXAMPLE}.")
    if "%LAUNCHER_PATH%" in path.upper():
        return _project(site, application)
    local = _beside(application, path)
    if local is not None and local.suffix.lower() == ".exe":
        library = local.with_suffix(".dll")
        if library.is_file():
            note = f"{path} is a program for Windows: dotnet {library.name} runs in its place"
            return Command(_dotnet(site, application, DOTNET), (str(library), *words), note)
    if re.fullmatch(r"(?i)(?:.*[\\/])?dotnet(?:\.exe)?", path):
        return Command(_dotnet(site, application, path), tuple(words))
    program = find_program(path, site, application)
    if program.drops_first(words):
        words = words[1:]
    return Command(program, tuple(words))


def _beside(application: Application, path: str) -> Path | None:
    """The file of the application's folder that processPath names; None where it names another."""
    text = values.expand(path)
    if paths.is_windows(text) or os.path.isabs(text) or "%" in text:
        return None
    return Path(paths.below(str(application.path), text))


def _project(site: Hosting, application: Application) -> Command:
    """The project that Visual Studio would start: %LAUNCHER_PATH% stands for that."""
    projects = sorted(application.path.glob("*.csproj"))
    if len(projects) != 1:
        raise ProgramMissing(
            "processPath is %LAUNCHER_PATH%, which Visual Studio replaces when it publishes.",
            f"Publish the project with dotnet publish, or write {EXAMPLE}.",
        )
    words = ("run", "--no-launch-profile", "--project", str(projects[0]))
    note = f"%LAUNCHER_PATH% is replaced when a site is published: {DOTNET} run starts the project"
    return Command(_dotnet(site, application, DOTNET), words, note)


def _dotnet(site: Hosting, application: Application, path: str) -> Program:
    """The local dotnet. Raises ProgramMissing with what to do for one."""
    try:
        return find_program(path, site, application)
    except ProgramMissing as error:
        raise ProgramMissing(
            f"There is no {DOTNET} here, which runs the application.",
            "Install the .NET runtime that the application is made for"
            " (https://dotnet.microsoft.com/download), or name one:"
            f" --map '{path}=/path/to/{DOTNET}'.",
        ) from error


def command_line(
    site: Hosting,
    application: Application,
    settings: AspNetCore,
    port: int | str,
    *,
    replaces_port: bool = False,
    https_port: int | None = None,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment. ``replaces_port`` = as the first version, which replaces
    %ASPNETCORE_PORT% in the arguments and variables (seen in code). ``https_port`` is that of the
    site's https binding. Raises ProgramMissing.
    """
    placeholders = {PORT_VARIABLE: str(port)} if replaces_port else {}
    telling = Telling(site, application, placeholders)
    found = command(site, application, settings, placeholders)
    worker = worker_environment(site)
    own = module_variables.of_module(site, application, PREFIX, port)
    if https_port is not None:
        own["ASPNETCORE_ANCM_HTTPS_PORT"] = str(https_port)
    before = module_variables.value(worker, _STARTUP)
    own[_STARTUP] = f"{before};{_INTEGRATION}" if before else _INTEGRATION
    environment = module_variables.joined(worker, own)
    worker_first = module_variables.value(worker, _PREFER) == "1"
    for name, text in settings.environment:
        if not worker_first or not module_variables.value(worker, name):
            environment = module_variables.joined(environment, {name: telling.value(name, text)})
    return (found.program.path, *found.words), environment


def log_suffix(worker: int, started: time.struct_time) -> str:
    """What follows stdoutLogFile in the name of a log of the second version: the time in UTC and
    the id of the worker process (documented).
    """
    return f"_{time.strftime('%Y%m%d%H%M%S', started)}_{worker}.log"
