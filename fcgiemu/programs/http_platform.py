"""The command line and environment of the process that <httpPlatform> names."""

from __future__ import annotations

import time

from ..applications import Application
from ..hosting import Hosting
from ..modules.http_platform import DEBUG_PORT_VARIABLE, PORT_VARIABLE, PREFIX, HttpPlatform
from .interpreters import ProgramMissing, find_program
from .module_variables import joined, of_module, of_server
from .ports import free_port
from .process_command import Telling, worker_environment

EXAMPLE = 'processPath="python" arguments="app.py"'


def command_line(
    site: Hosting, application: Application, settings: HttpPlatform, port: int | str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command line and environment with the placeholders of ports and Windows paths replaced.
    Raises ProgramMissing.
    """
    own = _own_variables(site, application, settings, port)
    ports = {name: own[name] for name in (PORT_VARIABLE, DEBUG_PORT_VARIABLE) if name in own}
    telling = Telling(site, application, ports)
    if not settings.process_path.strip():
        raise ProgramMissing("<httpPlatform> has no processPath.", f"Write one: {EXAMPLE}.")
    program = find_program(settings.process_path, site, application)
    words = telling.words(settings.arguments)
    if program.drops_first(words):
        words = words[1:]
    written = {name: telling.value(name, value) for name, value in settings.environment}
    worker = worker_environment(site)
    if settings.is_second:
        return (program.path, *words), joined(joined(worker, own), written)
    return (program.path, *words), joined({**worker, **written}, own)


def _own_variables(
    site: Hosting, application: Application, settings: HttpPlatform, port: int | str
) -> dict[str, str]:
    """What the module itself sets. Nothing in the configuration overrides it  # inferred from its
    successor, where environmentVariables do (seen in code), and which has no port for debugging.
    """
    if settings.is_second:
        return of_module(site, application, PREFIX, port) | of_server(application, PREFIX)
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
