"""Where the Windows paths of a site lead on this machine.

Paths are mapped by pairs of a Windows folder and a local one, the longest folder first; of two that
are equal the earlier pair wins:

1. those of ``--map`` and of the site's own settings;
2. the site's virtual directories: what a host configuration says of them, else where IIS and App
   Service have the site (``C:\\inetpub\\wwwroot``, ``D:\\home\\site\\wwwroot``);
3. the folder that the site has on its server, where its configuration tells: see ``inferred``; a
   site that has a folder of its own below those of 2 is found by it;
4. ``D:\\home``, App Service's home, a folder of ours but for the site in it. Newer units call it
   ``C:\\home``: whatever is known of one drive's home holds for the other's;
5. everything else: a folder of ours for each drive, so that no file is created here that has a
   Windows path as its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..hosting import AZURE_ROOT, WINDOWS_ROOT, Hosting
from ..modules import asp_net_core, handlers, http_platform
from ..modules.process_section import ProcessSection
from ..worker import paths

Pair = tuple[str, str]

#: Both names of App Service's home.
_HOMES = ("D:\\home", "C:\\home")
_DRIVES = "drives"


class Inferred(NamedTuple):
    """The site's folder on its server: ``windows``, and what the configuration says that leads
    there.
    """

    windows: str
    because: str


def path_pairs(site: Hosting) -> tuple[Pair, ...]:
    """(Windows folder, local folder) of everything: see the text at the top."""
    return (*known_pairs(site), (paths.DRIVES, str(_own(site) / _DRIVES)))


def known_pairs(site: Hosting) -> tuple[Pair, ...]:
    """The pairs but for the last one: those that lead to something."""
    fixed = _fixed_pairs(site)
    found = inferred(site, fixed)
    return fixed if found is None else (*fixed, (found.windows, str(site.path)))


def _fixed_pairs(site: Hosting) -> tuple[Pair, ...]:
    root, own = str(site.path), _own(site)
    home = site.home
    pairs = (
        *site.settings.path_map,
        *site.layout.pairs,
        (AZURE_ROOT, root),
        (WINDOWS_ROOT, root),
        ("D:\\home\\LogFiles", str((home or own) / "LogFiles")),
        ("D:\\home", str(home or own / "home")),
    )
    return (*pairs, *_twins(pairs))


def is_ours(site: Hosting, local: str) -> bool:
    """Whether a local path lies in a folder that stands for a part of the server: it is made when
    something is to be written there.
    """
    return any(Path(local).is_relative_to(folder) for folder in (_own(site), site.home) if folder)


def _own(site: Hosting) -> Path:
    return site.path / ".fcgiemu"


def _twins(pairs: tuple[Pair, ...]) -> Iterator[Pair]:
    """The pairs below one drive's home for the other drive's."""
    for windows, local in pairs:
        for home, other in (_HOMES, _HOMES[::-1]):
            if re.match(re.escape(home) + r"(?:\\|$)", windows, re.IGNORECASE):
                yield other + windows[len(home) :], local


# -- the site's folder on its server ---------------------------------------------------------------


#: How many signs have to agree on a folder.
_ENOUGH = 2


def inferred(site: Hosting, known: tuple[Pair, ...] | None = None) -> Inferred | None:
    """The folder that the site has on its server, as far as its configuration tells; None where it
    does not, or where the paths in it are known anyway.

    A path whose end exists in the site leads there by itself. Of the weaker signs two have to
    agree: the name of the site's own folder, the folder of an environment, of a log, or in
    PYTHONPATH. Below the default roots two are needed of any kind, as the site may be the whole of
    such a root.
    """
    pairs = _fixed_pairs(site) if known is None else known
    signs: dict[str, set[str]] = {}
    first: dict[str, Inferred] = {}
    for named in dict.fromkeys(_named(site)):
        if (root := _default_root(site, named.path)) is not None:
            found = _signs_below(site.path, named, root)
        elif paths.map_path(named.path, pairs) is None:
            found = _signs(site.path, named)
        else:
            continue
        for folder, sign in found:
            signs.setdefault(folder.lower(), set()).add(sign)
            because = Inferred(folder, f"{named.where} names {named.path}")
            if sign == _CERTAIN or folder.lower() not in first:
                first[folder.lower()] = because
    weights = {
        key: len(found) + (_CERTAIN in found and _default_root(site, key) is None)
        for key, found in signs.items()
    }
    best = max(weights, key=lambda key: (weights[key], len(key)), default=None)
    return first[best] if best is not None and weights[best] >= _ENOUGH else None


class _Named(NamedTuple):
    """A Windows path that the configuration names, and where: scriptProcessor, PYTHONPATH …"""

    where: str
    path: str


def _named(site: Hosting) -> Iterator[_Named]:
    """Every absolute Windows path that the root application's programs and settings name."""
    for where, text in _texts(site):
        for path in re.findall(r'"([^"]+)"|([^;|"]+)', text):
            candidate = (path[0] or path[1]).strip()
            # Arguments may hold more than one path, and values in front: --log=D:\x.log
            for word in (candidate, *re.split(r"[\s=]+", candidate)):
                if re.match(r"[A-Za-z]:[\\/]", word):
                    yield _Named(where, word.replace("/", "\\").rstrip("\\"))


