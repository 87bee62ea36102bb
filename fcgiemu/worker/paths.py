"""Windows paths of a web.config -> paths of this machine. Shared by the server and the workers;
Python 2.7 and 3.6 syntax.

A path is mapped by the longest Windows prefix that is known. Below it names compare without case,
as on NTFS, and a virtual environment is found as it is laid out here: ``Scripts`` is ``bin``,
``Lib\\site-packages`` is ``lib/pythonX.Y/site-packages``, ``python.exe`` has no ``.exe``. A pair
whose prefix is DRIVES takes what no other pair knows: it keeps such paths apart in a folder, so
that nobody creates a file here whose name is a Windows path.
"""

import os
import re

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\[?.]\\|\\\\[\w.-]+\\[\w$]")
_LONG = re.compile(r"\\\\[?.]\\(?:UNC\\)?")
#: The prefix of the pair for paths that no other pair knows.
DRIVES = "*:"


def is_windows(text):
    """Whether a text looks like an absolute Windows path: with a drive, or of a server (UNC)."""
    return _WINDOWS.match(text) is not None


def map_path(text, pairs):
    """``text`` with the longest matching Windows prefix of ``pairs`` replaced; None where none
    matches.
    """
    text = _LONG.sub("", text, 1) if _LONG.match(text) else text
    folded = text.replace("/", "\\").lower()
    best = None
    apart = None
    for windows, local in pairs:
        if windows == DRIVES:
            apart = local
            continue
        prefix = windows.replace("/", "\\").rstrip("\\").lower()
        if folded == prefix or folded.startswith(prefix + "\\"):
            if best is None or len(prefix) > best[0]:
                best = (len(prefix), local)
    if best is None:
        if apart is None or not is_windows(text):
            return None
        best = (0, os.path.join(apart, text[0].upper() if text[1] == ":" else "UNC"))
        text = text[2:]
    return below(best[1], text[best[0] :])


def below(folder, relative):
    """The local path of a relative Windows path in a folder, in the spelling on disk where it
    exists.
    """
    names = [name for name in re.split(r"[\\/]+", relative) if name not in ("", ".")]
    path = folder
    for position, name in enumerate(names):
        found = _entry(path, name)
        if found is None:
            path = _missing(path, names[position:])
            break
        path = found
    return os.path.normpath(path) if ".." in names else path


def _entry(folder, name):
    """What NTFS would find by a name in a folder; None where there is nothing."""
    exact = os.path.join(folder, name)
    if os.path.exists(exact):
        return exact
    lower = name.lower()
    try:
        known = sorted(os.listdir(folder))
    except OSError:
        return None
    for entry in known:
        if entry.lower() == lower:
            return os.path.join(folder, entry)
    if lower == "scripts" and os.path.isdir(os.path.join(folder, "bin")):
        return os.path.join(folder, "bin")
    if lower == "site-packages" and os.path.basename(folder).lower() == "lib":
        return site_packages(os.path.dirname(folder))
    if lower.endswith(".exe"):
        # Conda's environments have python.exe beside Scripts on Windows.
        places = [folder, os.path.join(folder, "bin")] if lower == "python.exe" else [folder]
        for place in places:
            program = os.path.join(place, lower[:-4])
            if os.path.isfile(program):
                return program
    return None


def _missing(folder, names):
    """The path of what does not exist: a program of an environment is called as it would be
    here.
    """
    path = os.path.join(folder, *names)
    if os.path.basename(folder) == "bin" and path.lower().endswith(".exe"):
        return path[:-4]
    return path


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


def map_setting(key, value, pairs, folder="."):
    """An appSetting with its Windows paths made local: those that ``pairs`` know, the parts of
    PYTHONPATH, and relative ones from the application's ``folder`` on.
    """
    name = key.strip().upper()
    if name == "PYTHONPATH":
        return ";".join(_part(part, pairs, folder) for part in value.split(";"))
    text = value.replace("%HOME%", "D:\\home") if pairs else value
    if is_windows(text):
        return map_path(text, pairs) or value
    if not pairs or "\\" not in text or name == "WSGI_RESTART_FILE_REGEX":
        return value
    return _relative(text, pairs, folder, is_path=name == "WSGI_LOG")


def _part(text, pairs, folder):
    """A part of PYTHONPATH; those with variables are left to the code that expands them."""
    if is_windows(text):
        return map_path(text, pairs) or text
    if not pairs or "\\" not in text or re.search(r"[%:]", text):
        return text
    return _relative(text, pairs, folder, is_path=True)


def _relative(text, pairs, folder, is_path):
    """A relative Windows path; another text with a backslash, such as DOMAIN\\user, stays."""
    if is_path and text.startswith("\\"):
        return map_path("C:" + text, pairs) or text
    head, _, rest = text.replace("\\", "/").partition("/")
    local = below(folder, text)
    known = head and rest and os.path.isdir(os.path.dirname(local))
    return local if is_path or head in (".", "..") or known else text


def expand(text, variables):
    """``%NAME%`` replaced from ``variables``; unknown names become nothing, as wfastcgi does in
    PYTHONPATH.
    """
    return re.sub(r"%(\w+?)%", lambda match: variables.get(match.group(1), ""), text)
