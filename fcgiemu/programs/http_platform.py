"""The command line and environment of the process that <httpPlatform> names."""

from __future__ import annotations

import os
import re

from ..applications import Application
from ..config import values
from ..hosting import Hosting
from ..modules.http_platform import PORT_VARIABLE, HttpPlatform
from ..worker import paths
from .interpreters import find_program, path_pairs


def command_line(
    site: Hosting, application: Application, settings: HttpPlatform, port: int | str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment with ``%HTTP_PLATFORM_PORT%`` and Windows paths replaced.
    Raises ProgramMissing.
    """
    pairs = path_pairs(site)

    def local(text: str) -> str:
        text = values.expand(text.replace(f"%{PORT_VARIABLE}%", str(port)))
        if text.startswith((".\\", "./", "..\\", "../")):
            return text.replace("\\", "/")
        return (paths.map_path(text, pairs) or text) if paths.is_windows(text) else text

    path = settings.process_path
    if path.startswith("."):
        path = str(application.path / path.replace("\\", "/"))
    program = find_program(path, site, application)
    words = [
        local(word.replace('"', "")) for word in re.findall(r'(?:"[^"]*"|\S)+', settings.arguments)
    ]
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    environment[PORT_VARIABLE] = str(port)
    for name, value in settings.environment:
        environment[name] = (
            ";".join(local(part) for part in value.split(";")) if "\\" in value else local(value)
        )
    if ";" in environment.get("PYTHONPATH", ""):
        environment["PYTHONPATH"] = environment["PYTHONPATH"].replace(";", os.pathsep)
    return (program.path, *words), environment