def _texts(site: Hosting) -> Iterator[tuple[str, str]]:
    root = site.effective("/")
    modules: set[str] = set()
    for handler, _ in root.view(handlers.table).entries:
        modules.update(handler.modules)
        if handler.script_processor and handler.origin:
            yield "scriptProcessor", handler.script_processor
    if "httpPlatformHandler" in modules:
        yield from _texts_of("httpPlatform", root.view(http_platform.http_platform))
    if not asp_net_core.MODULES.isdisjoint(modules):
        yield from _texts_of("aspNetCore", root.view(asp_net_core.asp_net_core))
    for name, (value, _span) in site.app_settings().items():
        yield name, value


def _texts_of(section: str, settings: ProcessSection) -> Iterator[tuple[str, str]]:
    yield "processPath", settings.process_path
    yield f"arguments of {section}", settings.arguments
    yield "stdoutLogFile", settings.stdout_log or ""
    yield from settings.environment


#: The sign that is enough by itself.
_CERTAIN = "its end exists in the site"


def _default_root(site: Hosting, path: str) -> str | None:
    """The default root of sites that a Windows path lies below; None where there is none, or where
    it is known that the site is at that root.
    """
    settings = site.settings
    if site.home or settings.host_config or paths.map_path(path, settings.path_map) is not None:
        return None
    roots = (WINDOWS_ROOT, *(windows for windows, _ in _twins(((AZURE_ROOT, ""),))), AZURE_ROOT)
    return next((root for root in roots if path.lower().startswith(root.lower() + "\\")), None)


def _signs_below(site: Path, named: _Named, root: str) -> Iterator[tuple[str, str]]:
    """The signs for folders below a default root, by a path that leads to nothing if the site is at
    that root. Where the first folder of the path exists in the site, only an end that exists
    elsewhere in it, and what agrees with that, says more.
    """
    relative = named.path[len(root) + 1 :]
    first = paths.below(str(site), relative.partition("\\")[0])
    if os.path.exists(paths.below(str(site), relative)):
        return
    found = {pair for pair in _signs(site, named) if len(pair[0]) > len(root)}
    certain = {folder for folder, sign in found if sign == _CERTAIN}
    if re.search(r"(?i)log", named.where):
        logs = set(_folders_of_log(site, named.path, root))
        found |= {(folder, "a log") for folder in logs}
        certain |= logs
    for folder in certain:
        if folder.rpartition("\\")[2].lower() == site.name.lower():
            found.add((folder, "its name"))
    for folder, sign in sorted(found):
        if folder in certain or not os.path.exists(first):
            yield folder, sign


def _folders_of_log(site: Path, path: str, root: str) -> Iterator[str]:
    """Folders below a root that, taken for the site's, have the folder of a log in the site."""
    names = path.split("\\")
    for count in range(root.count("\\") + 2, len(names) - 1):
        if os.path.isdir(paths.below(str(site), "\\".join(names[count:-1]))):
            yield "\\".join(names[:count])
            return


def _signs(site: Path, named: _Named) -> Iterator[tuple[str, str]]:
    """Folders that may be the site's, by one path, and what speaks for each."""
    names = named.path.split("\\")
    is_interpreter = re.fullmatch(r"(?i)python[\w.-]*|wfastcgi\.py", names[-1]) is not None
    for count in range(2, len(names)):
        if is_interpreter and count == len(names) - 1:
            break  # it is installed elsewhere: the folder that it lies in is not that of a site
        if os.path.exists(paths.below(str(site), "\\".join(names[count:]))):
            yield "\\".join(names[:count]), _CERTAIN
            break
    is_log = re.search(r"(?i)log", named.where) is not None
    environment = re.match(
        r"(?i)(.+\\.+)\\[^\\]+\\(?:scripts|lib\\site-packages)(?:\\|$)", named.path
    )
    if environment:
        yield environment[1], "an environment"
    for count in range(2, len(names) + 1 if not is_log else 0):
        if names[count - 1].lower() == site.name.lower():
            yield "\\".join(names[:count]), "its name"
    if named.where.upper() == "PYTHONPATH":
        yield named.path, "PYTHONPATH"
    elif is_log and len(names) > 2:
        yield "\\".join(names[:-1]), "a log"
        if re.fullmatch(r"(?i)logs?", names[-2]) and len(names) > 3:
            yield "\\".join(names[:-2]), "a log"
