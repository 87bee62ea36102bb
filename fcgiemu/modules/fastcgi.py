"""FastCgiModule: what <fastCgi><application> of a host configuration says about the processes of a
scriptProcessor.
"""

from __future__ import annotations

from typing import TypeVar

from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallFastCgi, Respond, configuration_error
from ..fastcgi.limits import IIS_LIMITS, Limits
from .context import Context

SECTION = "system.webServer/fastCgi"
N = TypeVar("N", int, float)
Key = tuple[str, str]


def handle(context: Context) -> CallFastCgi | Respond:
    """The request goes to the scriptProcessor of its handler."""
    assert context.handler is not None
    if errors := context.effective.errors(SECTION):
        return configuration_error(errors[0], "ExecuteRequestHandler")
    path, end = context.state.path, context.script_length
    return CallFastCgi(context.handler, path[:end], path[end:])


def registered(effective: Effective) -> dict[Key, Node]:
    """The applications by fullPath and arguments, lower case. A view: see Effective.view."""
    return {
        key(item.text("fullPath"), item.text("arguments")): item
        for item in effective.section(SECTION).items
    }


def key(full_path: str, arguments: str) -> Key:
    """How a scriptProcessor finds its application: texts are compared, not files."""
    return full_path.strip().strip('"').lower(), arguments.strip().lower()


def limits(application: Node | None, base: Limits) -> Limits:
    """``base`` with what the application says; 0 instances become a number that suits this
    machine.
    """
    return base if application is None else _limits(application, base)


def _limits(application: Node, base: Limits) -> Limits:
    def number(name: str, otherwise: N) -> N:
        return application.integer(name) if application.has(name) else otherwise

    def text(name: str, otherwise: str) -> str:
        return application.text(name) if application.has(name) else otherwise

    return Limits(
        max_instances=number("maxInstances", base.max_instances) or IIS_LIMITS.max_instances,
        queue_length=number("queueLength", base.queue_length),
        activity_timeout=number("activityTimeout", base.activity_timeout),
        request_timeout=number("requestTimeout", base.request_timeout),
        idle_timeout=number("idleTimeout", base.idle_timeout),
        instance_max_requests=number("instanceMaxRequests", base.instance_max_requests),
        rapid_fails_per_minute=number("rapidFailsPerMinute", base.rapid_fails_per_minute),
        signal_before_terminate=number(
            "signalBeforeTerminateSeconds", base.signal_before_terminate
        ),
        stderr_mode=text("stderrMode", base.stderr_mode),
        protocol=text("protocol", base.protocol),
        monitor_changes_to=text("monitorChangesTo", base.monitor_changes_to),
        environment=tuple(
            (item.text("name"), item.text("value"))
            for item in application.child("environmentVariables").items
        ),
    )
