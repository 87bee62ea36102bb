"""What a section tells a process that answers: words of its command line, values of its environment
and the name of its log, with placeholders of ports and Windows paths replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..app_service.environment import of_worker
from ..applications import Application
from ..config import values
from ..hosting import Hosting
from ..modules.process_section import ProcessSection
from ..worker import paths
from .windows_paths import path_pairs


class Telling:
    """How texts of an application's section are read: ``placeholders`` are the variables that
    ``%NAME%`` stands for in them, beside those of this process.
    """

    def __init__(
        self, site: Hosting, application: Application, placeholders: Mapping[str, str]
    ) -> None:
        self._folder = str(application.path)
        self._placeholders = placeholders
        self._pairs = path_pairs(site)

    def words(self, arguments: str) -> list[str]:
        """The words of a command line, quotes removed."""
        found = re.findall(r'(?:"[^"]*"|\S)+', arguments)
        return [self._local(word.replace('"', "")) for word in found]

    def value(self, name: str, text: str) -> str:
        """The value of an environment variable."""
        local = paths.map_setting(name, self._expanded(text), self._pairs, self._folder)
        return local.replace(";", os.pathsep) if name.upper() == "PYTHONPATH" else local

    def _expanded(self, text: str) -> str:
        for name, value in self._placeholders.items():
            text = text.replace(f"%{name}%", value)
        return values.expand(text)

    def _local(self, word: str) -> str:
        """A word of the arguments with the Windows path that it is, or that follows its ``=``, made
        local.
        """
        text = self._expanded(word)
        option, equals, value = text.partition("=")
        if not equals or not option.startswith("-"):
            option, equals, value = "", "", text
        local = paths.map_setting("", value, self._pairs, self._folder)
        if re.fullmatch(r"\w[\w.\\-]*\.py", value):
            local = os.path.relpath(paths.below(self._folder, value), self._folder)
        return f"{option}{equals}{local}"


def worker_environment(site: Hosting) -> dict[str, str]:
    """The environment of the server's worker process, which a process inherits."""
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    if site.settings.azure:
        given = of_worker(site.azure_name, site.settings.app_settings)
        given.pop("PATH", None)  # programs are found by ours
        pairs = path_pairs(site)
        environment |= {name: paths.map_setting("", value, pairs) for name, value in given.items()}
    return environment


def log_file(site: Hosting, application: Application, settings: ProcessSection, suffix: str) -> str:
    """The local file of stdoutLogFile; "" where there is none."""
    if settings.stdout_log is None:
        return ""
    name = values.expand(settings.stdout_log)
    local = paths.map_setting("WSGI_LOG", name, path_pairs(site), str(application.path))
    return f"{os.path.join(application.path, local)}{suffix}"
