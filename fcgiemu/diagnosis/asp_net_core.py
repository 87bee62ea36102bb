"""What an application behind AspNetCoreModule needs, and where it runs otherwise than on a server.

``findings`` reads the configuration: ``check`` and ``serve`` say the same. ``remedies`` is about a
start that failed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..files import text_if_readable
from ..modules import handlers
from ..modules.asp_net_core import (
    FIRST,
    MODULES,
    PORT_VARIABLE,
    SECTION,
    AspNetCore,
    asp_net_core,
    misuse,
)
from ..programs.asp_net_core import EXAMPLE, command_line
from ..programs.interpreters import ProgramMissing
from ..site import Site
from ..worker import paths
from .causes import causes, in_words
from .http_platform import by_hand

#: What dotnet writes where a framework is missing, and where there is no application.
_NO_RUNTIME = re.compile(r"You must install or update \.NET|framework '[\w.]+'.* was not found")
_NO_LIBRARY = re.compile(r"The application (?:to execute does not exist: )?'([^'\n]+)'")


class Member(NamedTuple):
    """An application that the module runs, and where its section is."""

    application: Application
    settings: AspNetCore
    span: Span | None

    @property
    def program(self) -> str:
        """The program of the process, without quotation marks."""
        return self.settings.process_path.strip().strip('"')


def findings(site: Site) -> Iterator[Finding]:
    """What is to be said of every <aspNetCore> that a handler uses."""
    members = []
    for application in site.layout.applications:
        effective = site.effective(application.url or "/")
        module = handler_module(site, application)
        if not module or effective.errors(SECTION):
            continue
        member = Member(application, effective.view(asp_net_core), effective.section(SECTION).span)
        wrong = misuse(effective, module)
        if wrong is not None:
            yield wrong
            continue
        members.append(member)
        yield from _of_section(member)
        if _OTHER.search(member.program):
            yield from _of_program(member)
        elif module == FIRST:
            yield from _first_version(member, _handler_span(site, application))
    yield from _of_pools(members)


def handler_module(site: Site, application: Application) -> str:
    """The version of the module that handlers of an application name first; "" = none does."""
    entries = site.effective(application.url or "/").view(handlers.table).entries
    named = (module for handler, _ in entries for module in handler.modules if module in MODULES)
    return next(named, "")


def _of_section(member: Member) -> Iterator[Finding]:
    settings = member.settings
    if settings.in_process:
        yield finding("aspnetcore-in-process", member.span)
    if not settings.process_path and member.span is not None:
        severity = "info" if _is_source(member) else ""
        yield finding("aspnetcore-no-process", member.span, severity=severity, example=EXAMPLE)
    for text in (settings.process_path, settings.arguments):
        if match := re.search(r"(?i)%LAUNCHER_(?:PATH|ARGS)%", text):
            severity = "info" if _is_source(member) else ""
            yield finding(
                "aspnetcore-launcher",
                member.span,
                severity=severity,
                name=match[0],
                example=EXAMPLE,
            )
            return


def _handler_span(site: Site, application: Application) -> Span | None:
    """Where the first handler stands that names the module."""
    items = site.effective(application.url or "/").section(handlers.SECTION).items
    return next((item.span for item in items if item.text("modules") in MODULES), None)


#: The version of .NET in a project, and in what publishing it makes.
_FRAMEWORK = re.compile(
    r"<TargetFramework>\s*(?:netcoreapp|net)(\d+)\.\d|\"tfm\":\s*\"(?:netcoreapp|net)(\d+)\."
)


def _first_version(member: Member, span: Span | None) -> Iterator[Finding]:
    """The first version of the module: right for the versions of .NET that it came with, and a note
    where the version is not known.
    """
    folder = Path(member.application.path)
    files = [*folder.glob("*.*proj"), *folder.glob("*.runtimeconfig.json")]
    found = (_FRAMEWORK.search(text_if_readable(file)) for file in files)
    version = next((int(one[1] or one[2]) for one in found if one), None)
    if version is None:
        yield finding("aspnetcore-first-version/unknown", span, severity="info")
    elif version > 2:
        yield finding("aspnetcore-first-version", span)


#: Programs that are not of .NET.
_OTHER = re.compile(
    r"(?i)(?:^|[\\/])(?:pythonw?[\d.]*|py|uvicorn|hypercorn|waitress-serve|flask|streamlit|node|npm"
    r"|java)(?:\.exe|\.cmd)?$"
)


def _of_program(member: Member) -> Iterator[Finding]:
    """A program that is not of .NET: within IIS it cannot run, and outside it has to listen on the
    port of the module, which is told by a name of its own.
    """
    settings = member.settings
    if settings.in_process:
        yield finding("aspnetcore-not-dotnet/within", member.span, program=member.program)
        return
    texts = [settings.arguments, *(value for _, value in settings.environment)]
    scripts = re.findall(r"[^\s\"]+\.(?:py|m?js)\b", settings.arguments)[:1]
    files = [Path(paths.below(str(member.application.path), name)) for name in scripts]
    code = [text_if_readable(file) for file in files if os.path.isfile(file)]
    is_known = not scripts or bool(code) or "HTTP_PLATFORM_PORT" in settings.arguments.upper()
    if is_known and not any(PORT_VARIABLE in text.upper() for text in (*texts, *code)):
        yield finding("aspnetcore-not-dotnet/port", member.span, program=member.program)


def _is_source(member: Member) -> bool:
    """Whether a project's sources lie there, which are published before a server has them."""
    folder = Path(member.application.path)
    return any(True for _ in folder.glob("*.*proj")) or os.path.isfile(folder / "Program.cs")


def _of_pools(members: list[Member]) -> Iterator[Finding]:
    """Applications that one pool does not run (documented)."""
    for one, other in combinations(members, 2):
        pool = one.application.place.application_pool
        if pool != other.application.place.application_pool:
            continue
        models = one.settings.in_process, other.settings.in_process
        if any(models):
            yield finding(
                f"aspnetcore-pool/{'two' if all(models) else 'mixed'}",
                other.span,
                first=one.application.url or "/",
                second=other.application.url or "/",
                pool=pool,
            )


def remedies(
    site: Site, application: Application, settings: AspNetCore, failure: Exception
) -> Iterator[str]:
    """What to do about a process that did not come up, by what it wrote last."""
    if isinstance(failure, ProgramMissing):
        yield failure.hint
        return
    for known in of_failed_start(
        application, getattr(failure, "output", ""), getattr(failure, "ports", ())
    ):
        yield in_words(known)
    command, _ = command_line(site, application, settings, "5000")
    yield f"Start it by hand: {by_hand(application, command, 5000, PORT_VARIABLE)}"


def of_failed_start(application: Application, output: str, ports: tuple[int, ...]) -> list[Finding]:
    """What is likely behind a process that ended, or listens on ``ports`` in place of its own."""
    if ports:
        return [finding("aspnetcore-port", None, port=ports[0])]
    if _NO_RUNTIME.search(output):
        return [finding("aspnetcore-runtime", None)]
    if match := _NO_LIBRARY.search(output):
        return [finding("aspnetcore-no-library", None, file=match[1])]
    return causes(output, application)
