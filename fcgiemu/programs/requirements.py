"""What a site says that it needs: requirements.txt with the files that it includes, and
pyproject.toml, in its own folder or in one above.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .environments import folders_up

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
#: Packages whose modules are called as they are, and that are none of a site's own.
_SAME_NAME = frozenset(
    "flask django bottle dash fastapi starlette uvicorn hypercorn waitress tornado pyramid falcon"
    " cherrypy werkzeug jinja2 sqlalchemy requests httpx numpy pandas plotly streamlit whitenoise"
    " pyodbc pymysql psycopg redis celery a2wsgi wfastcgi gevent eventlet".split()
)
#: Packages that pip can install on Windows only: they, or what they need, have no other wheels.
_WINDOWS_ONLY = frozenset(
    "pywin32 pypiwin32 pywinpty winshell wmi windows-curses pywinauto twisted-iocpsupport winsdk"
    " winrt-runtime wexpect pywinusb infi-systray win10toast winpty".split()
)
#: A file of a Windows machine: ``six @ file:///C:/ci/six_1``, ``C:\\wheels\\x.whl``, a wheel.
_OF_WINDOWS = re.compile(
    r"(?i)(?:@\s*|^)(?:file:/*[a-z](?::|%3a)[\\/]|[a-z]:[\\/])|-win(?:32|_amd64|_arm64)\.whl"
)
_MARKED = re.compile(r";.*\b(?:sys_platform|platform_system|os_name|sys\.platform|os\.name)\b")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(\S+)")
#: Files of requirements, in the order in which they are asked.
_FILES = ("requirements.txt", "requirements/*.txt", "requirements-*.txt", "requirements_*.txt")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that requires packages: what it is called in a sentence, and its arguments for pip."""

    file: Path
    name: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of ``pip install`` that install everything it requires."""
        if self.file.name == "pyproject.toml":
            return (str(self.file.parent),)
        return "-r", str(self.file)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package that is required, as ``text`` writes it, and by which file."""

    name: str
    text: str
    source: Source


def package_of(folder: Path, module: str) -> Requirement | None:
    """The required package that brings a module; None where none does."""
    wanted = {folded(module), folded(_PACKAGES.get(module.lower(), module))}
    return next((found for found in required(folder) if folded(found.name) in wanted), None)


def package_named(module: str) -> str | None:
    """The package that brings a well-known module; None for any other."""
    first = module.partition(".")[0].lower()
    return _PACKAGES.get(first) or (first if first in _SAME_NAME else None)


def required(folder: Path) -> Iterator[Requirement]:
    """Everything that the site in a folder requires."""
    for place in folders_up(folder):
        for pattern in _FILES:
            for file in sorted(place.glob(pattern)):
                source = Source(file, os.path.relpath(file, place))
                for name, text in _listed(place, source.name, set()):
                    yield Requirement(name, text, source)
        project = Source(place / "pyproject.toml", "pyproject.toml")
        for name, text in _of_project(project.file):
            yield Requirement(name, text, project)


def source_of(folder: Path) -> Source | None:
    """The first file of a site that requires anything."""
    return next((found.source for found in required(folder)), None)


def windows_only(folder: Path) -> list[Requirement]:
    """What is required and cannot be installed but on Windows, each once; what a marker keeps to
    Windows does not count.
    """
    found = {
        folded(requirement.name): requirement
        for requirement in required(folder)
        if not _MARKED.search(requirement.text) and _is_of_windows(requirement)
    }
    return list(found.values())


def remedy_of(requirement: Requirement) -> str:
    """What to write for a requirement that is for Windows only."""
    if _OF_WINDOWS.search(requirement.text):
        return f"write {requirement.name} alone, with a version if you need one"
    return f'write {requirement.text}; sys_platform == "win32"'


def _is_of_windows(requirement: Requirement) -> bool:
    return folded(requirement.name) in _WINDOWS_ONLY or bool(_OF_WINDOWS.search(requirement.text))


def folded(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _listed(folder: Path, file: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """The (name, line) pairs of a file of requirements and of those it includes."""
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
            yield name[0], line.strip()


def _of_project(file: Path) -> Iterator[tuple[str, str]]:
    try:
        whole = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return
    project = whole.get("project")
    given = project.get("dependencies", []) if isinstance(project, dict) else []
    for text in given if isinstance(given, list) else ():
        name = _NAME.match(str(text).strip())
        if name:
            yield name[0], str(text).strip()
    tool = whole.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    table = poetry.get("dependencies") if isinstance(poetry, dict) else None
    for key in table if isinstance(table, dict) else ():
        if key != "python":
            yield key, key
