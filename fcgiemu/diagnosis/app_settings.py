"""appSettings: files and modules that do not exist, variables that stay as they are, blanks, and
secrets.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..config.file import ConfigFile
from ..files import read_text
from ..hosting import WINDOWS_ROOT
from ..modules import handlers
from ..programs.windows_paths import is_ours, path_pairs
from ..site import Site
from ..worker import paths
from . import named_application
from .handler_names import (
    likely_handler,
    meant,
    module_file,
    near_module,
    near_name,
    settings_module,
)
from .import_errors import folder_with
from .import_time import line_that_serves
from .remedies import folder_of_the_site

_SECRET_NAME = re.compile(
    r"(?i)(secret|password|passwd|pwd|[_-]pass\b|api_?key|access_?key|private_?key|token)(?!.*(?:"
    r"expir\w*|ur[il]|issuer|name|length|timeout|path|file|endpoint|audience|policy|enabled|lifetime|type|"
    r"header|field|minutes|hours|days)$)"
)
_SECRET_TEXT = re.compile(
    r"(?i)(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*([^;\"']{3,})|://[^/:@\s]*:([^@/\s]{2,})@"
)
#: Secrets by their shape: keys of services, and long texts of Base64 as nobody writes them.
_SECRET_SHAPE = re.compile(
    r"(?:gh[pousr]_|github_pat_|sk_live_|rk_live_|xox[abpsr]-|SG\.|AIza|AKIA|glpat-|eyJ[\w-]+\.eyJ)"
    r"[\w./+=-]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY|[A-Za-z0-9+/]{42,}={1,2}"
)
#: Values that only stand for a secret.
_PLACEHOLDER = re.compile(
    r"(?i)|[<{\[#%@].*|\$[({].*|.*[>}\]#%]|_+[a-z0-9_]+_+|x{3,}|\*{3,}|change[-_"
    r" ]?(?:me|this|it).*|"
    r"your[-_ ].*|(?:paste|put|enter)[-_ ].*|.*[-_ ]here|replace[-_ ].*|insert[-_ ].*|set[-_"
    r" ].*|todo|example|placeholder.*|dummy|none|null|"
    r"true|false|\d{1,4}|https?://[^@]*"
)
#: Settings of wfastcgi that hold no secret although their names sound so.
_NO_SECRETS = frozenset({"wsgi_ptvsd_secret"})


def findings(site: Site) -> Iterator[Finding]:
    """Findings about appSettings and connectionStrings of every application."""
    for application in site.layout.applications:
        found = site.app_settings(application)
        for name, (value, span) in found.items():
            yield from _value(site, application, name, value, span)
        yield from _modules(site, application, found)
        yield from _worker(site, application, found)
        yield from _portal(site, found)
    roots = {application.url.strip("/").lower() for application in site.layout.applications}
    for file in site.tree.files():
        yield from _secrets(file)
        yield from _entries(file)
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
                    meant=part.strip(),
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
        yield finding("settings-pythonpath-colon", span, value=value)
        return
    if re.search(r"(?i)[,|]\s*(?:[a-z]:\\|%|\.[\\/])", value):
        yield finding("settings-pythonpath-colon/comma", span, value=value)
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


def has_python(application: Application, others: Collection[Path] = ()) -> bool:
    """Whether the folder holds an application at all, and not its web.config alone; what lies in
    the folders of ``others`` does not count.
    """
    files = chain(*map(application.path.glob, ("*.py", "*/*.py", "*/*/__init__.py")))
    return any(not any(map(file.is_relative_to, others)) for file in files)


def _made_later(site: Site, local: str) -> bool:
    """What a deployment makes: the environment, logs."""
    relative = os.path.relpath(local, site.path).split(os.sep)
    return relative[0].lower() in ("env", "venv", ".venv", ".fcgiemu", "antenv")


def _modules(
    site: Site, application: Application, found: dict[str, tuple[str, Span]]
) -> Iterator[Finding]:
    folders = _import_folders(site, application, found)
    for name in ("WSGI_HANDLER", "WSGI_ALT_VIRTUALENV_HANDLER", "DJANGO_SETTINGS_MODULE"):
        if name not in found:
            continue
        value, span = found[name]
        if name != "DJANGO_SETTINGS_MODULE":
            if wrong := _handler_name(name, value, span, application.path):
                yield wrong
                continue
        elif re.search(r"[\\/]|\.py$", value):
            plain = re.sub(r"[\\/]+", ".", value.removesuffix(".py")).strip(".")
            yield finding(
                "settings-handler-name/settings", span, name=name, value=value, meant=plain
            )
            continue
        first, *parts = value.split(".")
        inner = parts if name == "DJANGO_SETTINGS_MODULE" else parts[:-1]
        if (
            has_python(application)
            and inner
            and (missing := _missing_part(folders, [first, *inner]))
        ):
            near = near_module(application.path, value, len(parts) - len(inner))
            is_wsgi = missing.endswith("/wsgi.py")
            settings = settings_module(application.path) if is_wsgi else ""
            place = folder_with(application.path, ".".join([first, *inner]))
            form = "path" if place else "near" if near else "django" if settings else ""
            form = f"part-{form}" if form else "part"
            yield finding(
                f"settings-missing-module/{form}",
                span,
                name=name,
                value=value,
                missing=missing,
                near=near,
                settings=settings,
                folder=place.get("folder", ""),
                path=place.get("value", ""),
            )
        elif name == "WSGI_HANDLER" and (
            own := _own_file(value.rpartition(".")[0], application.path)
        ):
            yield from named_application.behind_wfastcgi(own, value, span)
            line = line_that_serves(own)
            if line is not None:
                file = os.path.relpath(own, application.path)
                yield finding("settings-server-at-import", span, file=file, line=line)
            if near := _near_attribute(application, value):
                yield _missing_attribute(name, value, near, span)
        elif name != "DJANGO_SETTINGS_MODULE" and (near := _near_attribute(application, value)):
            yield _missing_attribute(name, value, near, span)
        elif has_python(application) and first.isidentifier() and not _importable(folders, first):
            near = near_module(application.path, value, len(parts) - len(inner))
            place = folder_with(application.path, first)
            form = "path" if place else "near" if near else "module"
            yield finding(
                f"settings-missing-module/{form}",
                span,
                name=name,
                value=value,
                missing=first,
                near=near,
                folder=place.get("folder", ""),
                path=place.get("value", ""),
            )


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
        form = "/near" if name else ""
        yield finding(f"settings-no-handler{form}", place, name=name, likely=likely)
    yield from _misspelt(site, application, found, handler)
    if named_django(found) and not site.worker_setting("DJANGO_SETTINGS_MODULE", application):
        value, place = found["WSGI_HANDLER"]
        yield finding("settings-no-django", place, value=value)
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


def _handler_name(name: str, value: str, span: Span, folder: Path) -> Finding | None:
    """What is wrong with the dotted name of a handler, if anything."""
    if value != value.strip():
        return finding(
            "settings-handler-name/blank", span, name=name, value=value, meant=value.strip()
        )
    if called := re.fullmatch(r"([\w.]+)\.(\w+)\(\)", value):
        file = _own_file(called[1], folder)
        text = read_text(file) if file is not None else ""
        if re.search(rf"^{called[2]}\s*(?::[^=\n]+)?=[^=]", text, re.MULTILINE):
            plain = value.removesuffix("()")
            return finding("settings-handler-name/call", span, name=name, value=value, meant=plain)
        return None
    module, _, function = value.rpartition(".")
    if value in _PACKAGED_FACTORIES:
        return finding(
            "settings-handler-name/factory", span, name=name, value=value, meant=f"{value}()"
        )
    file = _own_file(module, folder) if re.fullmatch(r"[\w.]+", module) else None
    text = read_text(file) if file is not None else ""
    if re.search(rf"^def {re.escape(function)}\(\s*\)", text, re.MULTILINE):
        return finding(
            "settings-handler-name/factory", span, name=name, value=value, meant=f"{value}()"
        )
    form = (
        "file"
        if re.search(r"[\\/]|\.py$", value)
        else "colon"
        if ":" in value
        else ""
        if "." in value
        else "dot"
    )
    if not form:
        return None
    code = f"settings-handler-name/{form}"
    return finding(code, span, name=name, value=value, meant=meant(value, folder))


def _missing_attribute(name: str, value: str, near: str, span: Span | None) -> Finding:
    return finding(
        "settings-missing-module/attribute",
        span,
        name=name,
        value=value,
        missing=value.rpartition(".")[2],
        near=near,
    )


def _near_attribute(application: Application, value: str) -> str:
    """The handler that is meant by one whose module is there and has nothing of its name; ""
    where the name may be there, or none is near.
    """
    module, _, attribute = value.rpartition(".")
    file = _own_file(module, application.path) if module else None
    if file is None or not attribute.isidentifier():
        return ""
    text = read_text(file)
    if re.search(rf"\b{attribute}\b|import \*", text):
        return ""
    near = near_name(file, attribute)
    return f"{module}.{near}" if near else ""


def _own_file(module: str, folder: Path) -> Path | None:
    """The file of a module of the site, where the whole of the name is one."""
    file = module_file(module, folder)
    place = folder / module.replace(".", "/")
    return file if file in (Path(f"{place}.py"), place / "__init__.py") else None


def _is_there(module: Path) -> bool:
    """Whether there is a file of this name, with any ending."""
    try:
        names = os.listdir(module.parent)
    except (OSError, ValueError):
        return False
    return any(name.startswith(f"{module.name}.") for name in names)


def _missing_part(folders: list[Path], modules: list[str]) -> str:
    """The file that should hold a module where the packages above it lie in one of ``folders``, and
    the last of them has nothing of that name. As for Python, a package with an __init__.py comes
    before folders without.
    """
    first = modules[0]
    holders = [folder for folder in folders if os.path.isfile(folder / first / "__init__.py")][:1]
    holders = holders or [folder for folder in folders if os.path.isdir(folder / first)]
    if any(_is_there(folder / first) for folder in folders):
        return ""
    missing = [_lacking(folder, modules) for folder in holders]
    return missing[0] if missing and all(missing) else ""


def _lacking(folder: Path, modules: list[str]) -> str:
    for place, part in enumerate(modules):
        if not part.isidentifier() or _is_there(folder / part):
            return ""
        if not os.path.isdir(folder / part):
            inside = folder / "__init__.py"
            is_known = os.path.isfile(inside) and part in read_text(inside)
            return "" if is_known or not place else "/".join((*modules[:place], f"{part}.py"))
        folder = folder / part
    return ""


#: Functions of packages that make an application, and have no arguments.
_PACKAGED_FACTORIES = frozenset(
    {
        "django.core.wsgi.get_wsgi_application",
        "ptvs_virtualenv_proxy.get_virtualenv_handler",
        "ptvs_virtualenv_proxy.get_venv_handler",
    }
)
#: Modules that sites name and that come from packages or from the worker.
_FROM_PACKAGES = frozenset({"ptvs_virtualenv_proxy", "django", "flask", "bottle", "wfastcgi"})


def _importable(folders: list[Path], module: str) -> bool:
    return module in _FROM_PACKAGES or any(
        os.path.isdir(folder / module) or _is_there(folder / module) for folder in folders
    )


def _import_folders(
    site: Site, application: Application, found: dict[str, tuple[str, Span]]
) -> list[Path]:
    """The folders in which Python looks for the modules of an application, those of its own."""
    folders = [application.path]
    for name, (value, _) in found.items():
        if name.lower() == "pythonpath":
            for part in filter(None, (part.strip() for part in value.split(";"))):
                text = re.sub(r"(?i)%HOME%", r"D:\\home", part)
                local = (
                    paths.map_path(text, path_pairs(site))
                    if paths.is_windows(text)
                    else paths.below(str(application.path), text)
                )
                folders += [Path(local)] if local else []
    folders += application.path.glob("env/lib/python*/site-packages")
    return folders


def _unread(file: ConfigFile) -> Iterator[Finding]:
    """A handler that is named in the web.config of a folder which is not an application."""
    for settings in file.root.iter("appSettings") if file.root is not None else ():
        for add in settings.children:
            if add.attributes.get("key", "").upper() == "WSGI_HANDLER":
                url = f"/{file.directory.strip('/')}"
                yield finding("settings-not-application", add.span, url=url)


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


def _secrets(file: ConfigFile) -> Iterator[Finding]:
    if file.root is None:
        return
    for section, key, value_name in (
        ("appSettings", "key", "value"),
        ("connectionStrings", "name", "connectionString"),
        ("environmentVariables", "name", "value"),
    ):
        for group in file.root.iter(section):
            for add in group.children:
                name, value = add.attributes.get(key, ""), add.attributes.get(value_name, "")
                inside = _SECRET_TEXT.search(value)
                named = (
                    _SECRET_NAME.search(name)
                    and name.lower() not in _NO_SECRETS
                    and not paths.is_windows(value)
                )
                shaped = _SECRET_SHAPE.match(value.strip())
                secret = (inside[1] or inside[2]) if inside else ""
                secret = secret or (value.strip() if named or shaped else "")
                is_sentence = inside is None and len(secret.split()) > 2
                if secret and not is_sentence and not _PLACEHOLDER.fullmatch(secret):
                    yield finding("settings-secret", add.span, name=name)
