"""Which Python a deployment takes: runtime.txt, else the option, else the one that the site's
web.config is written for.

As Kudu's select_python_version does, but for the last: Kudu takes 2.7 then, whatever web.config
says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..app_service.versioned_configs import Version, versioned_configs
from ..config.errors import ConfigurationError
from ..config.reader import read_file
from ..files import content, find
from ..programs.installed_pythons import OLDEST, installed, wanted_version

#: Versions that runtime.txt may name: those App Service had, and the later ones that run here.
VALID = ((2, 7), *((3, minor) for minor in range(4, 15)))
DEFAULT = (3, 11)


class RuntimeRefused(Exception):
    """No Python can be chosen; the message says what is valid."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A chosen version and the interpreter that stands for it. ``note`` says what had to be
    replaced.
    """

    version: Version
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


def requested_version(source: Path, option: str | None) -> tuple[Version, str]:
    """The version that is asked for, and by whom. Raises RuntimeRefused."""
    if find(source, "runtime.txt") is not None:
        return parse(_text(content(source, "runtime.txt")), "runtime.txt"), "runtime.txt"
    if option:
        return parse_option(option), "--python"
    config = find(source, "web.config")
    if config is not None:
        named = _named_by(config)
        return (
            (DEFAULT, "the default")
            if named is None
            else (named, "web.config, as there is no runtime.txt (Azure takes 2.7)")
        )
    configs = [version for version in versioned_configs(source) if version in VALID]
    if configs:  # 2.7, which Azure takes then, is the oldest
        return (
            configs[0],
            (
                f"web.{configs[0][0]}.{configs[0][1]}.config, as there is no runtime.txt (Azure"
                " takes 2.7)"
            ),
        )
    return DEFAULT, "the default"


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RuntimeRefused(
            "runtime.txt is UTF-16, as PowerShell's > writes it: save it as UTF-8."
        )
    return data.decode("utf-8-sig", "replace")


def _named_by(config: Path) -> Version | None:
    """The version that a scriptProcessor or processPath of web.config names."""
    try:
        root = read_file(config, config.name).root
    except ConfigurationError:
        return None
    programs = [
        add.attributes.get("scriptProcessor", "").partition("|")[0] for add in root.iter("add")
    ]
    programs += [
        platform.attributes.get("processPath", "") for platform in root.iter("httpPlatform")
    ]
    return next((version for version in map(wanted_version, programs) if version in VALID), None)


def parse(text: str, where: str) -> Version:
    """What begins like ``python-3.11`` or ``python-3.11.4``, in any case; Kudu looks no further
    either.

    Raises RuntimeRefused with the list of those valid.
    """
    match = re.match(r"python-(\d+)\.(\d+)", text.strip().lower())
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version not in VALID:
        names = ", ".join(f"python-{major}.{minor}" for major, minor in VALID)
        said = (text.strip().splitlines() or [""])[0][:80]
        raise RuntimeRefused(f"{where} says '{said}'; valid are {names}.")
    return version


def parse_option(text: str) -> Version:
    """What --python says: ``3.11``, or as in runtime.txt. Raises RuntimeRefused."""
    return parse(text if text.startswith("python-") else f"python-{text}", "--python")


def choose(source: Path, option: str | None) -> Runtime:
    """The runtime of a deployment: the version itself, else the nearest that is installed. Raises
    RuntimeRefused.
    """
    version, why = requested_version(source, option)
    python = installed(version)
    if python is not None:
        return Runtime(version, python, why)
    if version < OLDEST and version[0] == 2:
        raise RuntimeRefused(
            f"{why} requires Python 2.7, which is not installed here: pyenv install 2.7.18, or"
            " --python X.Y."
        )
    present = [(other, found) for other in VALID if other >= OLDEST and (found := installed(other))]
    if not present:
        raise RuntimeRefused(
            f"{why} requires Python {version[0]}.{version[1]}, and none from 3.6 on is installed"
            " here."
        )
    nearest, found = min(
        present, key=lambda pair: (abs(pair[0][1] - version[1]), pair[0] < version)
    )
    return Runtime(
        version,
        found,
        why,
        f"Python {version[0]}.{version[1]} is not installed here (pyenv or uv can install it); "
        f"Python {nearest[0]}.{nearest[1]} is used instead",
    )
