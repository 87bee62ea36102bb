"""Which program of this machine stands for a scriptProcessor or a processPath of web.config."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import posix
from ..applications import Application
from ..config import values
from ..errors import SiteError
from ..fastcgi import php
from ..hosting import Hosting
from ..worker import paths
from . import pip
from .environments import AZURE_NAME, Environment
from .installed_pythons import Version, is_python, packaged_wfastcgi
from .python_choice import PythonQuery, activated_folder, choose
from .windows_paths import path_pairs


@dataclass(slots=True, kw_only=True)
class Program:
    """A local program for a scriptProcessor. ``version`` is set for Python; ``why`` says what made
    it that one, ``notes`` what had to be guessed or passed over.
    """

    path: str
    version: Version | None = None
    is_wfastcgi: bool = False
    is_php: bool = False
    #: The wfastcgi.py that scriptProcessor names, as a local path, whether it exists or not.
    script: str = ""
    arguments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    why: str = ""
    #: The environment whose packages a Python finds, or whose program it is.
    environment: Environment | None = None
    #: Whether IIS would not show these packages: see python_choice.
    is_courtesy: bool = False
    #: Whether the user or web.config names this very file.
    is_given: bool = False
    #: Where an environment would be found, were it made; None where --strict shows none.
    place: Path | None = None
    #: The command that serves the site with another Python, which is to follow.
    serve_with: str = ""
    #: Whether web.config names the launcher, ``py.exe``.
    is_launcher: bool = False

    def drops_first(self, parts: Sequence[str]) -> bool:
        """Whether the first argument is the launcher's own: which version, as in ``py -3.9``."""
        return self.is_launcher and bool(parts) and re.match(r"-\d", parts[0]) is not None


#: Where Python is on a server, as ``init`` writes it unless told otherwise.
ON_SERVER = f"C:\\Python{sys.version_info[0]}{sys.version_info[1]}"


def processor_of(python: str) -> str:
    """The scriptProcessor for a Python's folder on the server, with wfastcgi where pip puts it."""
    return f"{python}\\python.exe|{python}\\Lib\\site-packages\\wfastcgi.py"


def wfastcgi_for(program: str) -> str:
    """A scriptProcessor of a Python that web.config names, with the wfastcgi.py that its pip
    installs: Pythons of App Service have it beside python.exe (documented).
    """
    parts = re.match(r"(?i)(.+?)(\\Scripts)?\\[^\\]+$", program.replace("/", "\\"))
    if parts is None:
        return f"{program}|-m wfastcgi"
    is_extension = re.match(r"(?i)(?:[CD]:\\home|%HOME%)\\python[^\\]*$", parts[1])
    folder = parts[1] if is_extension else f"{parts[1]}\\Lib\\site-packages"
    script = f"{folder}\\wfastcgi.py"
    return f"{program}|" + (f"&quot;{script}&quot;" if " " in script else script)


#: Packages that bring a program of their own, by its name.
_BRINGS = {
    "celery": "celery",
    "daphne": "daphne",
    "django-admin": "django",
    "fastapi": "fastapi[standard]",
    "flask": "flask",
    "gunicorn": "gunicorn",
    "hypercorn": "hypercorn",
    "streamlit": "streamlit",
    "uvicorn": "uvicorn",
    "waitress-serve": "waitress",
}

#: A scriptProcessor as it may stand in web.config.
EXAMPLE = f'scriptProcessor="{processor_of(ON_SERVER)}"'
EXAMPLE_PHP = r'scriptProcessor="C:\Program Files\PHP\php-cgi.exe"'


