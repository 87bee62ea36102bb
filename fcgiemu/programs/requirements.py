"""What a site says that it needs: requirements.txt with the files that it includes,
pyproject.toml, setup.cfg, setup.py, Pipfile or Conda's environment.yml, in its own folder or in one
above.
"""

from __future__ import annotations

import ast
import codecs
import configparser
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import read_bounded, read_text
from . import pyproject
from .environments import folders_up

#: Packages whose modules are called otherwise.
_PACKAGES = {
    "attr": "attrs",
    "allauth": "django-allauth",
    "bs4": "beautifulsoup4",
    "corsheaders": "django-cors-headers",
    "crispy_forms": "django-crispy-forms",
    "crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "debug_toolbar": "django-debug-toolbar",
    "decouple": "python-decouple",
    "django_extensions": "django-extensions",
    "django_filters": "django-filter",
    "dj_database_url": "dj-database-url",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "flask_cors": "flask-cors",
    "flask_login": "flask-login",
    "flask_migrate": "flask-migrate",
    "flask_sqlalchemy": "flask-sqlalchemy",
    "flask_wtf": "flask-wtf",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "mysqldb": "mysqlclient",
    "pil": "pillow",
    "psycopg2": "psycopg2-binary",
    "rest_framework": "djangorestframework",
    "serial": "pyserial",
    "sklearn": "scikit-learn",
    "storages": "django-storages",
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
#: A line of a requirements file that names a relative path: ``-e .``, ``./lib``,
#: ``shop @ file:lib``.
_PATH = re.compile(
    r"\s*(?:(?:-e|--editable)[\s=]+(?![\w+]+:|/)|\.{1,2}(?:[\\/\[\s]|$)|[^#]*\bfile:(?!/))"
)
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(\S+)")
#: Files of requirements, in the order in which they are asked.
_FILES = ("requirements.txt", "requirements/*.txt", "requirements-*.txt", "requirements_*.txt")


@dataclass(frozen=True, slots=True)
class RequirementsSource:
    """A file that requires packages: what it is called in a sentence, and its arguments for pip.
    ``listed`` are the packages one by one, where pip cannot read the file itself, or would build
    the project beside them.
    """

    file: Path
    name: str
    listed: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of ``pip install`` that install everything it requires; where some of that is
        for Windows only, what can be installed here.
        """
        if self.listed:
            return self.listed
        lines = list(_listed(self.file.parent, self.file.name, set()))
        if not any(_is_of_windows(name, text) for name, text in lines):
            return "-r", str(self.file)
        return tuple(
            name if _OF_WINDOWS.search(text) else re.split(r"\s+(?:#|--hash)", text)[0]
            for name, text in lines
            if folded(name) not in _WINDOWS_ONLY or _MARKED.search(text)
        )

    @property
    def folder(self) -> Path | None:
        """The folder in which pip has to be run, because the file names paths; None for any."""
        lines = [] if self.listed else _text(self.file).splitlines()
        return self.file.parent if any(map(_PATH.match, lines)) else None

    def on_the_server(self, folder: Path) -> str:
        """The same as words of cmd.exe where the site of ``folder`` is the current folder."""
        if self.listed:
            return " ".join(
                f'"{text}"' if re.search(r"[<>|&^ ]", text) else text for text in self.listed
            )
        file = os.path.relpath(self.file, folder).replace("/", "\\")
        return f'-r "{file}"' if " " in file else f"-r {file}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A package that is required, as ``text`` writes it, and by which file."""

    name: str
    text: str
    source: RequirementsSource


def package_of(folder: Path, module: str) -> Requirement | None:
    """The required package that brings a module; None where none does."""
    names = {folded(module), folded(_PACKAGES.get(module.lower(), module))}
    return next((found for found in required(folder) if folded(found.name) in names), None)


def package_named(module: str) -> str | None:
    """The package that brings a well-known module; None for any other."""
    first = module.partition(".")[0].lower()
    return _PACKAGES.get(first) or (first if first in _SAME_NAME else None)


def required(folder: Path) -> Iterator[Requirement]:
    """Everything that the site in a folder requires."""
    for place in folders_up(folder):
        for pattern in _FILES:
            for file in sorted(place.glob(pattern)):
                source = RequirementsSource(file, os.path.relpath(file, place))
                for name, text in _listed(place, source.name, set()):
                    yield Requirement(name, text, source)
        yield from _of_project(place / "pyproject.toml")
        for file_name, reads in (("setup.cfg", _of_setup_cfg), ("setup.py", _of_setup_py)):
            yield from _one_by_one(place / file_name, reads(place / file_name))
        yield from _one_by_one(place / "Pipfile", _of_pipfile(place / "Pipfile"))
        for file in (place / "environment.yml", place / "environment.yaml"):
            yield from _one_by_one(file, _of_conda(file))


def source_of(folder: Path) -> RequirementsSource | None:
    """The first file of a site that requires anything."""
    return next((found.source for found in required(folder)), None)


def windows_only(folder: Path) -> list[Requirement]:
    """What is required and cannot be installed but on Windows, each once; what a marker keeps to
    Windows does not count.
    """
    found = {
        folded(requirement.name): requirement
        for requirement in required(folder)
        if not _MARKED.search(requirement.text)
        and not is_of_conda(requirement.source)
        and _is_of_windows(requirement.name, requirement.text)
    }
    return list(found.values())


def is_of_conda(source: RequirementsSource) -> bool:
    """Whether a file is one that Conda makes an environment of."""
    return source.file.name in ("environment.yml", "environment.yaml")


def remedy_of(requirement: Requirement) -> str:
    """What to write for a requirement that is for Windows only."""
    if _OF_WINDOWS.search(requirement.text):
        return f"write {requirement.name} alone, with a version if you need one"
    return f'write {requirement.text}; sys_platform == "win32"'


def _is_of_windows(name: str, text: str) -> bool:
    return folded(name) in _WINDOWS_ONLY or bool(_OF_WINDOWS.search(text))


def folded(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _listed(folder: Path, file: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """The (name, line) pairs of a file of requirements and of those it includes."""
    if file in seen:
        return
    seen.add(file)
    try:
        data = read_bounded(folder / file)
    except OSError:
        return
    # PowerShell's ``pip freeze > requirements.txt`` writes UTF-16, which pip reads.
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for line in data.decode("utf-16" if is_utf_16 else "utf-8-sig", "replace").splitlines():
        included = _INCLUDE.match(line.strip())
        name = _NAME.match(line.strip())
        if included:
            yield from _listed(
                folder, os.path.normpath(os.path.join(os.path.dirname(file), included[1])), seen
            )
        elif name:
            yield name[0], line.strip()


def _named(source: RequirementsSource, texts: list[str]) -> Iterator[Requirement]:
    """The requirements that a file lists, as pip writes them."""
    for text in map(str.strip, texts):
        if name := _NAME.match(text):
            yield Requirement(name[0], text, source)


def _one_by_one(file: Path, texts: list[str]) -> Iterator[Requirement]:
    """The same for a file that pip cannot read."""
    packages = [text.strip() for text in texts if _NAME.match(text.strip())]
    return _named(RequirementsSource(file, file.name, tuple(packages)), packages)


def _of_project(file: Path) -> Iterator[Requirement]:
    """What pyproject.toml lists: for everybody, as an extra, as a group, or for Poetry."""
    for listed in pyproject.lists(file):
        source = RequirementsSource(file, f"{file.name}{listed.name}", listed.arguments)
        yield from _named(source, list(listed.texts))


def _of_setup_cfg(file: Path) -> list[str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_text(file))
    except configparser.Error:
        return []
    return parser.get("options", "install_requires", fallback="").splitlines()


def _of_setup_py(file: Path) -> list[str]:
    """The packages that a call in setup.py writes out; the file is not run."""
    try:
        tree = ast.parse(_text(file))
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [
        part.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for word in call.keywords
        if word.arg == "install_requires" and isinstance(word.value, ast.List | ast.Tuple)
        for part in word.value.elts
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def _of_pipfile(file: Path) -> list[str]:
    return pyproject.as_pip(_table(pyproject.read(file), "packages"), file.parent)


#: An item of the list ``dependencies`` of a Conda environment: channel, package, versions.
_CONDA = re.compile(
    r"\s+-\s*['\"]?(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)(?P<versions>[^'\"#]*)"
)


def _of_conda(file: Path) -> list[str]:
    """The packages of a Conda environment as pip writes them, those of its ``pip:`` among them.
    Only the plain form is read: one item a line.
    """
    _, _, after = ("\n" + _text(file)).partition("\ndependencies:")
    section = re.split(r"\n(?=[^\s#-])", after)[0].replace("\n-", "\n  -")
    found = []
    for item in filter(None, map(_CONDA.match, section.splitlines())):
        versions = item["versions"].strip()
        if item["name"] in ("python", "pip") or versions.startswith(":"):
            continue
        if exact := re.fullmatch(r"=\s*([^=<>!,*]+?)(?:=.*)?(\.?\*)?", versions):
            versions = f"=={exact[1]}{exact[2] or ''}"
        found.append(item["name"] + versions)
    return found


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except OSError:
        return ""


def _table(document: dict[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}
