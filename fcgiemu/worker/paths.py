"""Windows paths of a web.config -> paths of this machine. Shared by the server and the workers;
Python 2.7 and 3.6 syntax.
"""

import os
import re

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def is_windows(text):
    """Whether a text looks like an absolute Windows path."""
    return _DRIVE.match(text) is not None


def map_path(text, pairs):
    """``text`` with the longest matching Windows prefix of ``pairs`` replaced; None where none
    matches.

    ``Scripts`` and ``Lib\\site-packages`` of a virtual environment become what they are called
    here, where that exists.
    """
    folded = text.replace("/", "\\").lower()
    best = None
    for windows, local in pairs:
        prefix = windows.replace("/", "\\").rstrip("\\").lower()
        if folded == prefix or folded.startswith(prefix + "\\"):
            if best is None or len(prefix) > best[0]:
                best = (len(prefix), local)
    if best is None:
        return None
    rest = text[best[0] :].replace("\\", "/").lstrip("/")
    return _virtual_environment(os.path.join(best[1], rest) if rest else best[1])


def _virtual_environment(path):
    """``env/Scripts/python.exe`` as ``env/bin/python``, ``env/Lib/site-packages`` as
    ``env/lib/pythonX.Y/site-packages``.
    """
    if os.path.exists(path):
        return path
    match = re.search(r"/lib/site-packages(?=/|$)", path, re.IGNORECASE)
    if match:
        folder = site_packages(path[: match.start()])
        return path if folder is None else folder + path[match.end() :]
    match = re.search(r"/scripts(?=/|$)", path, re.IGNORECASE)
    if not match:
        return path
    candidate = path[: match.start()] + "/bin" + path[match.end() :]
    if candidate.lower().endswith(".exe"):
        candidate = candidate[:-4]
    return candidate if os.path.exists(os.path.dirname(candidate)) else path


def site_packages(env):
    """The folder of an environment's packages, by its name here; None where there is none."""
    try:
        names = sorted(
            name for name in os.listdir(os.path.join(env, "lib")) if name.startswith("python")
        )
    except OSError:
        return None
    found = [os.path.join(env, "lib", name, "site-packages") for name in names]
    return next((folder for folder in found if os.path.isdir(folder)), None)


def map_setting(key, value, pairs):
    """An appSetting with the Windows paths that ``pairs`` know made local: the whole value, or the
    parts of PYTHONPATH.
    """
    if key.strip().lower() == "pythonpath":
        return ";".join(_map_value(part, pairs) for part in value.split(";"))
    return _map_value(value, pairs)


def _map_value(value, pairs):
    text = value.replace("%HOME%", "D:\\home") if pairs else value
    return map_path(text, pairs) or value if is_windows(text) else value


def expand(text, variables):
    """``%NAME%`` replaced from ``variables``; unknown names become nothing, as wfastcgi does in
    PYTHONPATH.
    """
    return re.sub(r"%(\w+?)%", lambda match: variables.get(match.group(1), ""), text)
