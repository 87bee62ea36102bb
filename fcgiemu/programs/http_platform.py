"""The command line and environment of the process that <httpPlatform> names."""

from __future__ import annotations

import time

from ..applications import Application
from ..hosting import Hosting
from ..modules.http_platform import DEBUG_PORT_VARIABLE, PORT_VARIABLE, HttpPlatform
from .interpreters import ProgramMissing, find_program
from .ports import free_port
from .process_command import Telling, worker_environment

EXAMPLE = 'processPath="python" arguments="app.py"'


def command_line(
    site: Hosting, application: Application, settings: HttpPlatform, port: int | str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment with the placeholders of ports and Windows paths replaced.
    Raises ProgramMissing.
    """
    own = _own_variables(application, settings, port)
    ports = {name: own.get(name, "") for name in (PORT_VARIABLE, DEBUG_PORT_VARIABLE)}
    telling = Telling(site, application, ports)
    if not settings.process_path.strip():
        raise ProgramMissing("<httpPlatform> has no processPath.", f"Write one: {EXAMPLE}.")
    program = find_program(settings.process_path, site, application)
    words = telling.words(settings.arguments)
    if program.drops_first(words):
        words = words[1:]
    environment = worker_environment(site)
    for name, value in settings.environment:
        environment[name] = telling.value(name, value)
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
