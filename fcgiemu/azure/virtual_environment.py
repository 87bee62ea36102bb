"""The virtual environment of a deployment: what makes it, and what in it names folders."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ..errors import beside
from .runtime import Runtime, RuntimeRefused

#: Files that name folders: scripts, and what an editable package leaves.
_NAME_FOLDERS = (
    "bin/*",
    "pyvenv.cfg",
    "lib/python*/site-packages/*.pth",
    "lib/python*/site-packages/*.egg-link",
    "lib/python*/site-packages/__editable__*",
    "lib/python*/site-packages/*.dist-info/direct_url.json",
)
#: What virtualenv makes environments of Python 2.7 with, until 20.21.
_CREATOR = "virtualenv.create.via_global_ref.builtin.cpython.cpython2"


def maker(runtime: Runtime) -> list[str]:
    """The command that makes an environment, but for its folder. Raises RuntimeRefused where Python
    2.7 has none.
    """
    python = runtime.python
    if runtime.version[0] == 3:
        return [python, "-m", "venv"]
    if _imports(python, "virtualenv"):
        return [python, "-m", "virtualenv"]
    if _imports(sys.executable, _CREATOR):
        return [sys.executable, "-m", "virtualenv", "--python", python]
    raise RuntimeRefused(f"Python 2.7 has no virtualenv here. Run: {beside('fcgiemu[python2]')}")


def _imports(python: str, module: str) -> bool:
    # Not in the working directory of the deployment: what lies there would be imported first.
    return (
        subprocess.run(
            [python, "-c", f"import {module}"],
            cwd=os.sep,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        ).returncode
        == 0
    )


def moved(env: Path, folders: Mapping[Path, Path]) -> None:
    """Let an environment that was prepared elsewhere name the final folders: old one -> new one."""
    names = {
        os.fsencode(place): os.fsencode(new)
        for old, new in folders.items()
        for place in (old, os.path.realpath(old))
    }
    for pattern in _NAME_FOLDERS:
        for file in env.glob(pattern):
            if file.is_file() and not file.is_symlink():
                _rewrite(file, names)


def _rewrite(file: Path, names: Mapping[bytes, bytes]) -> None:
    """Replace the folders that a text names; programs are left alone."""
    content = before = file.read_bytes()
    if b"\0" in content:
        return
    for old, new in names.items():
        content = content.replace(old, new)
    if content != before:
        file.write_bytes(content)
