"""What a site says that it needs: requirements.txt with the files that it includes, and
pyproject.toml.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

#: Packages whose modules are called otherwise.
_PACKAGES = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "flask_cors": "flask-cors",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "mysqldb": "mysqlclient",
    "pil": "pillow",
    "psycopg2": "psycopg2-binary",
    "rest_framework": "djangorestframework",
    "serial": "pyserial",
    "sklearn": "scikit-learn",
    "win32api": "pywin32",
    "yaml": "pyyaml",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(\S+)")


def package_of(folder: Path, module: str) -> tuple[str, str]:
    """The required package that brings a module, and the file that requires it; "" twice where none
    does.
    """
    wanted = {_folded(module), _folded(_PACKAGES.get(module.lower(), module))}
    for name, file in (*_listed(folder, "requirements.txt", set()), *_of_project(folder)):
        if _folded(name) in wanted:
            return name, file
    return "", ""


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _listed(folder: Path, file: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    if file in seen:
        return
    seen.add(file)
    try:
        lines = (folder / file).read_text("utf-8-sig", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        included = _INCLUDE.match(line.strip())
        name = _NAME.match(line.strip())
        if included:
            yield from _listed(
                folder, os.path.normpath(os.path.join(os.path.dirname(file), included[1])), seen
            )
        elif name:
            yield name[0], file


def _of_project(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8")).get("project", {})
        given = project.get("dependencies", [])
    except (OSError, ValueError, AttributeError):
        return
    for text in given if isinstance(given, list) else ():
        name = _NAME.match(str(text).strip())
        if name:
            yield name[0], "pyproject.toml"
