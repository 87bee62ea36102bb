"""httpPlatformHandler: what <httpPlatform> says about the process that answers."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.tree import Effective
from ..decision import CallHttpPlatform, Respond, configuration_error
from .context import Context

SECTION = "system.webServer/httpPlatform"
PORT_VARIABLE = "HTTP_PLATFORM_PORT"
DEBUG_PORT_VARIABLE = "HTTP_PLATFORM_DEBUG_PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPlatform:
    """The compiled section; times in seconds."""

    process_path: str
    arguments: str
    environment: tuple[tuple[str, str], ...]
    startup_time_limit: float
    startup_retry_count: int
    rapid_fails_per_minute: int
    request_timeout: float
    processes: int
    stdout_log: str | None
    #: forwardWindowsAuthToken, which has no effect here.
    forwards_token: bool
    #: Files of recycleOnFileChange, relative to the application's folder.
    recycle_on: tuple[str, ...]


def handle(context: Context) -> CallHttpPlatform | Respond:
    """The request goes to the process of <httpPlatform>."""
    assert context.handler is not None
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    return CallHttpPlatform(context.handler)


def http_platform(effective: Effective) -> HttpPlatform:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    variables = tuple(
        (item.text("name"), item.text("value"))
        for item in section.child("environmentVariables").items
    )
    return HttpPlatform(
        process_path=section.text("processPath"),
        arguments=section.text("arguments"),
        environment=variables,
        startup_time_limit=float(section.integer("startupTimeLimit")),
        startup_retry_count=section.integer("startupRetryCount"),
        rapid_fails_per_minute=section.integer("rapidFailsPerMinute"),
        request_timeout=section.seconds("requestTimeout"),
        processes=section.integer("processesPerApplication"),
        stdout_log=section.text("stdoutLogFile") if section.flag("stdoutLogEnabled") else None,
        forwards_token=section.flag("forwardWindowsAuthToken"),
        recycle_on=tuple(
            item.text("path").replace("\\", "/").removeprefix("./")
            for item in section.child("recycleOnFileChange").items
        ),
    )
