"""Which Python a deployment takes: runtime.txt, else the option, else the default; as Kudu's select_python_version does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..interpreters import OLDEST, installed

#: Versions that runtime.txt may name: those App Service had, and the later ones that run here.
VALID = ((2, 7), *((3, minor) for minor in range(4, 15)))
DEFAULT = (3, 11)


class RuntimeRefused(Exception):
    """No Python can be chosen; the message says what is valid."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A chosen version and the interpreter that stands for it. ``note`` says what had to be replaced."""

    version: tuple[int, int]
    python: str
    why: str
    note: str = ""

    @property
    def name(self) -> str:
        """As runtime.txt writes it, without a third number."""
        return f"python-{self.version[0]}.{self.version[1]}"

    @property
    def marker(self) -> str:
        """The file in ``env`` that tells which version it was made for."""
        return f"azure.env.{self.name}.txt"


def wanted(source: Path, option: str | None) -> tuple[tuple[int, int], str]:
    """The version that is asked for, and by whom. Raises RuntimeRefused."""
    file = source / "runtime.txt"
    if file.is_file():
        return parse(file.read_text("utf-8-sig", "replace"), "runtime.txt"), "runtime.txt"
    if option:
        return parse(option if option.startswith("python-") else f"python-{option}", "--python"), "--python"
    return DEFAULT, "the default"


def parse(text: str, where: str) -> tuple[int, int]:
    """``python-3.11`` or ``python-3.11.4``, in any case. Raises RuntimeRefused with the list of those valid."""
    match = re.match(r"python-(\d+)\.(\d+)(?:\.\d+)?\s*$", text.strip().lower())
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version not in VALID:
        names = ", ".join(f"python-{major}.{minor}" for major, minor in VALID)
        raise RuntimeRefused(f"{where} says '{text.strip()[:80]}'; valid are {names}.")
    return version


def choose(source: Path, option: str | None) -> Runtime:
    """The runtime of a deployment: the version itself, else the nearest that is installed. Raises RuntimeRefused."""
    version, why = wanted(source, option)
    python = installed(version)
    if python is not None:
        return Runtime(version, python, why)
    if version < OLDEST and version[0] == 2:
        raise RuntimeRefused(f"{why} wants Python 2.7, which is not installed here: pyenv install 2.7.18.")
    present = [(other, found) for other in VALID if other >= OLDEST and (found := installed(other))]
    if not present:
        raise RuntimeRefused(f"{why} wants Python {version[0]}.{version[1]}, and none from 3.6 on is installed here.")
    nearest, found = min(present, key=lambda pair: (abs(pair[0][1] - version[1]), pair[0] < version))
    return Runtime(version, found, why, f"Python {version[0]}.{version[1]} is not installed here (pyenv or uv can bring it); "
                                        f"Python {nearest[0]}.{nearest[1]} stands in")
