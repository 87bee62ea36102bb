"""The command line and environment of the process that <httpPlatform> names."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence

from ..app_service.environment import of_worker
from ..applications import Application
from ..config import values
from ..hosting import Hosting
from ..modules.http_platform import DEBUG_PORT_VARIABLE, PORT_VARIABLE, HttpPlatform
from ..worker import paths
from .interpreters import find_program
from .ports import free_port
from .windows_paths import path_pairs


def command_line(
    site: Hosting, application: Application, settings: HttpPlatform, port: int | str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment with the placeholders of ports and Windows paths replaced.
    Raises ProgramMissing.
    """
    pairs = path_pairs(site)
    own = _own_variables(application, settings, port)
    program = find_program(settings.process_path, site, application)
    words = [
        _local(word.replace('"', ""), own, pairs, application)
        for word in re.findall(r'(?:"[^"]*"|\S)+', settings.arguments)
    ]
    if program.drops_first(words):
        words = words[1:]
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    if site.settings.azure:
        given = of_worker(site.azure_name, site.settings.app_settings)
        given.pop("PATH", None)  # programs are found by ours
        environment |= {name: paths.map_setting("", value, pairs) for name, value in given.items()}
    for name, value in settings.environment:
        local = paths.map_setting(name, _expanded(value, own), pairs, str(application.path))
        is_list = name.upper() == "PYTHONPATH"
        environment[name] = local.replace(";", os.pathsep) if is_list else local
    for name in [name for name in environment if name.upper() in own]:
        del environment[name]
    return (program.path, *words), {**environment, **own}


def _own_variables(
    application: Application, settings: HttpPlatform, port: int | str
) -> dict[str, str]:
    """What the module itself sets; nothing in the configuration overrides it.  # inferred from its
    successor
    """
    own = {PORT_VARIABLE: str(port), "HTTP_PLATFORM_APPL_PATH": application.url or "/"}
    texts = [settings.arguments, *(value for _, value in settings.environment)]
    if any(f"%{DEBUG_PORT_VARIABLE}%" in text for text in texts):
        own[DEBUG_PORT_VARIABLE] = "DEBUG_PORT" if isinstance(port, str) else str(free_port())
    return own


def log_suffix(worker: int, started: time.struct_time) -> str:
    """What follows stdoutLogFile in the name of a log: the id of the worker process, and the time
    in UTC, its numbers not padded.  # inferred from its successor
    """
    return f"_{worker}_{''.join(map(str, started[:6]))}.log"


def log_file(site: Hosting, application: Application, settings: HttpPlatform, suffix: str) -> str:
    """The local file of stdoutLogFile; "" where there is none."""
    if settings.stdout_log is None:
        return ""
    name = values.expand(settings.stdout_log)
    local = paths.map_setting("WSGI_LOG", name, path_pairs(site), str(application.path))
    return f"{os.path.join(application.path, local)}{suffix}"


def _expanded(text: str, own: Mapping[str, str]) -> str:
    for name in (PORT_VARIABLE, DEBUG_PORT_VARIABLE):
        text = text.replace(f"%{name}%", own.get(name, ""))
    return values.expand(text)


def _local(
    word: str,
    own: Mapping[str, str],
    pairs: Sequence[tuple[str, str]],
    application: Application,
) -> str:
    """A word of the arguments with the Windows path that it is, or that follows its ``=``, made
    local.
    """
    text = _expanded(word, own)
    option, equals, value = text.partition("=")
    if not equals or not option.startswith("-"):
        option, equals, value = "", "", text
    folder = str(application.path)
    local = paths.map_setting("", value, pairs, folder)
    if re.fullmatch(r"\w[\w.\\-]*\.py", value):
        local = os.path.relpath(paths.below(folder, value), folder)
    return f"{option}{equals}{local}"
