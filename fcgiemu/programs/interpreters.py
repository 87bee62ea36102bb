"""Which program of this machine stands for a scriptProcessor of web.config, and where its Windows
paths lead.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..applications import Application
from ..fastcgi import php
from ..hosting import AZURE_ROOT, WINDOWS_ROOT, Hosting
from ..worker import paths

#: The oldest Python our worker runs on.
OLDEST = (3, 6)
Pair = tuple[str, str]


@dataclass(slots=True)
class Program:
    """A local program for a scriptProcessor. ``version`` is set for Python; ``notes`` say what had
    to be guessed.
    """

    path: str
    version: tuple[int, int] | None = None
    is_wfastcgi: bool = False
    is_php: bool = False
    #: The wfastcgi.py that scriptProcessor names, as a local path, whether it exists or not.
    script: str = ""
    arguments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


#: A scriptProcessor as it may stand in web.config.
EXAMPLE = 'scriptProcessor="D:\\Python34\\python.exe|D:\\Python34\\Scripts\\wfastcgi.py".'


class ProgramMissing(Exception):
    """No local program can stand for a scriptProcessor; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def path_pairs(site: Hosting) -> tuple[Pair, ...]:
    """(Windows prefix, local path): the user's, the virtual directories', then a folder of ours for
    the rest of D:\\home.
    """
    root = str(site.path)
    own = str(site.path / ".fcgiemu")
    home = (
        (f"{own}/LogFiles", f"{own}/home")
        if site.home is None
        else (str(site.home / "LogFiles"), str(site.home))
    )
    return (
        *site.settings.path_map,
        *site.layout.pairs,
        (AZURE_ROOT, root),
        (WINDOWS_ROOT, root),
        ("D:\\home\\LogFiles", home[0]),
        ("D:\\home", home[1]),
    )


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
        raise ProgramMissing("The handler has no scriptProcessor.", f"Write one: {EXAMPLE}")
    mapped = next(
        (
            local
            for windows, local in site.settings.path_map
            if windows.lower() == full_path.lower()
        ),
        None,
    )
    if mapped is not None and not _is_program(mapped):
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
    local = (
        paths.map_path(full_path, path_pairs(site)) if paths.is_windows(full_path) else full_path
    )
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', arguments)]
    is_wfastcgi = words[-2:] == ["-m", "wfastcgi"] or any(
        re.search(r"(?:^|[\\/])wfastcgi\.py$", word, re.IGNORECASE) for word in words
    )
    name = re.split(r"[\\/]", full_path)[-1].lower().removesuffix(".exe")
    if is_wfastcgi or re.fullmatch(r"pythonw?[\d.]*", name):
        program = _python(full_path, local, site, application)
        program.is_wfastcgi = is_wfastcgi
        script = next((word for word in words if word.lower().endswith("wfastcgi.py")), "")
        program.script = (
            (paths.map_path(script, path_pairs(site)) or "") if paths.is_windows(script) else script
        )
    elif local and _is_program(local):
        program = Program(local)
    elif found := shutil.which(name):
        program = Program(found, notes=[f"{full_path} -> {found}"])
    elif "%" in full_path:
        raise ProgramMissing(
            f"scriptProcessor is '{processor}': a placeholder that Visual Studio fills in when it"
            " publishes.",
            f"Write what it stands for: {EXAMPLE}",
        )
    else:
        raise ProgramMissing(
            f"There is no program here for {full_path}.",
            f"Install {name}, or map it: --map '{full_path}=/path/to/{name}'.",
        )
    program.is_php = php.is_php(processor)
    if not program.is_wfastcgi:
        program.arguments = [
            paths.map_path(word, path_pairs(site)) or word if paths.is_windows(word) else word
            for word in words
        ]
    return program


def _is_program(path: str) -> bool:
    return os.access(path, os.X_OK) and not os.path.isdir(path)


def find_wfastcgi(program: Program, site: Hosting, application: Application) -> str | None:
    """Microsoft's wfastcgi.py: the file that scriptProcessor names, else the env's, else the one
    beside fcgiemu.
    """
    if program.script and os.path.isfile(program.script):
        return program.script
    for folder in _environment_folders(site, application):
        for found in sorted(folder.glob("lib/python*/site-packages/wfastcgi.py")):
            return str(found)
    return _packaged_wfastcgi()


def _packaged_wfastcgi() -> str | None:
    spec = importlib.util.find_spec("wfastcgi")
    return spec.origin if spec is not None else None


def wanted_version(full_path: str) -> tuple[int, int] | None:
    """The X.Y that a path such as D:\\Python34\\python.exe or D:\\home\\python364x64\\python.exe
    names.
    """
    match = re.search(r"python[-_]?(\d)\.?(\d+)(x\d\d)?", full_path, re.IGNORECASE)
    if not match:
        return None
    minor = match[2]
    if (
        match[3] and len(minor) > 1 or len(minor) > 2
    ):  # python364x64, python2714x86: the micro version follows
        minor = minor[:1]
    return int(match[1]), int(minor)


