"""appSettings: files and folders that do not exist, variables that stay as they are, names that
nobody reads.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.reader import Element
from ..hosting import WINDOWS_ROOT
from ..modules import handlers
from ..programs.windows_paths import is_ours, path_pairs
from ..site import Site
from ..worker import paths
from . import named_modules
from .configuration_files import has_python
from .handler_names import UNKNOWN, likely_handler, settings_module
from .remedies import folder_of_the_site


def findings(site: Site) -> Iterator[Finding]:
    """Findings about appSettings and connectionStrings of every application."""
    for application in site.layout.applications:
        found = site.app_settings(application)
        for name, (value, span) in found.items():
            yield from _value(site, application, name, value, span)
        yield from named_modules.findings(site, application, found)
        yield from _worker(site, application, found)
        yield from _portal(site, found)
    roots = {application.url.strip("/").lower() for application in site.layout.applications}
    for file in site.tree.files():
        yield from _entries(file)
        yield from _repeated(file)
        if file.directory.strip("/").lower() not in roots:
            yield from _unread(file)


def _value(
    site: Site, application: Application, name: str, value: str, span: Span
) -> Iterator[Finding]:
    if not name or "=" in name:
        yield finding("settings-key", span, key=name)
        return
    if name.lower() == "pythonpath":
        yield from _folders(site, application, value, span)
        for part in value.split(";"):
            if part and part != part.strip():
                yield finding(
                    "settings-pythonpath-blank",
                    span,
                    part=part,
                    whole=";".join(map(str.strip, value.split(";"))),
                )
        return
    if unknown := unexpanded(value):
        yield finding(
            "settings-unexpanded-variable",
            span,
            name=name,
            variable=unknown[0],
        )
    local = paths.map_path(value, path_pairs(site)) if paths.is_windows(value) else None
    if name == "WSGI_LOG" and re.search(r"[\\/]$", value):
        yield finding("settings-log-folder", span, value=value, meant=f"{value}wfastcgi.log")
    elif name == "WSGI_LOG" and not unknown:
        mapped = paths.map_setting(name, value, path_pairs(site), str(application.path))
        folder = os.path.dirname(os.path.join(application.path, mapped))
        inside = Path(folder).is_relative_to(site.path) and not is_ours(site, folder)
        if has_python(application) and inside and not os.path.isdir(folder):
            missing = os.path.relpath(folder, site.path)
            yield finding(
                "settings-missing-file/log",
                span,
                value=value,
                missing=missing,
                command=folder_of_the_site(folder),
            )
    if (
        local
        and local.startswith(str(site.path) + os.sep)
        and has_python(application)
        and not _made_later(site, local)
    ):
        if not os.path.exists(local) and name.upper() != "WSGI_LOG":
            missing = os.path.relpath(local, site.path)
            yield finding("settings-missing-file", span, name=name, value=value, missing=missing)


def _folders(site: Site, application: Application, value: str, span: Span) -> Iterator[Finding]:
    """Folders of PYTHONPATH that are not in the site, where they should be."""
    if re.search(r"(?i)[^;]{2,}:(?:[a-z]:\\|/)|(?<=\w):(?:\.|%)", value):
        plain = re.sub(r"(?i)(?<=[^;]{2}):(?=[a-z]:\\|/)|(?<=\w):(?=\.|%)", ";", value)
        meant = escape(plain)
        yield finding("settings-pythonpath-colon", span, value=value, meant=meant, plain=plain)
        return
    if re.search(r"(?i)[,|]\s*(?:[a-z]:\\|%|\.[\\/])", value):
        plain = re.sub(r"(?i)\s*[,|]\s*(?=[a-z]:\\|%|\.[\\/])", ";", value)
        meant = escape(plain)
        yield finding(
            "settings-pythonpath-colon/comma", span, value=value, meant=meant, plain=plain
        )
        return
    for part in filter(None, map(str.strip, value.split(";"))):
        if _UNIX.match(part):
            continue  # said
        if "%" in part and not part.upper().startswith("%HOME%"):
            continue
        text = re.sub(r"(?i)^%HOME%", r"D:\\home", part)
        is_windows = paths.is_windows(text)
        local = paths.map_path(text, path_pairs(site)) if is_windows else None
        local = local or (None if is_windows else paths.below(str(application.path), text))
        inside = local is not None and local.startswith(str(site.path) + os.sep)
        if text.lower().startswith(f"{WINDOWS_ROOT.lower()}\\"):
            continue  # sites lie in folders of it: this may be the path of the site itself
        if local and inside and not os.path.isdir(local) and not _made_later(site, local):
            missing = os.path.relpath(local, site.path)
            if has_python(application):
                yield finding(
                    "settings-missing-file/folder",
                    span,
                    name="PYTHONPATH",
                    value=part,
                    missing=missing,
                )


def unexpanded(value: str) -> list[str]:
    """The names of variables that stand in a setting as ``%NAME%``; parts of percent-encoded texts
    are none.
    """
    return [
        text
        for text in re.findall(r"%(\w+)%", value)
        if not re.fullmatch(r"[0-9A-Fa-f]{2}\w*", text)
    ]


def _made_later(site: Site, local: str) -> bool:
    """What a deployment makes: the environment, logs."""
    relative = os.path.relpath(local, site.path).split(os.sep)
    return relative[0].lower() in ("env", "venv", ".venv", ".fcgiemu", "antenv")


def _worker(
    site: Site, application: Application, found: dict[str, tuple[str, Span]]
) -> Iterator[Finding]:
    """What wfastcgi itself reads."""
    handler = _wfastcgi_handler(site, application)
    named = site.worker_setting("WSGI_HANDLER", application)
    if (
        handler is not None
        and not named
        and not any(key.upper() == "WSGI_HANDLER" for key in found)
    ):
        near = difflib.get_close_matches("WSGI_HANDLER", [key.upper() for key in found], 1, 0.8)
        name = next((key for key in found if [key.upper()] == near), "")
        place = found[name][1] if name else handler
        likely = likely_handler(application.path)
        form = "/near" if name else "/unknown" if likely == UNKNOWN else ""
        yield finding(f"settings-no-handler{form}", place, name=name, likely=likely)
    yield from _misspelt(site, application, found, handler)
    if named_django(found) and not site.worker_setting("DJANGO_SETTINGS_MODULE", application):
        value, place = found["WSGI_HANDLER"]
        settings = settings_module(application.path) or "project.settings"
        yield finding("settings-no-django", place, value=value, settings=settings)
    activated, span = found.get("WSGI_ALT_VIRTUALENV_ACTIVATE_THIS", ("", None))
    runs_script = found.get("WSGI_HANDLER", ("", None))[0].endswith(".get_virtualenv_handler()")
    if runs_script and activated.lower().endswith(".exe"):
        yield finding("settings-activate-script", span, value=activated)
    pattern, span = found.get("WSGI_RESTART_FILE_REGEX", ("", None))
    try:
        re.compile(pattern)
    except re.error as error:
        yield finding("settings-restart-pattern", span, pattern=pattern, reason=error)


#: Settings that wfastcgi, its proxy for environments and Python itself read.
_READ = (
    "DJANGO_SETTINGS_MODULE",
    "PYTHONHOME",
    "PYTHONPATH",
    "WSGI_ALT_VIRTUALENV_ACTIVATE_THIS",
    "WSGI_ALT_VIRTUALENV_HANDLER",
    "WSGI_LOG",
    "WSGI_RESTART_FILE_REGEX",
)


def _misspelt(
    site: Site, application: Application, found: dict[str, tuple[str, Span]], handler: Span | None
) -> Iterator[Finding]:
    """Settings whose names are almost those that are read, where the latter are not set."""
    for name, (_, span) in found.items() if handler is not None else ():
        plain = re.sub(r"[\W_]", "", name.upper())
        near = [
            known
            for known in _READ
            if difflib.SequenceMatcher(None, plain, known.replace("_", "")).ratio() > 0.93
        ]
        if near and name.upper() != near[0] and not site.worker_setting(near[0], application):
            yield finding("settings-misspelt", span, name=name, meant=near[0])


def named_django(found: dict[str, tuple[str, Span]]) -> bool:
    """Whether Django itself makes the application, which finds its settings by a variable alone."""
    value = found.get("WSGI_HANDLER", ("", None))[0].strip()
    names = {name.upper() for name in found}
    return value == "django.core.wsgi.get_wsgi_application()" and (
        "DJANGO_SETTINGS_MODULE" not in names
    )


def _wfastcgi_handler(site: Site, application: Application) -> Span | None:
    """Where the first handler stands that gives requests of an application to wfastcgi."""
    for node in site.effective(application.url or "/").section(handlers.SECTION).items:
        if "fastcgimodule" in node.text("modules").lower() and "wfastcgi" in node.text(
            "scriptProcessor"
        ):
            return node.span
    return None


def _portal(site: Site, found: dict[str, tuple[str, Span]]) -> Iterator[Finding]:
    """App settings of the portal that web.config sets as well, where the two differ."""
    for setting in site.settings.app_settings if site.settings.azure else ():
        if not setting.kind and setting.name in found and found[setting.name][0] != setting.value:
            winner = "the portal's value" if site.settings.portal_wins else "web.config"
            yield finding(
                "settings-portal", found[setting.name][1], name=setting.name, winner=winner
            )


def _unread(file: ConfigFile) -> Iterator[Finding]:
    """A handler that is named in the web.config of a folder which is not an application."""
    for settings in file.root.iter("appSettings") if file.root is not None else ():
        for add in settings.children:
            if add.attributes.get("key", "").upper() == "WSGI_HANDLER":
                url = f"/{file.directory.strip('/')}"
                yield finding("settings-not-application", add.span, url=url)


def _repeated(file: ConfigFile) -> Iterator[Finding]:
    """Settings that are there twice: the last counts, for wfastcgi as for .NET, which takes no two
    connection strings of a name.
    """
    for section, key in (("appSettings", "key"), ("connectionStrings", "name")):
        for group in file.root.iter(section) if file.root is not None else ():
            seen: dict[str, Element] = {}
            for part in group.children:
                name = part.attributes.get(key, "").lower()
                if part.tag == "clear":
                    seen.clear()
                earlier = seen.pop(name, None) if name else None
                if part.tag != "add" or not name:
                    continue
                seen[name] = part
                if earlier is not None and earlier.span != part.span:
                    yield _twice(section, key, earlier, part)


def _twice(section: str, key: str, earlier: Element, later: Element) -> Finding:
    name = earlier.attributes[key]
    if section == "connectionStrings":
        return finding("settings-twice/connection", later.span, name=name, where=earlier.span)
    is_same = earlier.attributes.get("value") == later.attributes.get("value")
    return finding(
        f"settings-twice{'/same' if is_same else ''}",
        earlier.span,
        severity="info" if is_same else "",
        name=name,
        where=later.span,
    )


#: A folder of Linux.
_UNIX = re.compile(r"/(?:home|usr|opt|var|app|srv|mnt|root)(?:/[^;:]*)?")


def _entries(file: ConfigFile) -> Iterator[Finding]:
    """Settings without a name, and folders of Linux as PYTHONPATH."""
    if file.root is None:
        return
    for section, key in (("appSettings", "key"), ("environmentVariables", "name")):
        for group in file.root.iter(section):
            for add in group.children:
                name, value = add.attributes.get(key), add.attributes.get("value", "")
                if section == "appSettings" and add.tag == "add" and name == "":
                    yield finding("settings-key/empty", add.span, severity="warning", value=value)
                elif (name or "").upper() == "PYTHONPATH" and (unix := _UNIX.match(value)):
                    yield finding("settings-pythonpath-colon/unix", add.span, value=unix[0])
