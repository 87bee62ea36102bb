"""What ``serve`` says of a site before the first request: which programs answer, with which limits,
and what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from .. import catalogue, posix
from ..applications import Application
from ..catalogue.findings import Finding
from ..decision import Handler
from ..diagnosis import configuration_files, kinder_than_iis, python_applications
from ..diagnosis import handlers as own_handlers
from ..diagnosis import iisnode as node_findings
from ..fastcgi.limits import Limits
from ..modules import (
    asp_net_core,
    authentication,
    dynamic_ip_restriction,
    handlers,
    http_platform,
    iisnode,
    web_farms,
)
from ..programs import asp_net_core as programs_of_asp_net_core
from ..programs import node
from ..programs.fastcgi_launch import Launcher, NotRegistered
from ..programs.http_platform import command_line
from ..programs.installed_pythons import version_name
from ..programs.interpreters import Program, ProgramMissing, because, find_program
from ..programs.windows_paths import inferred
from ..reload import is_ignored
from ..site import Site

#: What is said of serving on Windows.
UNTESTED = (
    "serve is untested on Windows: it was tested against a simulated Windows only, and has"
    " no stand-by, no iisnode and no wfastcgi.py there. Where it fails, run it in WSL:"
    " wsl fcgiemu serve"
)


def report(site: Site, launcher: Launcher, reload: bool) -> Iterator[str]:
    """The lines of the report, but for where the server listens."""
    yield f"fcgiemu serves {site.path}"
    if posix.IS_WINDOWS:
        yield f"  note        {UNTESTED}"
    files = site.tree.load_all(lambda name: is_ignored(name) or name.startswith("."))
    yield "  web.config  " + (
        ", ".join(file.name for file in files) or "none: the server's defaults apply"
    )
    if lack := configuration_files.missing(site.path):
        yield line(lack)
    if (folder := inferred(site)) is not None:
        yield (
            f"  folder      {folder.windows} is treated as this folder: {folder.because} (to say"
            f" otherwise: --map '{folder.windows}=/path/here')"
        )
    for application in site.layout.applications:
        if application.url:
            yield f"  application {application.url}: {application.path}"
        yield from _handlers(site, launcher, application, reload)
    for lack in own_handlers.not_emulated_anywhere(site, files):
        yield line(lack, "note")
    yield from _kinder(site)
    yield from _farms(site)
    yield from _identities(site)
    if (limited := site.effective("/").view(dynamic_ip_restriction.limits)) is not None:
        yield f"  limits      dynamicIpSecurity: {_client_limits(limited)}"


#: Findings that other lines of the report say.
_IN_OTHER_LINES = frozenset(
    {"settings-python-courtesy", "settings-inferred-folder", "aspnetcore-in-process"}
)


def _kinder(site: Site) -> Iterator[str]:
    """What runs here and would differ on the server; errors and warnings are the review's."""
    for found in kinder_than_iis.findings(site):
        if found.severity == "info" and found.code not in _IN_OTHER_LINES:
            yield line(found, "note")


def _farms(site: Site) -> Iterator[str]:
    """The web farms of the host configuration, and what is wrong with their section."""
    effective = site.effective("/")
    for known in effective.errors(web_farms.SECTION):
        yield line(known)
    for farm in effective.view(web_farms.farms).values():
        servers = ", ".join(server.authority("http") for server in farm.servers) or "no server"
        tested = f", tested by {farm.health.url}" if farm.health.url else ""
        yield f"  web farm    {farm.name}: {servers} ({farm.algorithm}{tested})"


def _identities(site: Site) -> Iterator[str]:
    """Who clients are, and whether the site asks for it."""
    auth = site.settings.easy_auth
    if auth is not None:
        known = ", ".join(auth.providers) or "none"
        yield f"  sign-in     {auth.prefix}/login/… of the emulator; providers: {known}"
        if auth.unknown:
            unknown = ", ".join(auth.unknown)
            yield f"  note        --easy-auth: keys without a meaning here: {unknown}"
    who = site.settings.identity
    if who is None:
        return
    roles = f" ({', '.join(who.roles)})" if who.roles else ""
    yield f"  client      {who.name}{roles}, where the site asks"
    effective = site.effective("/")
    if not authentication.answer(effective, who):
        yield (
            "  warning     IIS would treat this client as anonymous at /: enable"
            " windowsAuthentication, which servers lock for web.config (put it into --host-config)"
        )


def line(finding: Finding, word: str = "") -> str:
    """A finding as a line of the report: severity (or another word), place, message and remedy."""
    where = f"{finding.span}: " if finding.span is not None else ""
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"  {word or finding.severity:<10}  {where}{finding.message} [{finding.code}]{hint}"


