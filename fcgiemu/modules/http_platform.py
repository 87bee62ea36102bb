"""httpPlatformHandler: what <httpPlatform> says about the process that answers.

The module is version 1.2 of Microsoft. Its successor, HttpPlatformHandlerV2, is registered by the
same name and is a fork of AspNetCoreModule: it has another schema, a token, and app_offline.htm.
"""

from __future__ import annotations

import re

from .. import catalogue
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallHttpPlatform, Respond, configuration_error
from . import app_offline
from .context import Context
from .process_section import ProcessSection

SECTION = "system.webServer/httpPlatform"
#: How the names of the variables begin that it tells a process.
PREFIX = "HTTP_PLATFORM_"
PORT_VARIABLE = f"{PREFIX}PORT"
DEBUG_PORT_VARIABLE = f"{PREFIX}DEBUG_PORT"
TOKEN_VARIABLE = f"{PREFIX}TOKEN"
#: Starts for one request in the successor, which has no startupRetryCount (seen in code).
_STARTS = 2
_TOKEN = "forwardWindowsAuthToken"


class HttpPlatform(ProcessSection):
    """The compiled section."""

    def __init__(self, section: Node) -> None:
        super().__init__(section)
        told = without_cmd(self.process_path, self.arguments)
        self.process_path, self.arguments = told
        #: Whether the server has HttpPlatformHandlerV2.
        self.is_second = "startupRetryCount" not in section.schema.attributes
        #: Starts for one request.
        self.startup_retry_count = (
            _STARTS if self.is_second else section.integer("startupRetryCount")
        )
        #: Whether the section says forwardWindowsAuthToken, which has no effect here.
        self.forwards_token = section.has(_TOKEN) and section.flag(_TOKEN)


def handle(context: Context) -> CallHttpPlatform | Respond:
    """The request goes to the process of <httpPlatform>."""
    assert context.handler is not None
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    settings = context.effective.view(http_platform)
    if settings.is_second:
        return app_offline.answer(context) or CallHttpPlatform(context.handler)
    if "?" in context.state.path:
        context.findings.append(catalogue.finding("platform-encoded-mark", None))
    return CallHttpPlatform(context.handler)


def http_platform(effective: Effective) -> HttpPlatform:
    """A view: see Effective.view."""
    return HttpPlatform(effective.section(SECTION))


_CMD = re.compile(r"(?i)(?:.*[\\/])?cmd(?:\.exe)?")
_OPTION_C = re.compile(r"(?is)\s*(?:/[dsq]\s+)*/c\s+(.+)")
#: What only cmd.exe itself can do: operators, commands of its own, scripts.
_OF_CMD = re.compile(
    r"(?i)[&|<>^]|^\W*(?:call|cd|echo|for|if|pushd|set|start|type)\b|^\"?[^\s\"]+\.(?:bat|cmd)\b"
)


def without_cmd(process_path: str, arguments: str) -> tuple[str, str]:
    """The program and its arguments where ``cmd /c`` only starts it; else the two as they are."""
    given = _OPTION_C.fullmatch(arguments) if _CMD.fullmatch(process_path.strip()) else None
    if given is None:
        return process_path, arguments
    line = given[1].strip()
    if line.count('"') == 2 and line[0] == line[-1] == '"':
        line = line[1:-1]
    program = re.match(r'"([^"]+)"|\S+', line)
    if program is None or _OF_CMD.search(line):
        return process_path, arguments
    return program[1] or program[0], line[program.end() :].strip()
