"""What people write in WSGI_HANDLER, and the dotted name that they mean."""

from __future__ import annotations

import difflib
import re
from keyword import iskeyword
from pathlib import Path

from ..worker import paths

#: Names that applications have, the likeliest first.
_NAMES = ("application", "app", "wsgi_app", "server", "wsgi", "api")
_FACTORIES = ("create_app", "make_app", "get_app", "get_wsgi_application")
_PROXY = "ptvs_virtualenv_proxy"


def meant(text: str, folder: Path) -> str:
    """The name to write for one that wfastcgi cannot use: a file name, one with a colon or a
    slash, one without a dot. What lies in ``folder``, the application's, says the rest.
    """
    name = _dotted(text.strip().strip("\"'"), folder)
    if name == _PROXY:
        return f"{_PROXY}.get_venv_handler()"
    if file := _file_of(name, folder):
        return f"{name}.{application_in(file)}"
    return name if "." in name else f"{name or 'app'}.app"


def _dotted(text: str, folder: Path) -> str:
    if paths.is_windows(text) or text.startswith("/"):
        names = re.split(r"[\\/]", text)
        # As many of the last names as there are here; an absolute path says nothing else.
        text = next(
            (
                "/".join(names[start:])
                for start in range(1, len(names))
                if (folder / "/".join(names[start:])).exists()
            ),
            names[-1],
        )
    text = re.sub(r"\.py(?=$|:|\()", "", text)
    return re.sub(r"[\\/:]+", ".", text).strip(".")


def _file_of(name: str, folder: Path) -> Path | None:
    """The file of a module, where the whole of ``name`` is one."""
    path = folder / name.replace(".", "/")
    return next(
        (
            file
            for file in (path.with_name(f"{path.name}.py"), path / "__init__.py")
            if file.is_file()
        ),
        None,
    )


def application_in(file: Path) -> str:
    """What the application in a module is likely called; a factory with its ()."""
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return "app"
    for name in _NAMES:
        if re.search(rf"^{name}\s*(?::[^=\n]+)?=[^=]|^def {name}\(", text, re.MULTILINE):
            return name
    for name in _FACTORIES:
        if re.search(rf"^def {name}\(", text, re.MULTILINE):
            return f"{name}()"
    return "app"


def near_name(file: Path, name: str) -> str:
    """What a module has at its left margin in the place of ``name``: an almost equal name, else
    the application; "" where it has neither.
    """
    try:
        text = file.read_text("utf-8", "replace")
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


def module_file(name: str, folder: Path) -> Path | None:
    """The file of the module that a handler's name begins with; None where it is not one of the
    site's own folder.
    """
    parts = re.split(r"[.(]", name)
    for count in range(len(parts), 0, -1):
        if file := _file_of(".".join(parts[:count]), folder):
            return file
    return None
