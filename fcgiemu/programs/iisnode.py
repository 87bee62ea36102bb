"""How iisnode starts Node for a script: the command line and the environment."""

from __future__ import annotations

import os
import re
import socket
from importlib import resources
from pathlib import Path

from ..applications import Application
from ..decision import CallIisnode
from ..hosting import Hosting
from ..modules.iisnode import compiled, worker_variables
from ..modules.iisnode_request import environment
from ..worker import paths
from . import node
from .windows_paths import path_pairs

PORT_VARIABLE = "PORT"
#: iisnode's own interceptor, wherever it is installed.
_OURS = re.compile(r"(?i)[\\/]iisnode[\\/]interceptor\.js$")
#: Variables of this process that are not for programs of the site.
_NOT_PASSED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def command_line(
    site: Hosting, application: Application, action: CallIisnode, address: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words and the environment of a process that is to listen on ``address``, with Windows
    paths made local. Raises ProgramMissing.
    """
    settings = compiled(action.settings)
    found = node.find(settings.command_line, site, application)
    interceptor = _interceptor(settings.interceptor, site, application)
    script = site.local_path(action.script)
    words = (found.path, *found.arguments, *interceptor, script)
    return words, _environment(site, application, action, address)


def folder(site: Hosting, action: CallIisnode) -> Path:
    """The folder of the script, in which the process runs."""
    return Path(site.local_path(action.script)).parent


def log_folder(site: Hosting, action: CallIisnode) -> Path:
    """logDirectory as a local path: relative to the script's folder."""
    own = folder(site, action)
    name = compiled(action.settings).log_directory
    local = paths.map_setting("WSGI_LOG", name, path_pairs(site), str(own))
    return own / local.replace("\\", "/")


def _interceptor(text: str, site: Hosting, application: Application) -> list[str]:
    """What stands between Node and the script: iisnode's own is ours."""
    words = node.words(text)
    if words and _OURS.search(words[0]):
        return [own_interceptor(), *words[1:]]
    pairs = path_pairs(site)
    return [
        (paths.map_path(word, pairs) or word) if paths.is_windows(word) else word.replace("\\", "/")
        for word in words
    ]


def own_interceptor() -> str:
    """The script that stands for iisnode's interceptor.js."""
    return str(resources.files(__package__).joinpath("interceptor.js"))


def _environment(
    site: Hosting, application: Application, action: CallIisnode, address: str
) -> dict[str, str]:
    pairs = path_pairs(site)
    found = dict(os.environ)
    for name in _NOT_PASSED:
        found.pop(name, None)
    if site.settings.azure:
        given = {**worker_variables(site)}
        given.pop("PATH", None)  # programs are found by ours
        found |= {name: paths.map_setting("", value, pairs) for name, value in given.items()}
    own = environment(site, application, action)
    if "NODE_PENDING_PIPE_INSTANCES" in found:
        del own["NODE_PENDING_PIPE_INSTANCES"]
    found |= {
        name: paths.map_setting("", value, pairs, str(application.path))
        for name, value in own.items()
    }
    if "IISNODE_LOGDIRECTORY" in own:
        found["IISNODE_LOGDIRECTORY"] = str(log_folder(site, action))
    found.setdefault("COMPUTERNAME", socket.gethostname().partition(".")[0].upper())
    # Names of variables have no case on Windows: applications ask for either.
    return {**found, PORT_VARIABLE: address, PORT_VARIABLE.lower(): address}
