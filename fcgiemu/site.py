"""Site: a folder opened as an IIS site: configuration tree, files, settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from . import applications
from .applications import Application, Layout, SiteError
from .azure import front_end
from .azure.environment import AppSetting
from .azure.home import home_of
from .config import file as config_file
from .config.diagnostics import Finding, Span
from .config.file import ConfigFile, Policy
from .config.tree import ConfigTree, Effective
from .decision import Decision, Refuse
from .files import FileEntry, FileView, VirtualDirectory
from .http.request import Request, make_request
from .http.url import UrlRefused
from .modules import request_filtering, static_file
from .modules.pipeline import decide
from .trace import Trace

WINDOWS_ROOT = "C:\\inetpub\\wwwroot"
AZURE_ROOT = "D:\\home\\site\\wwwroot"
#: What was asked of the site's files: a folder and a path below it -> what was found there.
Answers = dict[tuple[FileView, str], FileEntry | None]
#: Folders that hold no pages of the site and are large: neither watched nor searched for web.config
#: at start.
UNWATCHED = frozenset(
    {
        "env",
        "venv",
        ".venv",
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        "__pycache__",
        ".tox",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".idea",
        ".vs",
        "bower_components",
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How faithful and for which host. Everything an administrator or the platform sets outside
    web.config.
    """

    strict: bool = False
    strict_locks: bool = False
    azure: bool = False
    #: App settings and connection strings of an App Service.
    app_settings: tuple[AppSetting, ...] = ()
    #: Whether an app setting comes before the <appSettings> of web.config by the same name;
    #: wfastcgi has it the other way.
    portal_wins: bool = False
    arr: bool = False
    rewrite_module: bool = True
    #: Whether static and dynamic compression work; off because which hits of a file are compressed
    #: depends on time.
    compression: bool = False
    host_config: Path | None = None
    #: Read in the place of the root folder's web.config.
    root_config: Path | None = None
    #: Which <site> of the host configuration; the first one where it has none of this name.
    site_name: str = "Default Web Site"
    #: (Windows path prefix, local path) pairs of --map, tried before the built-in ones.
    path_map: tuple[tuple[str, str], ...] = ()
    #: Python callables that stand in for rewrite providers (.NET types), by name.
    providers: Mapping[str, Callable[[str], str]] = field(default_factory=dict)


