"""Where fcgiemu is kinder than IIS, or a site would behave differently on its server: said at the
start of ``serve`` and by ``check``.

A site that runs here and fails there is worse than one that fails here: whatever is passed over on
this machine has a finding of its own in this file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import escape

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.tree import Effective
from ..decision import Handler
from ..modules import handlers, http_platform
from ..programs.installed_pythons import version_name
from ..programs.interpreters import ProgramMissing, find_program, split_processor, wfastcgi_for
from ..programs.pip import listing
from ..programs.python_choice import ACTIVATE_THIS, activated_folder
from ..programs.requirements import source_of
from ..programs.windows_paths import inferred
from ..site import Site
from . import asp_net_core, script_processor
from .configuration_files import holds_files
from .http_platform import suspicions
from .windows_variables import undefined

#: Handlers that servers have and our defaults have not: to remove them is right.
_OF_SERVERS = re.compile(
    r"(?i)(?:python|php|node|java|iisnode)[\w. ]*|.*_via_.*|webdav|.*isapi.*|svc-.*"
    r"|aspnetcore|extensionlessurl.*"
)
#: A path with a blank in it and no quotes around it, up to its suffix.
_UNQUOTED = re.compile(r'(?<!")\b[A-Za-z]:\\[^"|]*?[^"\s\\] [^"|]*?\.\w{2,4}\b')


def findings(site: Site) -> Iterator[Finding]:
    """Every finding of this kind, application by application."""
    for application in site.layout.applications:
        effective = site.effective(application.url or "/")
        file = site.tree.file_of(application.url)
        if file is None:
            continue
        start = Span(file.name, 1, 1)
        yield from _of_handlers(site, application, effective, start)
        yield from _of_script_name(site, application, start)
        yield from _of_activate_this(site, application)
        yield from script_processor.scripts(site, application)
    yield from asp_net_core.findings(site)
    if (folder := inferred(site)) is not None:
        yield finding(
            "settings-inferred-folder",
            _root_span(site),
            windows=folder.windows,
            reason=folder.because,
        )
    for file in site.tree.files():
        yield from _removed(site, file)


def _root_span(site: Site) -> Span:
    file = site.tree.file_of(site.root.url)
    return Span(file.name if file is not None else "web.config", 1, 1)


def _of_handlers(
    site: Site, application: Application, effective: Effective, start: Span
) -> Iterator[Finding]:
    spans = {
        item.text("name"): item.span or start for item in effective.section(handlers.SECTION).items
    }
    platform = False
    seen: set[str] = set()
    for handler, _ in effective.view(handlers.table).entries:
        span = spans.get(handler.name, start)
        if "FastCgiModule" in handler.modules and handler.script_processor not in seen:
            seen.add(handler.script_processor)
            yield from _of_processor(site, application, handler, span)
        platform = platform or "httpPlatformHandler" in handler.modules
    if platform:
        settings = effective.view(http_platform.http_platform)
        span = _platform_span(site, application) or start
        yield from _of_program(site, application, settings.process_path, span)
        yield from suspicions(site, application, settings, span)


def _platform_span(site: Site, application: Application) -> Span | None:
    file = site.tree.file_of(application.url)
    elements = file.root.iter("httpPlatform") if file is not None and file.root is not None else ()
    return next((element.span for element in elements), None)


def _of_processor(
    site: Site, application: Application, handler: Handler, span: Span
) -> Iterator[Finding]:
    processor = handler.script_processor
    full_path, arguments = split_processor(processor)
    blank = _UNQUOTED.search(arguments)
    if blank:
        path = blank[0]
        meant = escape(processor.replace(path, f'"{path}"'))
        start = path.partition(" ")[0]
        yield finding("handler-unquoted-blank", span, path=path, start=start, meant=meant)
    elif (
        not arguments
        and "%s" not in full_path
        and (match := re.match(r"(?i)(.+?\.exe)(?:\s+|\s*([;,])\s*)(\S.*)", full_path))
    ):
        yield finding(
            f"handler-no-bar{'/sign' if match[2] else ''}",
            span,
            sign=match[2],
            arguments=match[3],
            meant=escape(f"{match[1]}|{match[3]}"),
            plain=f"{match[1]}|{match[3]}",
        )
    # Without arguments it is a placeholder of Visual Studio: see handlers.py.
    for name in undefined(site, processor) if "%" not in full_path or arguments else ():
        if not re.search(r"%\w+%\|%\w+%", processor):
            yield finding("handler-unknown-variable", span, name=name)
    yield from _of_program(site, application, processor, span)


def _of_program(
    site: Site, application: Application, processor: str, span: Span
) -> Iterator[Finding]:
    """What stands for the program here and would not on the server."""
    try:
        program = find_program(processor, site, application)
    except ProgramMissing:
        return
    if program.is_courtesy and program.environment is not None:
        source = source_of(application.path)
        yield finding(
            f"settings-python-courtesy{'/unlisted' if source is None else ''}",
            span,
            environment=program.environment.folder,
            why=program.why,
            version=version_name(program.environment.version),
            program=split_processor(processor)[0],
            arguments=source.on_the_server(application.path) if source is not None else "",
            command=listing(program.environment, application.path / "requirements.txt"),
        )
    if not program.is_wfastcgi and program.version is not None and program.arguments:
        script = program.arguments[0]
        is_here = os.path.exists(application.path / script) or not holds_files(application.path)
        if script.endswith(".py") and not is_here:
            example = f'scriptProcessor="{wfastcgi_for(split_processor(processor)[0])}"'
            yield finding("handler-missing-script", span, script=script, example=example)


def _of_script_name(site: Site, application: Application, start: Span) -> Iterator[Finding]:
    """SCRIPT_NAME of wfastcgi: what it takes off the beginning of a path."""
    if not site.worker_setting("WSGI_HANDLER", application):
        return
    written = site.app_settings(application).get("SCRIPT_NAME")
    if written is None:
        if application.url and site.worker_setting("SCRIPT_NAME", application) is None:
            yield finding("settings-no-script-name", start, url=application.url)
        return
    value, span = written
    meant = "/" + value.strip("/")
    if value == "/":
        yield finding("settings-script-name/root", span, value=value)
    elif value and not value.startswith("/"):
        yield finding("settings-script-name/begin", span, value=value, meant=meant)
    elif value and value != meant:
        yield finding("settings-script-name/end", span, value=value, meant=meant)


def _of_activate_this(site: Site, application: Application) -> Iterator[Finding]:
    """An activate_this.py that the environment beside it does not have: ours stands in for it."""
    value, span = site.app_settings(application).get(ACTIVATE_THIS, ("", None))
    folder = activated_folder(site, application)
    if folder is None or not value.lower().endswith("activate_this.py"):
        return
    files = [folder / place / "activate_this.py" for place in ("bin", "Scripts")]
    if (
        os.path.isdir(folder)
        and not any(os.path.exists(file) for file in files)
        and not site.settings.strict
    ):
        yield finding("settings-activate-this", span, value=value)


def _removed(site: Site, file: ConfigFile) -> Iterator[Finding]:
    """``<remove name>`` of a handler that no level above has."""
    if file.root is None or not _is_parent_known(site, file):
        return
    above = _names_above(site, file)
    for group in file.root.iter("handlers"):
        known = set(above)
        for element in group.children:
            name = element.attributes.get("name", "")
            if element.tag == "add":
                known.add(name.lower())
            elif element.tag == "clear":
                known.clear()
            elif element.tag == "remove" and name:
                if name.lower() not in known and not _OF_SERVERS.fullmatch(name):
                    yield finding("handler-removes-nothing", element.span, name=name)
                known.discard(name.lower())


def _is_parent_known(site: Site, file: ConfigFile) -> bool:
    """Whether the levels above a file are here: handlers of a site whose root has no web.config
    are often made in IIS Manager, and a folder takes them away.
    """
    return not file.directory or site.tree.file_of("") is not None


def _names_above(site: Site, file: ConfigFile) -> set[str]:
    """The names of the handlers that a file inherits."""
    parent = file.directory.rpartition("/")[0] if file.directory else None
    if parent is not None:
        items: list[Node] = list(site.effective(parent or "/").section(handlers.SECTION).items)
        return {item.text("name").lower() for item in items}
    found = set()
    for host in site.tree.host:
        if host.root is not None:
            for group in host.root.iter("handlers"):
                found |= {
                    element.attributes.get("name", "").lower()
                    for element in group.children
                    if element.tag == "add"
                }
    return found
