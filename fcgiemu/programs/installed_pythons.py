"""The Pythons of this machine, and the versions that paths name."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

Version = tuple[int, int]

#: The oldest Python our worker runs on.
OLDEST = (3, 6)
#: Programs that are Python: python, python3.11, pythonw, and the launcher.
_PROGRAM = re.compile(r"(?:pythonw?[\d.]*|pyw?)(?:\.exe)?", re.IGNORECASE)
#: Where a path names a version: Python34, python-3.9.1, pythoncore-3.14-64, Python\3.9.13\x64,
#: python364x64.
_NAMED = re.compile(r"python(?:core)?[-_\\/]?(\d)(?:\.(\d+)|(\d+))(?!\d)", re.IGNORECASE)


def is_python(name: str) -> bool:
    """Whether a file name is that of a Python."""
    return _PROGRAM.fullmatch(name) is not None


def version_name(version: Version) -> str:
    """``3.9``."""
    return f"{version[0]}.{version[1]}"


def wanted_version(full_path: str) -> Version | None:
    """The X.Y that a path such as D:\\Python34\\python.exe or D:\\home\\python364x64\\python.exe
    names; the last one where there are several.

    Without a dot the digits after the first are the minor version, and what else there is the
    micro version: 3.10 and later begin with a 1, and there was no 3.1 on any of these servers.
    """
    found = _NAMED.findall(full_path)
    if not found:
        return None
    major, dotted, digits = found[-1]
    minor = dotted or (digits[:2] if major == "3" and digits[0] == "1" else digits[:1])
    return int(major), int(minor)


def installed(version: Version) -> str | None:
    """An interpreter X.Y on PATH (no shim), of pyenv, or of uv. An environment on PATH, such as
    the one that holds fcgiemu, stands for the interpreter it was made with: it has packages.
    """
    name = f"python{version_name(version)}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        candidate = os.path.join(folder, name)
        if _is_of_environment(candidate):
            candidate = os.path.realpath(candidate)
        if (
            "shims" not in folder
            and os.access(candidate, os.X_OK)
            and not _is_of_environment(candidate)
        ):
            return candidate
    prefix = f"{version_name(version)}."
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


def _is_of_environment(program: str) -> bool:
    """Whether a program lies in a virtual environment."""
    return os.path.exists(os.path.join(os.path.dirname(os.path.dirname(program)), "pyvenv.cfg"))


def version_of(path: str) -> Version | None:
    """X.Y of an interpreter, by asking it; None where it does not answer. It is asked again once
    another program lies there: an environment that was made again.
    """
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _asked(path, found.st_dev, found.st_ino, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _asked(path: str, *_state: int) -> Version | None:
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


def packaged_wfastcgi() -> str | None:
    """The wfastcgi.py that is installed beside fcgiemu, which runs Pythons older than OLDEST."""
    spec = importlib.util.find_spec("wfastcgi")
    return spec.origin if spec is not None else None
