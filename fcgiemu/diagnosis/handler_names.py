"""What people write in WSGI_HANDLER, and the dotted name that they mean."""

from __future__ import annotations

import difflib
import os
import re
from keyword import iskeyword
from pathlib import Path

from ..files import read_text
from ..worker import paths

#: Names that applications have, the likeliest first.
_NAMES = ("application", "app", "wsgi_app", "server", "wsgi", "api")
_FACTORIES = ("create_app", "make_app", "get_app", "get_wsgi_application")
_PROXY = "ptvs_virtualenv_proxy"
#: The application of a folder that nothing is known of.
UNKNOWN = "module.application"


def meant(text: str, folder: Path) -> str:
    """The name to write for one that wfastcgi cannot use: a file name, one with a colon or a
    slash, one without a dot. What lies in ``folder``, the application's, says the rest.
    """
    name = _dotted(text.strip().strip("\"'"), folder)
    if name == _PROXY:
        return f"{_PROXY}.get_venv_handler()"
    if file := _file_of(name, folder):
        return f"{name}.{application_in(file)}"
    if "." in name:
        return name
    likely = _owner(name, folder) or likely_handler(folder)
    return likely if likely != UNKNOWN else f"{name or 'app'}.app"


def _owner(name: str, folder: Path) -> str:
    """The dotted name of an application that a module of the site calls so; "" where none does."""
    for file in sorted(folder.glob("*.py")) if name.isidentifier() else ():
        text = read_text(file) if os.path.isfile(file) else ""
        if re.search(rf"^{name}\s*(?::[^=\n]+)?=[^=]|^def {name}\(", text, re.MULTILINE):
            return f"{file.stem}.{name}"
    return ""


def _dotted(text: str, folder: Path) -> str:
    if paths.is_windows(text) or text.startswith("/"):
        names = re.split(r"[\\/]", text)
        # As many of the last names as there are here; an absolute path says nothing else.
        text = next(
            (
                "/".join(names[start:])
                for start in range(1, len(names))
                if os.path.exists(folder / "/".join(names[start:]))
            ),
            names[-1],
        )
    text = re.sub(r"\.py(?=$|:|\()", "", text)
    return re.sub(r"[\\/:]+", ".", text).strip(".")


def _file_of(name: str, folder: Path) -> Path | None:
    """The file of a module, where the whole of ``name`` is one."""
    path = folder / name.replace(".", "/")
    return next(
        (file for file in (Path(f"{path}.py"), path / "__init__.py") if os.path.isfile(file)),
        None,
    )


def application_in(file: Path, otherwise: str = "app") -> str:
    """What the application in a module is likely called; a factory with its ()."""
    try:
        text = read_text(file)
    except OSError:
        return otherwise
    for name in _NAMES:
        if re.search(rf"^{name}\s*(?::[^=\n]+)?=[^=]|^def {name}\(", text, re.MULTILINE):
            return name
    for name in _FACTORIES:
        if re.search(rf"^def {name}\(", text, re.MULTILINE):
            return f"{name}()"
    return otherwise


def likely_handler(folder: Path) -> str:
    """What WSGI_HANDLER may name in a folder without one: the application of a module that is
    called as such modules are; "module.application" where there is none.
    """
    for pattern in ("*/wsgi.py", "wsgi.py", "app.py", "application.py", "main.py", "*.py"):
        for file in sorted(folder.glob(pattern)):
            name = application_in(file, "")
            if name and file.name != "manage.py":
                module = file.relative_to(folder).with_suffix("")
                return f"{'.'.join(module.parts)}.{name}"
    return UNKNOWN


def near_name(file: Path, name: str) -> str:
    """What a module has at its left margin in the place of ``name``: an almost equal name, else
    the application; "" where it has neither.
    """
    try:
        text = read_text(file)
    except OSError:
        return ""
    found = re.findall(
        r"^(?:(?:def|class) +)([A-Za-z_]\w*)|^([A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=(?!=)",
        text,
        re.MULTILINE,
    )
    names = [one for one in map("".join, found) if not iskeyword(one)]
    close = difflib.get_close_matches(name, names, 1, 0.7)
    if close:
        return close[0]
    likely = application_in(file)
    return likely if likely.removesuffix("()") in names else ""


def near_module(folder: Path, name: str, attributes: int = 0) -> str:
    """A dotted name with each module that is not there replaced by the module of the site whose
    name is nearest; "" where one has no near name, or all are there. The last ``attributes`` parts
    are none of modules.
    """
    parts = name.split(".")
    modules = parts[: len(parts) - attributes]
    for place, part in enumerate(modules):
        known = _modules(folder)
        if part not in known and not os.path.isdir(folder / part):
            near = _nearest(part, known)
            if not near:
                return ""
            modules[place] = near
        folder = folder / modules[place]
    found = ".".join((*modules, *parts[len(modules) :]))
    return found if found != name else ""


def _nearest(name: str, known: list[str]) -> str:
    """The same name in another case, one of which it is the beginning or that is its own (prod for
    production), or an almost equal one; "" where there is none.
    """
    for one in known:
        if one.lower() == name.lower():
            return one
    for one in known:
        if len(one) > 2 and (one.startswith(name) or name.startswith(one)):
            return one
    return "".join(difflib.get_close_matches(name, known, 1))


def missing_part(folder: Path, name: str) -> tuple[str, str] | None:
    """The deepest package of the site that a dotted name of a module leads to, and what it lacks;
    None where the first part is not one of its packages, or nothing is lacking.
    """
    parts = name.split(".")
    for place, part in enumerate(parts):
        if os.path.isfile(folder / f"{part}.py"):
            return None
        if not os.path.isdir(folder / part):
            return ("/".join(parts[:place]), ".".join(parts[place:])) if place else None
        folder = folder / part
    return None


def settings_module(folder: Path) -> str:
    """The settings module that manage.py of a Django project names; "" where it names none."""
    try:
        text = read_text(folder / "manage.py")
    except OSError:
        return ""
    found = re.search(r"""DJANGO_SETTINGS_MODULE['"]\]?\s*[,=]\s*['"]([\w.]+)['"]""", text)
    return found[1] if found else ""


def _modules(folder: Path) -> list[str]:
    """The modules and packages in a folder; what keeps nothing but other modules is one as well."""
    found = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    found += [path.parent.name for path in folder.glob("*/*.py")]
    return list(dict.fromkeys(found))


def module_file(name: str, folder: Path) -> Path | None:
    """The file of the module that a handler's name begins with; None where it is not one of the
    site's own folder.
    """
    parts = re.split(r"[.(]", name)
    for count in range(len(parts), 0, -1):
        if file := _file_of(".".join(parts[:count]), folder):
            return file
    return None
