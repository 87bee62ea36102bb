"""Who the users of a site are, and what would keep it from knowing: ways of authentication whose
module the server lacks, and code that trusts what nobody has checked or what stays empty.

Code is read as Python, no further than for texts that are the names of headers and variables:
comments and sentences do not count.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from ..app_service.easy_auth import is_settings
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..config.merge import Node
from ..config.tree import Effective
from ..files import UNWATCHED, read_bounded
from ..modules import authentication, handlers, loaded_modules
from ..report.profile_support import MODULES
from ..site import Site

_GROUP = "system.webServer/"
_AUTHENTICATION = "security/authentication/"
#: Files of Python that are read in one site, and the bytes of each.
MAX_FILES, MAX_BYTES = 1000, 1 << 19
#: Names of headers that App Service authentication sets, as code asks for them.
_PRINCIPAL = re.compile(
    r"(?:HTTP_)?X[-_]MS[-_](?:CLIENT[-_]PRINCIPAL(?:[-_](?:ID|NAME|IDP))?|TOKEN[-_][A-Z][-_A-Z]*)",
    re.IGNORECASE,
)
_WORTH_PARSING = re.compile(rb"(?i)X[-_]MS[-_]|RemoteUserMiddleware|_USER")
_USER = frozenset({"REMOTE_USER", "LOGON_USER", "AUTH_USER"})
#: Django's middlewares that sign in whom REMOTE_USER names.
_MIDDLEWARES = frozenset(
    f"django.contrib.auth.middleware.{name}RemoteUserMiddleware" for name in ("", "Persistent")
)


def findings(site: Site, files: Iterable[ConfigFile]) -> Iterator[Finding]:
    """Findings about a site as a whole; ``files`` are its web.config files."""
    places = ["/"]
    for file in files:
        root = file.directory or "/"
        places += [root, *(f"{file.directory}/{place}" for place in file.locations)]
    for effective in {id(found): found for found in map(site.effective, places)}.values():
        yield from _absent(site, effective)
    yield from _code(site)


# -- modules ---------------------------------------------------------------------------------------


def _absent(site: Site, effective: Effective) -> Iterator[Finding]:
    """Ways of authentication that are enabled and whose module is a feature that the server
    lacks.
    """
    present = {item.text("name") for item in effective.section(loaded_modules.SECTION).items}
    for name, module in MODULES.items():
        feature = site.profile.lacking.get(module)
        if not name.startswith(_AUTHENTICATION) or feature is None or module in present:
            continue
        section = effective.section(_GROUP + name)
        if section.flag("enabled") and section.span is not None and not _is_shipped(section):
            form = "open" if effective.view(authentication.methods).anonymous else "closed"
            yield finding(
                f"auth-module-missing/{form}",
                section.span,
                element=name.removeprefix(_AUTHENTICATION),
                module=module,
                profile=site.profile.name,
                install=f"Install it there (Install-WindowsFeature {feature})"
                if feature
                else "Do without it",
            )


def _is_shipped(section: Node) -> bool:
    return section.file is not None and section.file.is_shipped


# -- code ------------------------------------------------------------------------------------------


def _code(site: Site) -> Iterator[Finding]:
    """Names of headers and variables in the code that promise more than they hold; one finding of
    a kind.
    """
    looked_for = dict(_looked_for(site))
    for path in _sources(site) if looked_for else ():
        for text, line, column in _texts(path):
            for code in [code for code, fits in looked_for.items() if fits(text)]:
                del looked_for[code]
                span = Span(path.relative_to(site.path).as_posix(), line, column)
                yield finding(code, span, name=text.rpartition(".")[2])


def _looked_for(site: Site) -> Iterator[tuple[str, Callable[[str], object]]]:
    """The kinds of findings that the configuration leaves possible, and the texts that make
    them.
    """
    effective = site.effective("/")
    methods = effective.view(authentication.methods)
    if not _signs_in(site):
        yield "auth-spoofable-principal", _PRINCIPAL.fullmatch
        if methods.anonymous:
            yield "auth-remote-user-empty", _MIDDLEWARES.__contains__
    if methods.windows and _behind_platform(effective):
        yield "auth-windows-token", _USER.__contains__


def _signs_in(site: Site) -> bool:
    """Whether App Service authentication is configured: by an option, an app setting, or the file
    that the site holds for it.
    """
    if site.settings.easy_auth is not None:
        return True
    given = {setting.name.upper(): setting.value.lower() for setting in site.settings.app_settings}
    if given.get("WEBSITE_AUTH_ENABLED") == "true":
        return True
    return any(is_settings(path) for path in site.path.glob("*auth*.json"))


def _behind_platform(effective: Effective) -> bool:
    """Whether a process of httpPlatform answers."""
    return any(
        "httpPlatformHandler" in handler.modules
        for handler, _ in effective.view(handlers.table).entries
    )


def _sources(site: Site) -> Iterator[Path]:
    """The files of Python of the site's own, MAX_FILES at most."""
    return islice(_walked(site.path), MAX_FILES)


def _walked(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(
            name
            for name in names
            if name.lower() not in UNWATCHED | {"tests", "site-packages"}
            and name[0] != "."
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for file in sorted(files):
            if file.endswith(".py") and not file.startswith("test_"):
                yield Path(folder, file)


def _texts(path: Path) -> Iterator[tuple[str, int, int]]:
    """The texts of a file with their lines and columns; nothing of one that is not Python of this
    version.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            return
        data = read_bounded(path)
        if not _WORTH_PARSING.search(data):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno, node.col_offset + 1