class ProgramMissing(Exception):
    """No local program can stand for a scriptProcessor; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def because(program: Program) -> str:
    """Why a Python runs the site, as a part of a sentence."""
    if not program.is_courtesy:
        return program.why
    lenient = "convenience: IIS would not find this environment; --strict turns this off"
    return f"{program.why} ({lenient})"


def split_processor(text: str) -> tuple[str, str]:
    """fullPath and arguments of a scriptProcessor."""
    full_path, _, arguments = text.partition("|")
    return full_path.strip().strip('"'), arguments.strip()


def find_program(processor: str, site: Hosting, application: Application | None = None) -> Program:
    """The local program for a scriptProcessor of an application (the root one). Raises
    ProgramMissing.
    """
    application = application or site.root
    full_path, arguments = split_processor(processor)
    if not full_path:
        raise ProgramMissing("The handler has no scriptProcessor.", f"Write one: {EXAMPLE}.")
    _check_map(full_path, site)
    pairs = path_pairs(site)
    parts = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', arguments)]
    is_wfastcgi = parts[-2:] == ["-m", "wfastcgi"] or any(
        re.search(r"(?:^|[\\/])wfastcgi\.py$", word, re.IGNORECASE) for word in parts
    )
    local = _given(full_path, site) or _local(full_path, application, pairs)
    asked = PythonQuery(site, application, full_path, local, is_wfastcgi)
    if is_wfastcgi or is_python(_name(full_path)):
        program = _python(asked)
        program.is_wfastcgi = is_wfastcgi
        program.is_launcher = _name(full_path) in ("py", "pyw")
        script = next((word for word in parts if word.lower().endswith("wfastcgi.py")), "")
        program.script = _mapped(script, pairs)
    else:
        program = _other(asked, processor)
    program.is_php = php.is_php(processor)
    if not program.is_wfastcgi:
        parts = parts[1:] if program.drops_first(parts) else parts
        program.arguments = [_mapped(word, pairs) for word in parts]
    return program


def _local(full_path: str, application: Application, pairs: tuple[tuple[str, str], ...]) -> str:
    """The local path that a program's path leads to, whether it exists or not; "" for a bare
    name.
    """
    full_path = values.expand(full_path)
    if paths.is_windows(full_path):
        own = full_path if posix.IS_WINDOWS else ""
        return paths.map_path(full_path, pairs) or own
    if os.path.isabs(full_path):
        return full_path
    if re.search(r"[\\/]", full_path) and "%" not in full_path:
        return str(paths.below(str(application.path), full_path))
    return ""


def _mapped(word: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return paths.map_path(word, pairs) or word if paths.is_windows(word) else word


def _name(full_path: str) -> str:
    return re.split(r"[\\/]", full_path)[-1].lower().removesuffix(".exe")


def _given(full_path: str, site: Hosting) -> str:
    """What --map says of this very program, which may be a bare name; "" = nothing."""
    pairs = site.settings.path_map
    return next((local for windows, local in pairs if windows.lower() == full_path.lower()), "")


def _check_map(full_path: str, site: Hosting) -> None:
    """Refuse a --map of the program itself that leads to none."""
    mapped = _given(full_path, site)
    if not mapped or _is_program(mapped):
        return
    what = (
        "is not there"
        if not os.path.exists(mapped)
        else "is a folder"
        if os.path.isdir(mapped)
        else "cannot be executed"
    )
    raise ProgramMissing(
        f"--map leads {full_path} to {mapped}, which {what}.", "Name a program in --map."
    )


def _python(asked: PythonQuery) -> Program:
    try:
        choice = choose(asked)
    except SiteError as error:
        raise ProgramMissing(str(error), error.hint) from error
    return Program(
        path=choice.path,
        version=choice.version,
        notes=list(choice.notes),
        why=choice.why,
        environment=choice.environment,
        is_courtesy=choice.is_courtesy,
        is_given=choice.is_given,
        place=choice.place,
        serve_with=_serve_with(asked.site),
    )


def _serve_with(site: Hosting) -> str:
    strict = ("--strict",) if site.settings.strict else ()
    return pip.words("fcgiemu", "serve", str(site.path), *strict, "--python")


def _other(asked: PythonQuery, processor: str) -> Program:
    """A program that is not Python: the file that is named, one of the site's environment, or one
    on PATH.
    """
    full_path = asked.full_path
    if asked.local and _is_program(asked.local):
        return Program(path=asked.local, why="web.config names it")
    name = _name(full_path)
    if re.search(r"(?i)(?:^|[\\/])(?:scripts|bin)[\\/][^\\/]+$", full_path):
        beside = _python(asked)
        script = os.path.join(os.path.dirname(beside.path), name)
        if beside.environment is not None and _is_program(script):
            beside.path, beside.version = script, None
            return beside
    if found := shutil.which(name):
        return Program(path=found, notes=[f"{full_path} -> {found}"])
    if "%" in full_path:
        raise ProgramMissing(
            f"scriptProcessor is '{processor}': a placeholder that Visual Studio fills in when it"
            " publishes.",
            f"Write its value: {EXAMPLE}.",
        )
    raise _no_program(asked, name)


#: Scripts of Windows, and what runs them.
_OF_WINDOWS = re.compile(r"(?:.*\.(?:cmd|bat|ps1|vbs|wsf)|cmd|powershell|pwsh|cscript|wscript)")


def _no_program(asked: PythonQuery, name: str) -> ProgramMissing:
    """That nothing here stands for a program that is not Python."""
    full_path = asked.full_path
    if blank := re.match(r"(?i)(.+?\.exe)\s+(\S.*)", full_path):
        return ProgramMissing(
            f"There is no program '{full_path}': a bar separates a program from its arguments.",
            f"Write {blank[1]}|{blank[2]}.",
        )
    mapped = f"--map '{full_path}=/path/to/{name}'"
    if _OF_WINDOWS.fullmatch(name):
        return ProgramMissing(
            f"{full_path} runs on Windows only.",
            f"Map it to a script of this machine that does the same: {mapped}.",
        )
    package = _BRINGS.get(name)
    environment = _python(asked).environment if package is not None else None
    install = (
        f"Run: {pip.into(environment, (package,))}"
        if package is not None and environment is not None
        else f"Install {name}, or map it: {mapped}."
    )
    return ProgramMissing(f"There is no program here for {full_path}.", install)


def _is_program(path: str) -> bool:
    return os.access(path, os.X_OK) and not os.path.isdir(path)


def find_wfastcgi(program: Program, site: Hosting, application: Application) -> str | None:
    """Microsoft's wfastcgi.py: the file that scriptProcessor names, else the environment's, else
    the one beside fcgiemu.
    """
    if program.script and os.path.isfile(program.script):
        return program.script
    folders = [activated_folder(site, application), application.path / AZURE_NAME]
    folders += [program.environment.folder] if program.environment is not None else []
    for folder in filter(None, folders):
        for found in sorted(Path(folder).glob("lib/python*/site-packages/wfastcgi.py")):
            return str(found)
    return packaged_wfastcgi()