def _python(full_path: str, local: str | None, site: Hosting, application: Application) -> Program:
    """The interpreter: the one named if it exists here, else one of that version, else the site's
    env's, else ours.
    """
    if local and _is_program(local):
        return Program(local, version_of(local))
    wanted = wanted_version(full_path)
    named = f"Python {wanted[0]}.{wanted[1]}" if wanted else "Python"
    environment = environment_of(site, application)
    if environment is not None:
        base, version, folder = environment
        program = Program(
            base, version, notes=[f"{full_path} -> {base} (the interpreter of the site's env)"]
        )
        if _is_extension(full_path):
            program = Program(
                str(folder / "bin" / "python"),
                version,
                notes=[
                    f"{full_path} -> {folder}/bin/python: the packages of env stand for those that"
                    f" pip has installed in the site extension ({full_path} -m pip install -r"
                    " requirements.txt on Azure)"
                ],
            )
        if wanted and wanted != version:
            program.notes.append(
                f"web.config names {named}, the site's env was made with Python"
                f" {version[0]}.{version[1]}"
            )
        return program
    if wanted and (found := installed(wanted)) and (wanted >= OLDEST or _packaged_wfastcgi()):
        return Program(found, wanted, notes=[f"{full_path} -> {found}"])
    running = getattr(sys, "_base_executable", sys.executable) or sys.executable
    version = sys.version_info[:2]
    program = Program(
        running, version, notes=[f"{full_path} -> {running} (the running interpreter)"]
    )
    if wanted and wanted != version:
        program.notes.append(
            f"{named} is not installed here; the site runs on Python {version[0]}.{version[1]}"
            " instead"
        )
    return program


def environment_of(
    site: Hosting, application: Application
) -> tuple[str, tuple[int, int], Path] | None:
    """Base interpreter, version and folder of an application's virtual environment, or None where
    it has none.
    """
    for folder in _environment_folders(site, application):
        found = _base_of(folder)
        if found is not None:
            return (*found, folder)
    return None


def lost_environment(site: Hosting, application: Application) -> str:
    """Why an environment that lies in the site is none here; "" where that is not so."""
    for folder in _environment_folders(site, application):
        if (folder / "Scripts").is_dir() and not (folder / "bin").is_dir():
            return (
                f"{folder.name} was made on Windows (it has Scripts and no bin): nothing of it runs"
                " here"
            )
        if (folder / "pyvenv.cfg").exists() and _base_of(folder) is None:
            return (
                f"the Python that {folder.name} was made with is gone (see"
                f" {folder.name}/pyvenv.cfg)"
            )
    return ""


def _is_extension(full_path: str) -> bool:
    """Whether a path is that of a Python that came as a site extension of App Service: it has
    packages of its own.
    """
    return (
        re.match(r"(?:D:\\home|%HOME%)\\python", full_path.replace("/", "\\"), re.IGNORECASE)
        is not None
    )


def _environment_folders(site: Hosting, application: Application) -> list[Path]:
    folders = [application.path / "env"]
    setting = site.worker_setting("WSGI_ALT_VIRTUALENV_ACTIVATE_THIS", application)
    if setting:
        local = paths.map_path(setting, path_pairs(site)) if paths.is_windows(setting) else setting
        if local:
            folders.insert(0, Path(local).parent.parent)
    return folders


def _base_of(folder: Path) -> tuple[str, tuple[int, int]] | None:
    """From pyvenv.cfg: the interpreter that an environment was made with."""
    try:
        text = (folder / "pyvenv.cfg").read_text("utf-8", "replace")
    except OSError:
        return None
    settings = {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition("=") for line in text.splitlines())
    }
    match = re.match(r"(\d+)\.(\d+)", settings.get("version", settings.get("version_info", "")))
    if not match:
        return None
    version = int(match[1]), int(match[2])
    candidates = [settings.get("executable", ""), settings.get("base-executable", "")]
    home = settings.get("home", "")
    candidates += [
        f"{home}/python{version[0]}.{version[1]}",
        f"{home}/python3",
        f"{home}/python",
        str(folder / "bin/python"),
    ]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate, version
    return None


def installed(version: tuple[int, int]) -> str | None:
    """An interpreter X.Y on PATH (no shim), of pyenv, or of uv."""
    name = f"python{version[0]}.{version[1]}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        candidate = os.path.join(folder, name)
        if "shims" not in folder and os.access(candidate, os.X_OK):
            return candidate
    prefix = f"{version[0]}.{version[1]}."
    home = Path.home()
    for base, program in (
        (Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions", "bin/python"),
        (home / ".local/share/uv/python", "bin/python3"),
    ):
        if base.is_dir():
            for installed in sorted(base.iterdir(), reverse=True):
                if installed.name.removeprefix("cpython-").startswith(prefix) and os.access(
                    installed / program, os.X_OK
                ):
                    return str(installed / program)
    return None


@cache
def version_of(path: str) -> tuple[int, int] | None:
    """X.Y of an interpreter, by asking it; None where it does not answer."""
    try:
        output = subprocess.run(
            [path, "-c", "import sys; print('%d %d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            timeout=10,
            stdin=subprocess.DEVNULL,
            check=True,
        ).stdout.split()
        return int(output[0]), int(output[1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
