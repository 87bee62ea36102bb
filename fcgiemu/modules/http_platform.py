"""httpPlatformHandler: what <httpPlatform> says about the process that answers."""

from __future__ import annotations

from dataclasses import dataclass

from .. import catalogue
from ..config.tree import Effective
from ..decision import CallHttpPlatform, Respond, configuration_error
from .context import Context
from .process_section import ProcessSection, common

SECTION = "system.webServer/httpPlatform"
PORT_VARIABLE = "HTTP_PLATFORM_PORT"
DEBUG_PORT_VARIABLE = "HTTP_PLATFORM_DEBUG_PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPlatform(ProcessSection):
    """The compiled section."""

    startup_retry_count: int
    #: forwardWindowsAuthToken, which has no effect here.
    forwards_token: bool


def handle(context: Context) -> CallHttpPlatform | Respond:
    """The request goes to the process of <httpPlatform>."""
    assert context.handler is not None
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    if "?" in context.state.path:
        context.findings.append(catalogue.finding("platform-encoded-mark", None))
    return CallHttpPlatform(context.handler)


def http_platform(effective: Effective) -> HttpPlatform:
    """A view: see Effective.view."""
    section = effective.section(SECTION)
    return HttpPlatform(
        **common(section),
        startup_retry_count=section.integer("startupRetryCount"),
        forwards_token=section.flag("forwardWindowsAuthToken"),
    )
