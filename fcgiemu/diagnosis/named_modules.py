"""Modules that appSettings name for wfastcgi and Django: whether the site has them, and what they
hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding, Span
from ..files import read_text
from ..programs.windows_paths import path_pairs
from ..site import Site
from ..worker import paths
from . import named_application
from .configuration_files import has_python
from .handler_names import (
    UNKNOWN,
    likely_handler,
    meant,
    module_file,
    near_module,
    near_name,
    settings_module,
)
from .import_errors import folder_with
from .import_time import line_that_serves


def findings(
    site: Site, application: Application, found: dict[str, tuple[str, Span]]
) -> Iterator[Finding]:
    """Findings about the modules that the settings of an application name, by the name of each
    setting: (value, place).
    """
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
            near = near or _moved(application, value if name != "DJANGO_SETTINGS_MODULE" else "")
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
            near = near or (_likely(application) if name == "WSGI_HANDLER" else "")
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


def _likely(application: Application) -> str:
    """The application that a site has under the usual name of one; "" where it has none."""
    likely = likely_handler(application.path)
    return "" if likely == UNKNOWN else likely


def _moved(application: Application, value: str) -> str:
    """A handler of the same module, in a folder above the one that is named; "" where there is
    none.
    """
    parts = value.split(".")
    shorter = (".".join(parts[start:]) for start in range(1, len(parts) - 1))
    return next((one for one in shorter if _own_file(one.rpartition(".")[0], application.path)), "")


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
    plain = re.sub(r"\.{2,}", ".", value.strip(".\"'"))
    if plain != value and re.fullmatch(r"\w+(?:\.\w+)+(?:\(\))?", plain):
        return finding("settings-handler-name/sign", span, name=name, value=value, meant=plain)
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
