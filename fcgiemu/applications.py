"""Sites, applications and virtual directories of a host configuration
(<system.applicationHost><sites>).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .catalogue.findings import Span
from .config import values
from .config.file import ConfigFile
from .config.reader import Element
from .errors import SiteError
from .files import FileView, VirtualDirectory
from .rewrite.state import Place
from .worker import paths

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Application:
    """An application of a site: ``url`` is its path ("" = the root application), ``path`` its local
    folder.
    """

    url: str
    path: Path
    place: Place


@dataclass(frozen=True, slots=True)
class Hsts:
    """An enabled <hsts> of a site: the value of Strict-Transport-Security, and whether requests
    over HTTP are redirected.
    """

    value: str
    redirect_to_https: bool


@dataclass(slots=True, kw_only=True)
class Layout:
    """A site's applications and virtual directories; the root application and directory come
    first.
    """

    name: str
    applications: list[Application] = field(default_factory=list)
    directories: list[VirtualDirectory] = field(default_factory=list)
    #: (Windows folder, local folder) of every virtual directory.
    pairs: list[Pair] = field(default_factory=list)
    hsts: Hsts | None = None
    #: The host names of the site's bindings.
    host_names: list[str] = field(default_factory=list)


def is_complete(file: ConfigFile) -> bool:
    """Whether a host configuration is a server's whole applicationHost.config, which takes the
    place of our defaults.
    """
    return (
        file.root is not None
        and any(file.root.iter("sectionGroup"))
        and any(file.root.iter("globalModules"))
    )


def plain_layout(folder: Path, windows: str, name: str) -> Layout:
    """A site of one application."""
    place = Place(site_root=windows, application_path="", application_root=windows, site_name=name)
    return Layout(
        name=name,
        applications=[Application("", folder, place)],
        directories=[VirtualDirectory("", FileView(str(folder)), windows)],
        pairs=[(windows, str(folder))],
    )


def layout(
    folder: Path,
    windows: str,
    name: str,
    *,
    host: ConfigFile | None,
    beside: Path,
    path_map: Sequence[Pair],
) -> Layout:
    """The layout of the site called ``name``, or of the first one, of a host configuration.

    The root directory is ``folder``, whatever its physicalPath; the others are found through
    ``path_map`` and the root's own, local ones from the folder ``beside`` on. Raises SiteError,
    with file and line, for what IIS would not start.
    """
    site = None if host is None or host.root is None else _chosen(host.root, name)
    if site is None or host is None:
        return plain_layout(folder, windows, name)
    return _Reader(folder, windows, site, path_map, beside).read()


def _chosen(root: Element, name: str) -> Element | None:
    sites = [site for part in root.iter("sites") for site in part.children if site.tag == "site"]
    named = [site for site in sites if site.attributes.get("name", "").lower() == name.lower()]
    return next(iter(named + sites), None)


class _Reader:
    """Reads one <site>."""

    def __init__(
        self, folder: Path, windows: str, site: Element, path_map: Sequence[Pair], beside: Path
    ) -> None:
        self.folder = folder
        self.windows = windows
        self.site = site
        self.beside = beside
        self.layout = Layout(name=site.attributes.get("name", ""))
        self.layout.host_names = [
            binding.attributes.get("bindingInformation", "").rpartition(":")[2]
            for binding in site.iter("binding")
        ]
        self.path_map = path_map

    def read(self) -> Layout:
        applications = sorted(self.site.iter("application"), key=_path)
        if not applications or _path(applications[0]):
            raise _error(
                'The site has no application with path="/".',
                self.site.span,
                'Add <application path="/"> with a <virtualDirectory path="/">.',
            )
        root = self._windows(_root_directory(applications[0])) or self.windows
        self.layout.pairs.append((root, str(self.folder)))
        for before, element in zip((None, *applications), applications, strict=False):
            if before is not None and _path(before).lower() == _path(element).lower():
                raise _error(
                    f"The application '{_path(element) or '/'}' is there twice.",
                    element.span,
                    "Remove one of them.",
                )
            self._application(element, root)
        self.layout.hsts = _hsts(self.site)
        self.layout.directories.sort(key=lambda directory: len(directory.path))
        return self.layout

    def _application(self, element: Element, site_root: str) -> None:
        url = _path(element)
        root = _root_directory(element)
        local, windows = self._folders(root, is_root=not url)
        place = Place(
            site_root=site_root,
            application_path=url,
            application_root=windows,
            site_name=self.layout.name,
            site_id=_number(self.site, "id", 1),
            application_pool=element.attributes.get("applicationPool") or "DefaultAppPool",
        )
        self.layout.applications.append(Application(url, local, place))
        for directory in _directories(element):
            local, windows = self._folders(directory, is_root=not url and directory is root)
            self.layout.directories.append(
                VirtualDirectory(
                    url + _path(directory),
                    FileView(str(local)),
                    windows,
                    url,
                    directory.attributes.get("allowSubDirConfig", "true").lower() != "false",
                )
            )
            self.layout.pairs.append((windows, str(local)))

    def _folders(self, directory: Element, is_root: bool) -> tuple[Path, str]:
        """The local folder of a virtual directory, and the one that server variables show."""
        windows = self._windows(directory)
        if is_root:
            return self.folder, windows or self.windows
        text = values.expand(directory.attributes["physicalPath"])
        local = self._local(text)
        if local is None or not local.is_dir():
            raise _error(
                f'There is no local folder for physicalPath="{text}".',
                directory.span,
                f"Map it: --map '{text}=/path/to/folder'."
                if windows
                else "Create it, or fix the path.",
            )
        return local, windows or f"{self.windows}{_path(directory)}".replace("/", "\\")

    def _local(self, text: str) -> Path | None:
        if not paths.is_windows(text):
            return Path(os.path.abspath(self.beside / text))
        mapped = paths.map_path(text, (*self.path_map, *self.layout.pairs))
        return Path(mapped) if mapped else None

    @staticmethod
    def _windows(directory: Element) -> str:
        """physicalPath where it is a Windows one, without a slash at its end; else ""."""
        text = values.expand(directory.attributes["physicalPath"]).rstrip("\\/")
        return text if paths.is_windows(text) else ""


def _hsts(site: Element) -> Hsts | None:
    element = next((child for child in site.children if child.tag == "hsts"), None)
    if element is None or not _flag(element, "enabled"):
        return None
    parts = [f"max-age={_number(element, 'max-age', 0)}"]
    parts += ["includeSubDomains"] if _flag(element, "includeSubDomains") else []
    parts += ["preload"] if _flag(element, "preload") else []
    return Hsts("; ".join(parts), _flag(element, "redirectHttpToHttps"))


def _flag(element: Element, name: str) -> bool:
    return element.attributes.get(name, "").lower() == "true"


def _path(element: Element) -> str:
    """The path of an application or virtual directory without a slash at its end."""
    text = element.attributes.get("path", "")
    if not text.startswith("/"):
        raise _error(
            f'path="{text}" does not begin with a slash.', element.span, f'Write path="/{text}".'
        )
    return text.rstrip("/")


def _root_directory(application: Element) -> Element:
    for directory in _directories(application):
        if not _path(directory):
            return directory
    raise _error(
        f"The application '{_path(application) or '/'}' has no virtual directory with path=\"/\".",
        application.span,
        'Add <virtualDirectory path="/" physicalPath="…" />.',
    )


def _directories(application: Element) -> Iterator[Element]:
    for directory in application.iter("virtualDirectory"):
        if not directory.attributes.get("physicalPath"):
            raise _error(
                "A <virtualDirectory> needs a physicalPath.",
                directory.span,
                'Add physicalPath="…".',
            )
        yield directory


def _number(element: Element, name: str, default: int) -> int:
    text = element.attributes.get(name, "")
    return int(text) if text.isdigit() else default


def _error(message: str, span: Span, hint: str) -> SiteError:
    return SiteError(f"{span}: {message}", hint)


def covering(directories: Iterable[VirtualDirectory], path: str) -> VirtualDirectory:
    """The deepest of ``directories``, which come from the root down, that a URL path lies in."""
    folded = path.lower()
    return [directory for directory in directories if directory.covers(folded)][-1]
