"""FastCgiModule: what <fastCgi><application> of a host configuration says about the processes of a
scriptProcessor.
"""

from __future__ import annotations

from dataclasses import replace

from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallFastCgi, Respond, configuration_error
from ..fastcgi.limits import IIS_LIMITS, Limits
from .context import Context

SECTION = "system.webServer/fastCgi"
#: Attribute of <application> -> field of Limits.
_FIELDS = {
    "maxInstances": "max_instances",
    "queueLength": "queue_length",
    "activityTimeout": "activity_timeout",
    "requestTimeout": "request_timeout",
    "idleTimeout": "idle_timeout",
    "instanceMaxRequests": "instance_max_requests",
    "rapidFailsPerMinute": "rapid_fails_per_minute",
    "signalBeforeTerminateSeconds": "signal_before_terminate",
    "stderrMode": "stderr_mode",
    "protocol": "protocol",
    "monitorChangesTo": "monitor_changes_to",
}

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
        key(item["fullPath"], item["arguments"]): item for item in effective.section(SECTION).items
    }


def key(full_path: str, arguments: str) -> Key:
    """How a scriptProcessor finds its application: texts are compared, not files."""
    return full_path.strip().strip('"').lower(), arguments.strip().lower()


def limits(application: Node | None, base: Limits) -> Limits:
    """``base`` with what the application says; 0 instances become a number that suits this
    machine.
    """
    if application is None:
        return base
    said = {field: application[name] for name, field in _FIELDS.items() if application.has(name)}
    if said.get("max_instances") == 0:
        said["max_instances"] = IIS_LIMITS.max_instances
    environment = tuple(
        (str(item["name"]), str(item["value"]))
        for item in application.child("environmentVariables").items
    )
    return replace(base, **said, environment=environment)