@dataclass(slots=True)
class Site:
    """An IIS site over a local folder.

    ``Site(path).explain("/a?b=1")`` says what IIS would do with a URL; raises SiteError where
    ``path`` is no folder.
    """

    path: Path
    settings: Settings = field(default_factory=Settings)
    layout: Layout = field(init=False)
    tree: ConfigTree = field(init=False)
    file_tests: SiteFiles = field(init=False)
    #: Where ``find`` notes its answers while a decision is made that somebody wants to know the
    #: grounds of.
    _answers: Answers | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.path = Path(os.path.abspath(self.path))
        if not self.path.is_dir():
            raise SiteError(
                f"There is no folder {self.path}.", "Name the folder that holds web.config."
            )
        settings = self.settings
        host = self._host_config()
        self.layout = applications.layout(
            self.path,
            AZURE_ROOT if settings.azure else WINDOWS_ROOT,
            settings.site_name,
            host,
            settings.host_config.parent if settings.host_config else self.path,
            settings.path_map,
        )
        shipped = shipped_defaults(settings.azure)
        files = (
            shipped if host is None else (host,) if applications.whole(host) else (*shipped, host)
        )
        self.tree = ConfigTree(
            self.layout.directories,
            files,
            site_name=self.layout.name,
            providers=settings.providers,
            policy=Policy(settings.strict_locks, settings.strict or settings.strict_locks),
            root_config=settings.root_config,
        )
        self.file_tests = SiteFiles(self)

    def _host_config(self) -> ConfigFile | None:
        path = self.settings.host_config
        if path is None:
            return None
        loaded = config_file.load(path, path.name, is_host=True)
        broken = next(
            (finding for finding in loaded.findings if finding.code == "config-unreadable"), None
        )
        if broken is not None:
            raise SiteError(f"{path}: {broken.message}", broken.hint)
        return loaded

    # -- places ------------------------------------------------------------------------------------

    @property
    def root(self) -> Application:
        """The root application."""
        return self.layout.applications[0]

    def directory(self, path: str) -> VirtualDirectory:
        """The virtual directory of a URL path."""
        directories = self.layout.directories
        return directories[0] if len(directories) == 1 else applications.covering(directories, path)

    def application(self, path: str) -> Application:
        """The application of a URL path."""
        found = self.layout.applications
        if len(found) == 1:
            return found[0]
        url = self.directory(path).application
        return next(application for application in found if application.url == url)

    def roots(self) -> list[Path]:
        """The folders that hold everything of the site: those of its directories that lie in no
        other.
        """
        folders = {Path(directory.view.root) for directory in self.layout.directories}
        return [folder for folder in folders if not folders.intersection(folder.parents)]

    def local_path(self, path: str) -> str:
        """The local path that a URL path stands for, whether it exists or not."""
        directory = self.directory(path)
        return directory.view.root + path[len(directory.path) :]

    # -- asking ------------------------------------------------------------------------------------

    def decide(
        self, request: Request, trace: Trace | None = None, answers: Answers | None = None
    ) -> Decision:
        """What IIS does with ``request``. Configuration is compiled once and kept: see
        ConfigTree.refresh.

        ``answers`` is filled while the decision is made.
        """
        self._answers = answers
        try:
            return decide(self, request, trace)
        finally:
            self._answers = None

    def arriving(self, request: Request, identifier: str = front_end.NO_IDENTIFIER) -> Request:
        """The request as it reaches the site: with what the front end of App Service adds, where
        there is one.
        """
        return (
            front_end.arrive(request, self.azure_name, identifier)
            if self.settings.azure
            else request
        )

    @property
    def azure_name(self) -> str:
        """WEBSITE_SITE_NAME: an app setting of that name, else the folder's name."""
        given = next(
            (
                setting.value
                for setting in self.settings.app_settings
                if setting.name == "WEBSITE_SITE_NAME"
            ),
            "",
        )
        folder = self.home.name if self.home is not None else self.path.name
        return given or re.sub(r"[^a-z0-9-]+", "-", folder.lower()).strip("-") or "site"

    @property
    def home(self) -> Path | None:
        """The local folder of D:\\home, where the site lies in one as site/wwwroot."""
        found = home_of(self.path)
        return found.root if found is not None else None

    def explain(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        *,
        https: bool = False,
        remote_addr: str = "127.0.0.1",
        body_length: int | None = None,
        vars: Mapping[str, str] | None = None,
        response: Mapping[str, Any] | None = None,
        events: bool = True,
    ) -> dict[str, Any]:
        """What IIS would do with a URL, in the shape of ``fcgiemu explain --json``; see
        docs/explain.md.

        ``url`` is a path or an absolute URL; ``response`` stands in for what the chosen handler
        would answer.
        """
        from .report.explanation import explain

        return explain(
            self,
            url,
            method,
            headers,
            https=https,
            remote_addr=remote_addr,
            body_length=body_length,
            overrides=vars,
            canned=response,
            events=events,
        )

    def effective(self, path: str) -> Effective:
        """The configuration of a URL path."""
        return self.tree.effective(path)

    def find(self, path: str) -> FileEntry | None:
        """The file or folder that a URL path names."""
        directory = self.directory(path)
        relative = path[len(directory.path) :]
        found = directory.view.find(relative)
        if self._answers is not None:
            self._answers[directory.view, relative] = found
        return found

    def spelled(self, entry: FileEntry) -> str:
        """A file's path relative to the site, in the spelling on disk; virtual directories count as
        folders.
        """
        directory = next(
            directory
            for directory in sorted(
                self.layout.directories, key=lambda known: -len(known.view.root)
            )
            if entry.path.startswith(directory.view.root)
        )
        return f"{directory.path}/{directory.view.relative(entry)}".strip("/")

    # -- settings of the worker --------------------------------------------------------------------

    def app_settings(self, application: Application | None = None) -> dict[str, tuple[str, Span]]:
        """appSettings of an application (the root one) as wfastcgi reads them: its web.config's
        <add>s, a later key wins.
        """
        file = self.tree.file_of((application or self.root).url)
        found: dict[str, tuple[str, Span]] = {}
        if file is not None and file.root is not None:
            for settings in file.root.iter("appSettings"):
                for add in settings.iter("add"):
                    if key := add.attributes.get("key", ""):
                        found[key.strip()] = (add.attributes.get("value", ""), add.span)
        return found

    def worker_setting(self, name: str, application: Application | None = None) -> str | None:
        """A setting as the worker finds it: of web.config, or of the App Service."""
        written = self.app_settings(application).get(name)
        portal = next(
            (
                setting.value
                for setting in self.settings.app_settings
                if self.settings.azure and setting.name == name and not setting.kind
            ),
            None,
        )
        if written is None or portal is not None and self.settings.portal_wins:
            return portal
        return written[0]

    def findings(self) -> list[Finding]:
        """Everything said about the configuration files read so far."""
        host = [finding for file in self.tree.host for finding in file.findings]
        return host + [finding for file in self.tree.files() for finding in file.findings]


