"""AspNetCoreModule and AspNetCoreModuleV2: what <aspNetCore> says about the process that
answers.

The second version hosts an application within the worker process where hostingModel is InProcess.
Here every application runs out of process.
"""

from __future__ import annotations

from .. import catalogue
from ..catalogue.findings import Finding
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import CallAspNetCore, Respond, configuration_error
from . import app_offline
from .context import Context
from .process_section import ProcessSection

SECTION = "system.webServer/aspNetCore"
FIRST = "AspNetCoreModule"
SECOND = "AspNetCoreModuleV2"
MODULES = frozenset({FIRST, SECOND})
#: How the names of the variables begin that it tells a process.
PREFIX = "ASPNETCORE_"
PORT_VARIABLE = f"{PREFIX}PORT"
TOKEN_VARIABLE = f"{PREFIX}TOKEN"
#: The step of requestTimeout in the first version's schema, in seconds (documented).
_STEP = 60
_MODELS = ("inprocess", "outofprocess")
_NOTIFICATION = "ExecuteRequestHandler"


class AspNetCore(ProcessSection):
    """The compiled section; times in seconds."""

    def __init__(self, section: Node) -> None:
        super().__init__(section)
        self.shutdown_time_limit = float(section.integer("shutdownTimeLimit"))
        #: Whether a failed start gets the module's own page.
        self.start_up_page = not section.flag("disableStartUpErrorPage")
        #: Whether the application would run within IIS's worker process.
        self.in_process = section.text("hostingModel").lower() == "inprocess"


def handle(context: Context) -> CallAspNetCore | Respond:
    """The request goes to the process of <aspNetCore>, unless app_offline.htm is there."""
    assert context.handler is not None
    if (offline := app_offline.answer(context)) is not None:
        return offline
    application = context.hosting.application(context.state.path)
    effective = context.hosting.effective(application.url or "/")
    if errors := (effective.errors(SECTION) or context.effective.errors(SECTION)):
        return configuration_error(errors[0], _NOTIFICATION)
    module = context.module
    found = misuse(effective, module)
    if found is None:
        return CallAspNetCore(context.handler, module)
    if module == FIRST:
        return configuration_error(found, _NOTIFICATION)
    return Respond(
        500,
        0,
        found.message,
        notification=_NOTIFICATION,
        finding=found,
        hints=(found.hint,),
    )


def misuse(effective: Effective, module: str) -> Finding | None:
    """What a version of the module does not take of the section: the schema of the first one has no
    hostingModel (inferred) and whole minutes for requestTimeout (measured); the second one has two
    models (seen in code), and one process for that within the worker (documented).
    """
    section, settings = effective.section(SECTION), effective.view(asp_net_core)
    model = section.given("hostingModel") or ""
    if module == FIRST and model:
        return catalogue.finding("aspnetcore-hosting-model/first", section.span)
    if module == FIRST and settings.request_timeout % _STEP:
        return catalogue.finding("aspnetcore-request-timeout", section.span)
    if model and model.lower() not in _MODELS:
        return catalogue.finding("aspnetcore-hosting-model/unknown", section.span, model=model)
    if settings.in_process and settings.processes > 1:
        count = settings.processes
        return catalogue.finding("aspnetcore-hosting-model/processes", section.span, count=count)
    return None


def asp_net_core(effective: Effective) -> AspNetCore:
    """A view: see Effective.view."""
    return AspNetCore(effective.section(SECTION))