def _handlers(
    site: Site, launcher: Launcher, application: Application, reload: bool
) -> Iterator[str]:
    seen: set[str] = set()
    for handler, _ in site.effective(application.url or "/").view(handlers.table).entries:
        if "FastCgiModule" in handler.modules and handler.script_processor not in seen:
            seen.add(handler.script_processor)
            yield f"  handler     {handler.name}: path={handler.path}"
            yield from _fast_cgi(site, launcher, application, handler, reload)
        elif "httpPlatformHandler" in handler.modules:
            yield f"  handler     {handler.name}: path={handler.path}"
            yield from _platform(site, application)
        elif "iisnode" in handler.modules:
            yield f"  handler     {handler.name}: path={handler.path}"
            yield from _iisnode(site, application)
        elif not asp_net_core.MODULES.isdisjoint(handler.modules):
            yield f"  handler     {handler.name}: path={handler.path}"
            yield from _asp_net_core(site, application)


def _fast_cgi(
    site: Site, launcher: Launcher, application: Application, handler: Handler, reload: bool
) -> Iterator[str]:
    try:
        program = find_program(handler.script_processor, site, application)
    except ProgramMissing as error:
        yield line(python_applications.program_missing(error))
        return
    yield from _program(program)
    try:
        limits = launcher.limits(handler.script_processor, application)
        yield "  workers     " + _words(limits, reload)
        if others := _others(limits):
            yield f"  limits      {others}"
        if limits.monitor_changes_to and not os.path.exists(limits.monitor_changes_to):
            yield line(
                catalogue.finding("python-monitored-file", None, file=limits.monitor_changes_to)
            )
    except NotRegistered:
        yield line(catalogue.finding("python-not-registered", None))


def _program(program: Program) -> Iterator[str]:
    """Which Python runs the site and why, or which other program, and what was passed over."""
    if program.version is not None:
        yield f"  python      {version_name(program.version)}, {program.path}: {because(program)}"
    for note in program.notes:
        yield f"  {'mapped' if program.version is None else 'note':<10}  {note}"


def _platform(site: Site, application: Application) -> Iterator[str]:
    settings = site.effective(application.url or "/").view(http_platform.http_platform)
    try:
        command, _ = command_line(site, application, settings, "PORT")
        yield from _program(find_program(settings.process_path, site, application))
    except ProgramMissing as error:
        yield line(python_applications.program_missing(error))
        return
    yield _process(*command)


def _asp_net_core(site: Site, application: Application) -> Iterator[str]:
    settings = site.effective(application.url or "/").view(asp_net_core.asp_net_core)
    try:
        found = programs_of_asp_net_core.command(site, application, settings, {})
    except ProgramMissing as error:
        yield line(python_applications.program_missing(error))
        return
    if found.note:
        yield f"  note        {found.note}"
    yield from _program(found.program)
    yield _process(found.program.path, *found.words)


def _process(*words: str) -> str:
    return f"  process     {' '.join(words)}, started by the first request"


def _iisnode(site: Site, application: Application) -> Iterator[str]:
    """Which Node runs the scripts at the root of an application, and what asks for another one."""
    effective, url = site.effective(application.url or "/"), application.url
    try:
        settings = iisnode.settings(site, effective, site.files, url)
        command = iisnode.compiled(settings).command_line
        found = node.find(command, site, application)
    except iisnode.BrokenSettings as error:
        yield line(error.finding)
        return
    except ProgramMissing as error:
        yield line(python_applications.program_missing(error))
        return
    version = node.version(found.path)
    yield f"  node        {node.version_name(version)}, {found.path}: {found.why}"
    for known in node_findings.versions(site, application, command, version):
        yield line(known, "note")


def _client_limits(limits: dynamic_ip_restriction.RateLimits) -> str:
    parts = []
    if limits.concurrent:
        parts.append(f"at most {limits.concurrent} requests of a client in progress")
    if limits.requests:
        parts.append(f"at most {limits.requests} in {limits.interval * 1000:g} ms")
    return ", ".join(parts) + (" (only logged)" if limits.logging_only else "")


def _words(limits: Limits, reload: bool) -> str:
    recycled = (
        f"recycled after {limits.instance_max_requests} requests"
        if limits.instance_max_requests
        else "never recycled by count"
    )
    changes = "restarted when files change" if reload else "not restarted when files change"
    timeouts = (
        f"timeouts {limits.activity_timeout:g} s without activity and {limits.request_timeout:g} s"
        " in all"
        if limits.request_timeout < float("inf")
        else "no timeouts"
    )
    return f"at most {limits.max_instances}, {changes}, {recycled}, {timeouts}"


#: Attributes of <fastCgi><application> that are told where they are not development's defaults.
_TOLD = {
    "queueLength": "queue_length",
    "idleTimeout": "idle_timeout",
    "rapidFailsPerMinute": "rapid_fails_per_minute",
    "signalBeforeTerminateSeconds": "signal_before_terminate",
    "stderrMode": "stderr_mode",
    "protocol": "protocol",
    "monitorChangesTo": "monitor_changes_to",
}


def _others(limits: Limits) -> str:
    usual = Limits()
    told = [
        f"{name} {getattr(limits, ours)}"
        for name, ours in _TOLD.items()
        if getattr(limits, ours) != getattr(usual, ours)
    ]
    if limits.environment:
        told.append("environmentVariables " + ", ".join(name for name, _ in limits.environment))
    return "; ".join(told)
