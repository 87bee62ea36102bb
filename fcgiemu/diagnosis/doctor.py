"""A step-by-step look at what an application needs before it can answer, and whether it does answer
for its first page: ``fcgiemu doctor``. What configuration and files show is ``check``'s; the rest
asks the programs of this machine.

The order is that in which IIS needs things: web.config, the handler and its program, what the
program needs, and the request itself. The last one is made only where nothing before it failed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..decision import Handler, ServeFile
from ..modules import handlers, iisnode
from ..modules.asp_net_core import MODULES
from ..site import Site
from . import first_page, iisnode_process, python_applications, trial_runs
from .check import check
from .configuration_files import has_python
from .doctor_steps import DoctorStep


def examine(site: Site, application: Application) -> Iterator[DoctorStep]:
    """Look at everything that must be right before an application can answer; the last step says
    who answers its first page.
    """
    found = [known for known in check(site) if _concerns(site, application, known)]
    steps = [DoctorStep.of("web.config", known) for known in found]
    yield from steps
    file = site.tree.file_of(application.url)
    if any(known.code == "config-missing" for known in found):
        return
    if file is not None:
        has_errors = any(known.severity == "error" for known in file.findings)
        if has_errors and file.root is None:
            return
        if not has_errors:
            yield DoctorStep(
                "web.config", "ok", str(application.path / file.name.rpartition("/")[2])
            )
    failed = any(step.status == "problem" for step in steps)
    for step in _programs(site, application, found):
        failed = failed or step.status == "problem"
        yield step
    decision = first_page.first_page(site, application)
    yield from first_page.steps(site, application, decision, _handlers(site, application))
    if not failed:
        yield from trial_runs.first_page(site, application, decision)


def _handlers(site: Site, application: Application) -> list[Handler]:
    """The handlers of an application that need a program: of each scriptProcessor the first, and
    the first of httpPlatform and of aspNetCore.
    """
    chosen: dict[str, Handler] = {}
    for handler, _ in site.effective(application.url or "/").view(handlers.table).entries:
        if "FastCgiModule" in handler.modules:
            chosen.setdefault(handler.script_processor.lower(), handler)
        elif "httpPlatformHandler" in handler.modules:
            chosen.setdefault("httpPlatform", handler)
        elif iisnode.MODULE in handler.modules:
            chosen.setdefault(iisnode.MODULE, handler)
        elif not MODULES.isdisjoint(handler.modules):
            chosen.setdefault("aspNetCore", handler)
    return list(chosen.values())


def _programs(site: Site, application: Application, found: list[Finding]) -> Iterator[DoctorStep]:
    """The steps for every program that handlers name."""
    chosen = _handlers(site, application)
    if not chosen and not any(known.code == "handler-not-emulated" for known in found):
        yield DoctorStep.of("handler", _without_handler(site, application))
    wrong = {str(known.span) for known in found if known.severity != "info"}
    for handler in chosen:
        if "FastCgiModule" in handler.modules:
            yield from python_applications.fast_cgi(site, application, handler, wrong)
        elif iisnode.MODULE in handler.modules:
            fatal = [
                known.code
                for known in found
                if known.severity == "error" and known.code.startswith("iisnode-")
            ]
            yield from iisnode_process.examine(site, application, handler, fatal)
        elif len(chosen) == 1:
            fatal = [
                known.code
                for known in found
                if known.severity == "error" and known.code.startswith(("platform-", "aspnetcore-"))
            ]
            if "httpPlatformHandler" in handler.modules:
                yield from trial_runs.platform(site, application, handler, fatal)
            else:
                yield from trial_runs.asp_net_core(site, application, handler, fatal)


def _without_handler(site: Site, application: Application) -> Finding:
    """That no handler needs a program: wrong only where there is Python to run. Python beside a
    first page that is a file, or in the folder of another application, may be anything.
    """
    names = {name.upper() for name in site.app_settings(application)}
    named = "WSGI_HANDLER" in names or site.worker_setting("WSGI_HANDLER", application)
    others = [
        other.path
        for other in site.layout.applications
        if other.path != application.path and other.path.is_relative_to(application.path)
    ]
    is_file = isinstance(first_page.first_page(site, application).action, ServeFile)
    if named or not is_file and has_python(application, others):
        file = site.tree.file_of(application.url)
        name = shlex.quote(str(site.path / file.name if file is not None else "web.config"))
        init = f"fcgiemu init {shlex.quote(str(application.path))}"
        command = f"mv {name} {name}.old && {init}" if file is not None else init
        return finding("python-no-handler", None, command=command)
    return finding("python-not-used", None)


def _concerns(site: Site, application: Application, known: Finding) -> bool:
    """Whether a finding is about this application: its file lies in its folder."""
    if known.span is None:
        return not application.url
    folder = "/" + known.span.file.rpartition("/")[0]
    return site.application(folder).url == application.url
