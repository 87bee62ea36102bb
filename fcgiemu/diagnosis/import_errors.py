"""Modules of the site that Python does not find, or finds in the place of others."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from ..applications import Application
from ..catalogue import finding
from ..catalogue.findings import Finding
from ..programs.interpreters import Program
from ..programs.requirements import package_named, package_of
from .handler_names import missing_part, module_file, near_module, near_name, settings_module

#: How deep in the site a module is looked for that Python does not find.
_DEPTH = 3


def shadowed(text: str, of_worker: bool, application: Application) -> Iterator[Finding]:
    """A module of the site that is called as one of Python's own or as a package: whichever is
    loaded first hides the other. ``text`` is an error text.
    """
    match = re.search(
        r"(?:module|from|partially initialized module) '(\w+)'? (?:has no attribute|\()"
        r"|'(\w+)' is not a package",
        text,
    )
    name = (match[1] or match[2]) if match else ""
    if match is None:
        return
    files = [file for file in (f"{name}.py", f"{name}/") if os.path.exists(application.path / file)]
    if not files:
        return
    form = "hidden" if of_worker or match[2] is not None else "hides"
    if name not in sys.stdlib_module_names:
        if package_named(name) is None and package_of(application.path, name) is None:
            return
        form = "package"
    yield finding(f"error-shadowed-module/{form}", None, file=files[0], name=name)


def hidden_module(
    application: Application, package: str, name: str, program: Program | None
) -> Iterator[Finding]:
    """That ``package`` has no ``name`` although there is such a module: its import has failed, and
    the resolver has moved on. Or that there is none in a package of the site.
    """
    file = module_file(f"{package}.{name}", application.path)
    if file is None:
        yield from _part(application, f"{package}.{name}")
    if file is None or program is None:
        return
    if file.name == "__init__.py" and file.parent.name == package.rpartition(".")[2]:
        yield from _part(application, f"{package}.{name}")
    elif name in (file.stem, file.parent.name):
        place = shlex.quote(str(application.path))
        yield finding(
            "error-hidden-import",
            None,
            file=os.path.relpath(file, application.path),
            command=f"cd {place} && {shlex.quote(program.path)} -c 'import {package}.{name}'",
        )


def _part(application: Application, dotted: str) -> Iterator[Finding]:
    """That a package of the site lacks a module, or is only a folder that the package lies in."""
    if place := folder_with(application.path, dotted):
        yield _elsewhere(dotted, place)
        return
    lacking = missing_part(application.path, dotted)
    if lacking is None:
        return
    folder, name = lacking
    near = near_module(application.path, dotted)
    settings = settings_module(application.path) if name == "wsgi" else ""
    form = "part-near" if near else "part-django" if settings else "part"
    code = f"error-module-elsewhere/{form}"
    yield finding(code, None, folder=folder, name=name, near=near, settings=settings)


def misspelled(application: Application, module: str, name: str) -> Iterator[Finding]:
    """That a module of the site has no ``name``, but an application or almost that name."""
    file = module_file(module, application.path)
    if file is None or module.rpartition(".")[2] not in (file.stem, file.parent.name):
        return
    near = near_name(file, name)
    if near:
        relative = os.path.relpath(file, application.path)
        yield finding(
            "error-no-attribute/near", None, module=module, name=name, file=relative, near=near
        )


def misnamed(application: Application, module: str, name: str) -> Iterator[Finding]:
    """The near name of a module that a server's command names, or of the application in it."""
    if not name and (near := near_module(application.path, module)):
        yield finding("error-server-module/near", None, module=module, near=near)
    file = module_file(module, application.path) if name else None
    if file is not None and (near := near_name(file, name)):
        yield finding("error-server-attribute/near", None, module=module, name=name, near=near)


def elsewhere(application: Application, dotted: str) -> Iterator[Finding]:
    """A module that the site has by another spelling, or in a folder that is not on PYTHONPATH."""
    module, _, rest = dotted.partition(".")
    names = {entry.name.lower(): entry.name for entry in _entries(application.path)}
    for file in (f"{module}.py", module):
        spelled = names.get(file.lower())
        if spelled is not None and spelled != file:
            right = spelled.removesuffix(".py")
            yield finding("error-module-elsewhere/case", None, file=spelled, name=right)
    if rest and os.path.isdir(application.path / module):
        yield from _part(application, dotted)
        return
    near = near_module(application.path, dotted)
    if place := folder_with(application.path, module):
        yield _elsewhere(module, place)
    elif near:
        yield finding("error-module-elsewhere/near", None, name=dotted, near=near)


def _elsewhere(name: str, place: dict[str, str]) -> Finding:
    folder, value = place["folder"], place["value"]
    return finding("error-module-elsewhere/path", None, name=name, folder=folder, value=value)


def folder_with(application: Path, dotted: str) -> dict[str, str]:
    """The nearest folder of an application that holds a module or package: ``folder``, and
    ``value`` as PYTHONPATH has it; nothing where there is none.
    """
    found = next(_folders_with(application, dotted.replace(".", "/")), None)
    if found is None:
        return {}
    relative = os.path.relpath(found, application)
    return {"folder": relative, "value": ".\\" + relative.replace("/", "\\")}


def _folders_with(folder: Path, module: str, depth: int = _DEPTH) -> Iterator[Path]:
    """Folders below one that hold a module or package, the nearest first; environments are left
    out.
    """
    below = [entry for entry in _entries(folder) if entry.is_dir() and not _is_left_out(entry)]
    for entry in below:
        if any(map(os.path.isfile, (entry / f"{module}.py", entry / module / "__init__.py"))):
            yield entry
    for entry in below if depth > 1 else ():
        yield from _folders_with(entry, module, depth - 1)


def _is_left_out(folder: Path) -> bool:
    name = folder.name
    return (
        name.startswith((".", "__")) or name == "node_modules" or (folder / "pyvenv.cfg").exists()
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