@cache
def _shipped(name: str) -> ConfigFile:
    loaded = config_file.load(
        resources.files("fcgiemu.config").joinpath(name).read_bytes(), name, is_host=True
    )
    assert not loaded.findings, loaded.findings
    return loaded


def shipped_defaults(azure: bool = False) -> tuple[ConfigFile, ...]:
    """The configuration of the server before a site says anything, read once."""
    return (
        (_shipped("applicationHost.config"), _shipped("azure.config"))
        if azure
        else (_shipped("applicationHost.config"),)
    )


class SiteFiles:
    """The rules' questions about files, in Windows paths, answered from the site's folder."""

    def __init__(self, site: Site) -> None:
        self._site = site
        roots = [(windows, "") for windows in (WINDOWS_ROOT, AZURE_ROOT, str(site.path))]
        roots += [
            (root, directory.path)
            for directory in site.layout.directories
            for root in (directory.windows, directory.view.root)
        ]
        #: (physical folder, URL path), the longest first.
        self._roots = sorted(
            ((root.lower(), url) for root, url in roots), key=lambda pair: -len(pair[0])
        )

    def physical_path(self, url_path: str) -> str:
        directory = self._site.directory(url_path)
        return directory.windows + url_path[len(directory.path) :].replace("/", "\\")

    def is_file(self, physical: str) -> bool:
        entry = self._find(physical)
        return entry is not None and entry.is_file and not physical.endswith(("/", "\\"))

    def is_directory(self, physical: str) -> bool:
        entry = self._find(physical)
        return entry is not None and entry.is_directory

    def is_servable(self, url_path: str) -> bool:
        entry = self._site.find(url_path)
        if entry is None:
            return False
        effective = self._site.effective(url_path)
        if not static_file.is_servable(effective.view(static_file.compiled), entry):
            return False
        return (
            effective.view(request_filtering.compiled).refusal(_ANY_REQUEST, url_path, "", False)
            is None
        )

    def read_text(self, physical: str) -> str | None:
        entry = self._find(physical)
        if entry is None or entry.is_directory:
            return None
        try:
            return Path(entry.path).read_text("utf-8", "replace")
        except OSError:
            return None

    def _find(self, physical: str) -> FileEntry | None:
        relative = self._relative(physical)
        return None if relative is None else self._site.find(relative)

    def _relative(self, physical: str) -> str | None:
        """The site's URL path for a physical one; None outside the site."""
        folded = physical.lower()
        for root, url in self._roots:
            if folded.startswith(root) and folded[len(root) : len(root) + 1] in ("", "/", "\\"):
                return url + re.sub(r"[/\\]+", "/", physical[len(root) :])
        return None


_ANY_REQUEST = make_request("/")


def refused(error: UrlRefused) -> Decision:
    """The decision for a target that http.sys answers itself."""
    return Decision(Refuse(error.status, error.heading, error.text), module="http.sys")
