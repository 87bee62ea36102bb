"""The command line and environment of the process that <httpPlatform> names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ..applications import Application
from ..config import values
from ..hosting import Hosting
from ..modules.http_platform import PORT_VARIABLE, HttpPlatform
from ..worker import paths
from .interpreters import find_program
from .windows_paths import path_pairs


def command_line(
    site: Hosting, application: Application, settings: HttpPlatform, port: int | str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment with ``%HTTP_PLATFORM_PORT%`` and Windows paths replaced.
    Raises ProgramMissing.
    """
    pairs = path_pairs(site)
    program = find_program(settings.process_path, site, application)
    words = [
        _local(word.replace('"', ""), port, pairs, application)
        for word in re.findall(r'(?:"[^"]*"|\S)+', settings.arguments)
    ]
    if program.drops_first(words):
        words = words[1:]
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    environment[PORT_VARIABLE] = str(port)
    for name, value in settings.environment:
        local = paths.map_setting(name, _expanded(value, port), pairs, str(application.path))
        is_list = name.upper() == "PYTHONPATH"
        environment[name] = local.replace(";", os.pathsep) if is_list else local
    return (program.path, *words), environment


def log_file(site: Hosting, application: Application, settings: HttpPlatform, suffix: str) -> str:
    """The local file of stdoutLogFile; "" where there is none."""
    if settings.stdout_log is None:
        return ""
    name = values.expand(settings.stdout_log)
    local = paths.map_setting("WSGI_LOG", name, path_pairs(site), str(application.path))
    return f"{os.path.join(application.path, local)}{suffix}"


def _expanded(text: str, port: int | str) -> str:
    return values.expand(text.replace(f"%{PORT_VARIABLE}%", str(port)))


def _local(
    word: str, port: int | str, pairs: Sequence[tuple[str, str]], application: Application
) -> str:
    """A word of the arguments with the Windows path that it is, or that follows its ``=``, made
    local.
    """
    text = _expanded(word, port)
    option, equals, value = text.partition("=")
    if not equals or not option.startswith("-"):
        option, equals, value = "", "", text
    folder = str(application.path)
    local = paths.map_setting("", value, pairs, folder)
    if re.fullmatch(r"\w[\w.\\-]*\.py", value):
        local = os.path.relpath(paths.below(folder, value), folder)
    return f"{option}{equals}{local}"
