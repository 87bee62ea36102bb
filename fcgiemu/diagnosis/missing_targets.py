"""Rewrites to a file that does not exist, where one lies near that is meant: index.htm beside
index.html, index.php in public.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from posixpath import normpath

from ..catalogue import finding
from ..catalogue.findings import Finding
from ..decision import Respond
from ..files import UNWATCHED
from ..http.request import make_request
from ..http.url import UrlRefused
from ..rewrite.rule import Rule
from ..site import Site
from .rule_kinds import is_fallback

#: A target that names one file: no group, no query of its own.
_FILE = re.compile(r"/?[\w./-]*[\w-]+\.\w{2,5}")
#: Folders from which a server sends files; elsewhere a build may put a page where it is missing.
_SERVED = re.compile(r"(?i)(?:public|public_html|wwwroot|www|web|htdocs|html)")
#: Rules whose targets are asked for, at most: each request goes through all rules.
_MOST_ASKED = 100
#: Folders that are looked into, at most.
_MOST = 200


def findings(site: Site, own: Sequence[Rule]) -> Iterator[Finding]:
    """Findings about the rules ``own`` of a file."""
    asked = 0
    for rule in own:
        url = rule.action.url.source.strip() if rule.action.url is not None else ""
        path = url.partition("?")[0].removesuffix("/{R:1}").removesuffix("/{R:0}")
        if rule.action.type != "Rewrite" or rule.page_rule or not _FILE.fullmatch(path):
            continue
        full = normpath(path if path.startswith("/") else f"{rule.base}/{path}")
        if site.find(full) is not None:
            continue
        asked += 1
        if asked > _MOST_ASKED:
            return
        if _is_not_found(site, full):
            yield from _near(site, rule, url, full)


def _is_not_found(site: Site, path: str) -> bool:
    try:
        action = site.decide(make_request(path)).action
    except UrlRefused:
        return False
    return isinstance(action, Respond) and action.status == 404 and action.substatus in (0, 3)


def _near(site: Site, rule: Rule, url: str, path: str) -> Iterator[Finding]:
    folder, _, name = path.rpartition("/")
    below = f"{rule.base}{path}" if rule.base and url.startswith("/") else ""
    if below and site.find(below) is not None:
        if _has_pages(site):  # else the site may be the rule's folder
            yield _missing(rule, path, below, url.replace(path, path[1:], 1))
        return
    beside = [other for other in _in(site, folder or "/") if _type(other) == _type(name)]
    stem = name.rpartition(".")[0].lower()
    near = [other for other in beside if other.rpartition(".")[0].lower() == stem]
    near = near or get_close_matches(name, beside, 1, 0.85)
    index = f"index.{name.rpartition('.')[2]}"
    near = near or [other for other in beside if other.lower() == index and is_fallback(rule)]
    place = f"{folder}/{near[0]}" if near else _elsewhere(site, name)
    if not place or place == f"{rule.base}/{name}" and site.find(folder) is None:
        return  # the site's place may be that folder of another one
    is_sure = bool(near) or name.endswith(".php") or _SERVED.fullmatch(place.split("/")[1])
    meant = place if url.startswith("/") else place.removeprefix(f"{rule.base}/")
    meant = url.replace(path if url.startswith("/") else path[len(rule.base) + 1 :], meant, 1)
    yield _missing(rule, path, place, meant, severity="" if is_sure else "info")


def _has_pages(site: Site) -> bool:
    """Whether the root is that of a site: it has a configuration, or a first page."""
    first = re.compile(r"(?i)web\.config|(?:index|default)\.\w+")
    return any(map(first.fullmatch, _in(site, "/")))


def _missing(rule: Rule, path: str, near: str, meant: str, *, severity: str = "") -> Finding:
    """That the file of a target is not there; ``near`` is one that is, ``meant`` the target for
    it.
    """
    return finding(
        "rewrite-target-missing",
        rule.span,
        severity=severity,
        rule=rule.name,
        url=path,
        near=near,
        meant=meant,
    )


def _type(name: str) -> str:
    """The type of a file, by its extension: pages of HTML have two."""
    extension = name.rpartition(".")[2].lower()
    return "htm" if extension == "html" else extension


def _in(site: Site, folder: str) -> list[str]:
    """The names of the files in a folder of the site."""
    local = site.local_path(folder)
    try:
        return sorted(entry.name for entry in os.scandir(local) if entry.is_file())
    except OSError:
        return []


def _elsewhere(site: Site, name: str) -> str:
    """The URL path of the only file of that name in another folder of the site, or ""."""
    root = str(site.path)
    places = site.effective("/").shared(("places of files", root), partial(_places, root))
    found = places.get(name.lower(), [])
    path = f"{found[0]}/{name}" if len(found) == 1 else ""
    return path if path and site.find(path) is not None else ""


def _places(root: str) -> dict[str, list[str]]:
    """File name -> the folders that hold one, as URL paths; nothing where there are too many."""
    found: dict[str, list[str]] = {}
    waiting, count = [root], 0
    while waiting:
        folder = waiting.pop(0)
        count += 1
        if count > _MOST:
            return {}
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if not entry.is_dir():
                path = folder[len(root) :].replace(os.sep, "/")
                found.setdefault(entry.name.lower(), []).append(path)
            elif entry.name.lower() not in UNWATCHED and entry.name[0] not in "._":
                if not entry.is_symlink():
                    waiting.append(entry.path)
    return found
